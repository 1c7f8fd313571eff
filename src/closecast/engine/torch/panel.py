"""Prices on a device, and their windows gathered by index."""

import numpy as np
import torch
from jaxtyping import Float, Int

from closecast.market.bars import CLOSE, VOLUME
from closecast.windows.scaling import WindowData


class ResidentPanel:
    """A panel on the device, and its windows gathered by index.

    Logarithms stay in float64 until the last bar is subtracted: in float32 a return
    would keep only its first few digits.
    """

    def __init__(self, data: WindowData, device: torch.device) -> None:
        self.device = device
        self.context_length = data.spec.context_length
        self.logs = torch.tensor(data.logs, dtype=torch.float64, device=device)
        self.close = self.logs[:, CLOSE].contiguous()
        self.scale = torch.tensor(data.scale, dtype=torch.float64, device=device)
        self.state = torch.tensor(data.state, dtype=torch.float32, device=device)
        self.back = torch.arange(1 - data.spec.context_length, 1, device=device)
        self.ahead = torch.arange(1, data.spec.horizon + 1, device=device)

    def rows(self, cutoffs: Int[np.ndarray, "*_"]) -> Int[torch.Tensor, "*_"]:
        """Move cutoffs to the device.

        Args:
            cutoffs: Rows of the last known bars.

        Returns:
            The same rows.
        """
        rows = np.ascontiguousarray(cutoffs, np.int64)  # reversed ones are not taken
        return torch.tensor(rows, device=self.device)

    def inputs(
        self, rows: Int[torch.Tensor, " window"]
    ) -> tuple[
        Float[torch.Tensor, "window context feature"],
        Float[torch.Tensor, " window"],
        Float[torch.Tensor, "window state"],
    ]:
        """Gather what the network reads.

        Args:
            rows: Rows of the last known bars.

        Returns:
            Context, scale and state, float32.
        """
        context = self.logs[rows[:, None] + self.back] - self.logs[rows][:, None]
        volume = context[..., VOLUME]
        volume.masked_fill_(volume.isnan(), 0.0)
        return context.float(), self.scale[rows].float(), self.state[rows]

    def targets(
        self, rows: Int[torch.Tensor, " window"]
    ) -> Float[torch.Tensor, "window horizon"]:
        """Gather what the network is trained to give.

        Args:
            rows: Rows of the last known bars.

        Returns:
            Log returns in units of the window, scale x sqrt(step), float32.
        """
        log_return = self.close[rows[:, None] + self.ahead] - self.close[rows][:, None]
        unit = self.scale[rows][:, None] * self.ahead.double().sqrt()
        return (log_return / unit).float()
