"""Moving average: the next closes go on at the pace of the last month."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from closecast.forecast import Forecast
from closecast.market.bars import Bars
from closecast.models.baselines.location_scale import (
    expanding_moments,
    location_scale_forecast,
    normal_shape,
)

SESSIONS = 20
"""A month of sessions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MovingAverage:
    """A random walk whose drift is the mean of the last returns, Gaussian.

    Its spread is that of the zero forecast, so that the two differ in the mean alone.

    Attributes:
        horizon: Steps to forecast, in sessions.
        sessions: Returns averaged over; fewer where a symbol has fewer.
        calendar: Which sessions target dates are taken from.
        name: What tables call it.
    """

    horizon: int
    sessions: int = SESSIONS
    calendar: str = "auto"
    name: str = "moving_average"

    def forecast(self, bars: Bars, cutoffs: Int[np.ndarray, " window"]) -> Forecast:
        """Forecast the recent average return from each cutoff on.

        Args:
            bars: The panel.
            cutoffs: Rows of the last known bars.

        Returns:
            One window for each cutoff, in the same order.
        """
        count = np.minimum(self.sessions, cutoffs - bars.starts[cutoffs])
        moved = np.log(bars.close[cutoffs] / bars.close[cutoffs - count])
        steps = np.arange(1, self.horizon + 1)
        pace = moved / np.maximum(count, 1)
        spread = expanding_moments(bars)[1][cutoffs]
        return location_scale_forecast(
            bars,
            cutoffs,
            self.calendar,
            pace[:, None] * steps,
            spread[:, None] * np.sqrt(steps),
            normal_shape(),
        )
