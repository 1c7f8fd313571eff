"""The network in PyTorch: the reference that every faster engine is held against."""

import math
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import nn
from torch.nn import functional

from closecast.forecast import LEVELS
from closecast.market.bars import VOLUME
from closecast.models.config import NetworkConfig
from closecast.models.heads import (
    Functions,
    choose_loss,
    head_quantiles,
    student_t_parameters,
    student_t_quantiles,
)


@lru_cache(maxsize=64)
def _constant(
    values: bytes, shape: tuple[int, ...], kind: torch.dtype, device: torch.device
) -> torch.Tensor:
    # moved once: a step that a GPU replays takes nothing from the CPU's memory
    array = np.frombuffer(values, np.float64).reshape(shape)
    return torch.tensor(array.copy(), dtype=kind, device=device)


TORCH = Functions(
    exp=torch.exp,
    tanh=torch.tanh,
    softplus=functional.softplus,
    cumsum=lambda x: torch.cumsum(x, -1),
    flip=lambda x: torch.flip(x, (-1,)),
    concat=lambda parts: torch.cat(parts, -1),
    like=lambda values, x: _constant(values.tobytes(), values.shape, x.dtype, x.device),
)


class StackedLSTM(nn.Module):
    """A stacked LSTM whose last hidden state goes through a small head.

    ``LSTM -> last hidden state -> [BatchNorm] -> Dropout -> with the state ->
    Linear -> ReLU -> Linear``

    Source: Hochreiter and Schmidhuber (1997), doi:10.1162/neco.1997.9.8.1735;
    dropout between layers as in Zaremba et al. (2014), arXiv:1409.2329.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.lstm = nn.LSTM(
            input_size=config.input_size,
            hidden_size=config.hidden_size,
            num_layers=config.num_layers,
            dropout=config.dropout if config.num_layers > 1 else 0.0,
            batch_first=True,
        )
        self.norm = (
            nn.BatchNorm1d(config.hidden_size) if config.batch_norm else nn.Identity()
        )
        self.dropout = nn.Dropout(config.dropout)
        self.hidden = nn.Linear(
            config.hidden_size + config.state_size, config.head_size
        )
        self.out = nn.Linear(config.head_size, config.horizon * config.params_per_step)

    def forward(
        self,
        context: Float[torch.Tensor, "window context feature"],
        scale: Float[torch.Tensor, " window"],
        state: Float[torch.Tensor, "window state"],
    ) -> Float[torch.Tensor, "window horizon param"]:
        """Give the head's outputs.

        Args:
            context: Log ratios to the last bar; open, high, low, close first.
            scale: Volatility of one session known at the cutoff; the prices are
                divided by it, so that a calm stock and a wild coin look alike.
            state: Further features known at the cutoff; may have none.

        Returns:
            Outputs in units of the window; see ``closecast.models.heads``.
        """
        prices = context[..., :VOLUME] / scale[:, None, None]
        inputs = torch.cat([prices, context[..., VOLUME:]], dim=-1)
        _, (last_hidden, _) = self.lstm(inputs)  # (L, N, D)
        summary = self.dropout(self.norm(last_hidden[-1]))
        features = torch.cat([summary, state], dim=-1)  # (N, D + S)
        flat: torch.Tensor = self.out(torch.relu(self.hidden(features)))
        return flat.view(-1, self.config.horizon, self.config.params_per_step)


def point_loss(
    raw: Float[torch.Tensor, "window horizon 1"],
    z: Float[torch.Tensor, "window horizon"],
) -> Float[torch.Tensor, ""]:
    """Mean squared error of the point head.

    Args:
        raw: Outputs of the network.
        z: Targets in units of the window.

    Returns:
        The mean over windows and steps.
    """
    return functional.mse_loss(raw[..., 0], z)


def student_t_loss(
    raw: Float[torch.Tensor, "window horizon 3"],
    z: Float[torch.Tensor, "window horizon"],
) -> Float[torch.Tensor, ""]:
    """Negative log likelihood of the Student-t head.

    Args:
        raw: Outputs of the network.
        z: Targets in units of the window.

    Returns:
        The mean over windows and steps, in nats.
    """
    location, scale, df = student_t_parameters(raw, TORCH)
    square = ((z - location) / scale) ** 2
    log_norm = (
        torch.lgamma((df + 1) / 2)
        - torch.lgamma(df / 2)
        - 0.5 * torch.log(math.pi * df)
        - torch.log(scale)
    )
    nll: torch.Tensor = (df + 1) / 2 * torch.log1p(square / df) - log_norm
    return nll.mean()


def crps_loss(
    quantiles: Float[torch.Tensor, "window horizon quantile"],
    z: Float[torch.Tensor, "window horizon"],
) -> Float[torch.Tensor, ""]:
    """CRPS of a distribution that is known by its quantiles.

    The one that the scoreboard shows: twice the mean pinball loss over the levels.
    Source: Laio and Tamea (2007), doi:10.5194/hess-11-1267-2007.

    Args:
        quantiles: Quantiles at ``closecast.forecast.LEVELS``, in units of the window.
        z: Targets in units of the window.

    Returns:
        The mean over windows and steps.
    """
    levels = TORCH.like(LEVELS, z)
    error = z[..., None] - quantiles
    return 2 * torch.maximum(levels * error, (levels - 1) * error).mean()


def loss(
    head: str,
    raw: Float[torch.Tensor, "window horizon param"],
    z: Float[torch.Tensor, "window horizon"],
    name: str = "auto",
    *,
    centred: bool = False,
) -> Float[torch.Tensor, ""]:
    """Compute what a head is trained to make small.

    Args:
        head: One of ``closecast.models.heads.HEADS``.
        raw: Outputs of the network.
        z: Targets in units of the window.
        name: One of the head's losses; see ``closecast.models.heads.choose_loss``.
        centred: Whether the location of a Student-t is taken for 0.

    Returns:
        The mean over windows and steps.
    """
    chosen = choose_loss(head, name)
    if centred:
        raw = torch.cat([torch.zeros_like(raw[..., :1]), raw[..., 1:]], dim=-1)
    if chosen == "mse":
        return point_loss(raw, z)
    if chosen == "nll":
        return student_t_loss(raw, z)
    if head == "quantile":
        return crps_loss(head_quantiles(raw, TORCH), z)
    location, scale, df = student_t_parameters(raw, TORCH)
    standard = student_t_quantiles(df, TORCH)
    return crps_loss(location[..., None] + scale[..., None] * standard, z)
