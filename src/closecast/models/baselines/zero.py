"""Zero return: the next closes are the last one, give or take."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Zero:
    """Persistence: a random walk without drift, Gaussian.

    The standard deviation of all returns so far grows with the square root of the
    step.

    Attributes:
        horizon: Steps to forecast, in sessions.
        calendar: Which sessions target dates are taken from.
        name: What tables call it.

    Source: Hyndman and Athanasopoulos (2021), Forecasting: Principles and
    Practice, 3rd edition, sections 5.2 and 5.5.
    """

    horizon: int
    calendar: str = "auto"
    name: str = "zero"

    def forecast(self, bars: Bars, cutoffs: Int[np.ndarray, " window"]) -> Forecast:
        """Forecast no change from each cutoff.

        Args:
            bars: The panel.
            cutoffs: Rows of the last known bars.

        Returns:
            One window for each cutoff, in the same order.
        """
        _, deviation = expanding_moments(bars)
        steps = np.arange(1, self.horizon + 1)
        spread = deviation[cutoffs][:, None] * np.sqrt(steps)
        return location_scale_forecast(
            bars, cutoffs, self.calendar, np.zeros_like(spread), spread, normal_shape()
        )
