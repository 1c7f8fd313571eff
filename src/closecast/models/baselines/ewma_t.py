"""EWMA volatility with a Student-t: the density to beat.

RiskMetrics says how wide, the training windows say how heavy the tails are.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from closecast.forecast import Forecast
from closecast.market.bars import Bars
from closecast.models.baselines.location_scale import (
    last_seen,
    location_scale_forecast,
)
from closecast.models.baselines.tails import (
    fit_tails,
    require_targets,
    student_t_shape,
)
from closecast.windows.scaling import gather_targets, log_table, volatility
from closecast.windows.spec import WindowSpec

DECAY = 0.94
"""RiskMetrics' weight of yesterday's variance, for daily data."""

HALF_LIFE = math.log(0.5) / math.log(DECAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class EwmaT:
    """Mean 0, EWMA volatility x sqrt(step) x factor, Student-t.

    Attributes:
        degrees_of_freedom: Of the Student-t, one for each step.
        factors: Spread of each step in units of volatility x sqrt(step).
        first_date: First bar fitted to, ISO.
        last_date: Last bar fitted to, ISO.
        calendar: Which sessions target dates are taken from.
        name: What tables call it.

    Source: J.P. Morgan, RiskMetrics Technical Document (1996), section 5.2.
    """

    degrees_of_freedom: tuple[float, ...]
    factors: tuple[float, ...]
    first_date: str
    last_date: str
    calendar: str = "auto"
    name: str = "ewma_t"

    def forecast(self, bars: Bars, cutoffs: Int[np.ndarray, " window"]) -> Forecast:
        """Forecast a spread around the last close at each cutoff.

        Args:
            bars: The panel.
            cutoffs: Rows of the last known bars.

        Returns:
            One window for each cutoff, in the same order.
        """
        spread = _unit(bars, cutoffs, len(self.factors)) * np.asarray(self.factors)
        shape = student_t_shape(self.degrees_of_freedom)
        return location_scale_forecast(
            bars, cutoffs, self.calendar, np.zeros_like(spread), spread, shape
        )


def fit_ewma_t(
    bars: Bars,
    train_cutoffs: Int[np.ndarray, " window"],
    spec: WindowSpec,
    calendar: str = "auto",
) -> EwmaT:
    """Fit tails and spread of each step on pooled training windows.

    Args:
        bars: The panel.
        train_cutoffs: Rows of the training windows' last known bars.
        spec: Shape of a window; only its horizon matters here.
        calendar: Which sessions target dates are taken from.

    Returns:
        The baseline with its fitted constants.

    Raises:
        TrainingError: There are too few windows.
        WindowError: The target of a training window is not in the panel.
    """
    require_targets(bars, train_cutoffs, spec, "EWMA-t")
    targets = gather_targets(log_table(bars), train_cutoffs, spec)
    dfs, factors = fit_tails(targets / _unit(bars, train_cutoffs, spec.horizon))
    first, last = last_seen(bars, train_cutoffs, spec)
    return EwmaT(
        degrees_of_freedom=dfs,
        factors=factors,
        first_date=first,
        last_date=last,
        calendar=calendar,
    )


def _unit(
    bars: Bars, cutoffs: Int[np.ndarray, " window"], horizon: int
) -> Float[np.ndarray, "window horizon"]:
    steps = np.sqrt(np.arange(1, horizon + 1))
    return np.asarray(volatility(bars, HALF_LIFE)[cutoffs][:, None] * steps)
