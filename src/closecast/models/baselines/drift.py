"""Drift: the next closes go on at the average pace so far."""

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
class Drift:
    """A random walk with the drift of all returns so far, Gaussian.

    Its spread is that of the zero forecast: the textbook's term for the error of
    the drift itself is left out, so that the two differ in the mean alone.

    Attributes:
        horizon: Steps to forecast, in sessions.
        calendar: Which sessions target dates are taken from.
        name: What tables call it.

    Source: Hyndman and Athanasopoulos (2021), Forecasting: Principles and
    Practice, 3rd edition, section 5.2.
    """

    horizon: int
    calendar: str = "auto"
    name: str = "drift"

    def forecast(self, bars: Bars, cutoffs: Int[np.ndarray, " window"]) -> Forecast:
        """Forecast the average return from each cutoff on.

        Args:
            bars: The panel.
            cutoffs: Rows of the last known bars.

        Returns:
            One window for each cutoff, in the same order.
        """
        average, deviation = expanding_moments(bars)
        steps = np.arange(1, self.horizon + 1)
        mean = average[cutoffs][:, None] * steps
        spread = deviation[cutoffs][:, None] * np.sqrt(steps)
        return location_scale_forecast(
            bars, cutoffs, self.calendar, mean, spread, normal_shape()
        )
