"""What most baselines share: a Student-t, and how wide by a factor.

Each says by itself which spread it expects, some which mean; how heavy the tails are,
and how far the expected spread has to be stretched, the training windows say.
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
    """An expected mean, an expected spread x factor, Student-t.

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

    def centre(
        self,
        bars: Bars,  # noqa: ARG002  those without a mean need nothing
        cutoffs: Int[np.ndarray, " window"],
    ) -> Float[np.ndarray, "window horizon"]:
        """Expect a mean log return over each step: 0, where nothing else is said.

        Args:
            bars: The panel.
            cutoffs: Rows of the last known bars.

        Returns:
            Means as known at each cutoff.
        """
        return np.zeros((len(cutoffs), len(self.factors)))

    def forecast(self, bars: Bars, cutoffs: Int[np.ndarray, " window"]) -> Forecast:
        """Forecast a spread around what is expected at each cutoff.

        Args:
            bars: The panel.
            cutoffs: Rows of the last known bars.

        Returns:
            One window for each cutoff, in the same order.
        """
        spread = self.expected(bars, cutoffs) * np.asarray(self.factors)
        mean, shape = (
            self.centre(bars, cutoffs),
            student_t_shape(self.degrees_of_freedom),
        )
        return location_scale_forecast(
            bars, cutoffs, self.calendar, mean, spread, shape
        )
