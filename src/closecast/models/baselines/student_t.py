"""What the baselines of the spread share: mean 0, Student-t, and how wide by a factor.

Each says by itself which spread it expects; how heavy the tails are, and how far the
expected spread has to be stretched, the training windows say.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from closecast.forecast import Forecast
from closecast.market.bars import Bars
from closecast.models.baselines.location_scale import location_scale_forecast
from closecast.models.baselines.tails import student_t_shape


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentT(ABC):
    """Mean 0, an expected spread x factor, Student-t.

    Attributes:
        degrees_of_freedom: Of the Student-t, one for each step.
        factors: Spread of each step in units of the expected one.
        first_date: First bar fitted to, ISO.
        last_date: Last bar fitted to, ISO.
        calendar: Which sessions target dates are taken from.
        name: What tables call it.
    """

    degrees_of_freedom: tuple[float, ...]
    factors: tuple[float, ...]
    first_date: str
    last_date: str
    calendar: str = "auto"
    name: str

    @abstractmethod
    def expected(
        self, bars: Bars, cutoffs: Int[np.ndarray, " window"]
    ) -> Float[np.ndarray, "window horizon"]:
        """Expect a spread of the log return over each step.

        Args:
            bars: The panel.
            cutoffs: Rows of the last known bars.

        Returns:
            Spreads as known at each cutoff, before the factors.
        """

    def forecast(self, bars: Bars, cutoffs: Int[np.ndarray, " window"]) -> Forecast:
        """Forecast a spread around the last close at each cutoff.

        Args:
            bars: The panel.
            cutoffs: Rows of the last known bars.

        Returns:
            One window for each cutoff, in the same order.
        """
        spread = self.expected(bars, cutoffs) * np.asarray(self.factors)
        shape = student_t_shape(self.degrees_of_freedom)
        return location_scale_forecast(
            bars, cutoffs, self.calendar, np.zeros_like(spread), spread, shape
        )
