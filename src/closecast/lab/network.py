"""``LSTM``: the lecture's network, which is closecast's with a point head."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import nn

from closecast.errors import SettingError
from closecast.models.config import NetworkConfig
from closecast.models.lstm import StackedLSTM


class LSTM(nn.Module):
    """A stacked LSTM whose last hidden state goes through a small regressor.

    It is the network that ``experiment`` trains, as a module to train by hand.

    Args:
        input_dim: Features of a session.
        hidden_dim: Units of a layer.
        output_dim: Closes that are forecast.
        num_layers: LSTM layers on top of each other.
        batch_size: Windows of a batch; None takes a batch of any size.
        dropout: Chance that a unit is dropped in training.
        use_bn: Whether the last hidden state is normalised over the batch.

    Raises:
        SettingError: A number is out of its range.
    """

    def __init__(  # noqa: PLR0913, PLR0917  the lecture's signature
        self,
        input_dim: int,
        hidden_dim: int,
        output_dim: int,
        num_layers: int,
        batch_size: int | None = None,
        dropout: float = 0.0,
        use_bn: bool = False,  # noqa: FBT001, FBT002  the lecture's signature
    ) -> None:
        super().__init__()
        self.hidden_dim, self.num_layers = hidden_dim, num_layers
        self.batch_size = batch_size
        self.network = StackedLSTM(
            NetworkConfig(
                input_size=input_dim,
                hidden_size=hidden_dim,
                horizon=output_dim,
                num_layers=num_layers,
                dropout=dropout,
                batch_norm=use_bn,
                head="point",
            )
        )

    def init_hidden(
        self, batch_size: int | None = None
    ) -> tuple[
        Float[torch.Tensor, "layer window hidden"],
        Float[torch.Tensor, "layer window hidden"],
    ]:
        """Give the state that each batch starts from: zeros.

        Args:
            batch_size: Windows of the batch; None takes that of the network.

        Returns:
            The hidden state and the cell.

        Raises:
            SettingError: Neither is given.
        """
        size = self.batch_size if batch_size is None else batch_size
        if size is None:
            raise SettingError(
                "Expected a batch_size for init_hidden, got None. Give it here, or "
                "leave init_hidden out: every batch starts from zeros anyway."
            )
        shape = (self.num_layers, size, self.hidden_dim)
        return torch.zeros(shape), torch.zeros(shape)

    @property
    def hidden(self) -> None:
        """The state that is carried from batch to batch: none, windows are apart."""
        return

    @hidden.setter
    def hidden(self, state: Sequence[torch.Tensor]) -> None:
        """Take the zeros of ``init_hidden``, as the lecture sets them at each batch.

        Args:
            state: The hidden state and the cell.

        Raises:
            SettingError: They are not zeros.
        """
        if any(bool(part.any()) for part in state):
            raise SettingError(
                "Expected a hidden state of zeros, got another one. Windows do not "
                "follow each other: let every batch start from init_hidden()."
            )

    def forward(
        self, X: Float[torch.Tensor, "frame window feature"]
    ) -> Float[torch.Tensor, "window output"]:
        """Forecast.

        Args:
            X: Sessions first, then windows: ``X.transpose(0, 1)`` of a DataLoader.

        Returns:
            Log returns over the last known close, shape (window, output).
        """
        windows = X.transpose(0, 1)
        count = len(windows)
        one, nothing = windows.new_ones(count), windows.new_empty(count, 0)
        raw: torch.Tensor = self.network(windows, one, nothing)
        return raw[..., 0]
