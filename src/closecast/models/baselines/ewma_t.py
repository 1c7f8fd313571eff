"""EWMA volatility with a Student-t: the density to beat.

RiskMetrics says how wide, the training windows say how heavy the tails are.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from closecast.market.bars import Bars
from closecast.models.baselines.location_scale import (
    last_seen,
)
from closecast.models.baselines.student_t import StudentT
from closecast.models.baselines.tails import (
    fit_tails,
    require_targets,
)
from closecast.windows.scaling import gather_targets, log_table, volatility
from closecast.windows.spec import WindowSpec

DECAY = 0.94
"""RiskMetrics' weight of yesterday's variance, for daily data."""

HALF_LIFE = math.log(0.5) / math.log(DECAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class EwmaT(StudentT):
    """Mean 0, EWMA volatility x sqrt(step) x factor, Student-t.

    Source: J.P. Morgan, RiskMetrics Technical Document (1996), section 5.2.
    """

    name: str = "ewma_t"

    def expected(
        self, bars: Bars, cutoffs: Int[np.ndarray, " window"]
    ) -> Float[np.ndarray, "window horizon"]:
        """Expect the volatility of now, over more sessions."""
        return _unit(bars, cutoffs, len(self.factors))


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
