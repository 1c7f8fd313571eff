"""Range-HAR with a Student-t: the day, the week and the month of the trading range.

The range of a day tells its volatility far better than its return does, and three
averages of it remember long: the textbook's baseline for volatility.
"""

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
    training_targets,
)
from closecast.windows.scaling import PRIOR_VOLATILITY
from closecast.windows.spec import WindowSpec
from closecast.windows.states import squared_range

SESSIONS = (1, 5, 22)
"""A day, a week and a month."""

LOG_SPREAD_BOUNDS = (-12.0, 2.0)
"""Of one session; keeps a frozen or absurd range from over- or underflow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HarT(StudentT):
    """Mean 0, spread from three averages of the log range, Student-t.

    One set of coefficients for all symbols: logs of ranges carry from one to another.

    Attributes:
        coefficients: For each step the constant and the weights of the day, week and
            month in the log of the mean squared range to come.

    Source: Corsi (2009), doi:10.1093/jjfinec/nbp001, equation 8; Parkinson (1980),
    The extreme value method for estimating the variance, doi:10.1086/296071.
    """

    coefficients: tuple[tuple[float, ...], ...]
    name: str = "har_t"

    def expected(
        self, bars: Bars, cutoffs: Int[np.ndarray, " window"]
    ) -> Float[np.ndarray, "window horizon"]:
        """Expect the range that day, week and month tell, over more sessions."""
        averages = _log_averages(squared_range(bars), bars, cutoffs)
        return _expected(averages, np.asarray(self.coefficients))


def fit_har_t(
    bars: Bars,
    train_cutoffs: Int[np.ndarray, " window"],
    spec: WindowSpec,
    calendar: str = "auto",
) -> HarT:
    """Fit the weights by least squares and the tails by likelihood, pooled.

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
    cutoffs, targets = training_targets(bars, train_cutoffs, spec, "HAR-t")
    squares = squared_range(bars)
    averages = _log_averages(squares, bars, cutoffs)
    ahead = squares[cutoffs[:, None] + np.arange(1, spec.horizon + 1)]
    steps = np.arange(1, spec.horizon + 1)
    to_come = np.log(np.cumsum(ahead, axis=1) / steps)
    weights = np.linalg.lstsq(_design(averages), to_come, rcond=None)[0].T
    dfs, factors = fit_tails(targets / _expected(averages, weights))
    first, last = last_seen(bars, train_cutoffs, spec)
    return HarT(
        coefficients=tuple(tuple(row) for row in weights.tolist()),
        degrees_of_freedom=dfs,
        factors=factors,
        first_date=first,
        last_date=last,
        calendar=calendar,
    )


def _log_averages(
    squares: Float[np.ndarray, " row"], bars: Bars, cutoffs: Int[np.ndarray, " window"]
) -> Float[np.ndarray, "window average"]:
    # Bars before a symbol's first one are taken to be of the prior volatility.
    total = np.zeros(len(cutoffs))
    averages = []
    for back in range(max(SESSIONS)):
        rows = cutoffs - back
        known = rows >= bars.starts[cutoffs]
        total += np.where(known, squares[np.maximum(rows, 0)], PRIOR_VOLATILITY**2)
        if back + 1 in SESSIONS:
            averages.append(np.log(total / (back + 1)))
    return np.stack(averages, axis=-1)


def _design(
    averages: Float[np.ndarray, "window average"],
) -> Float[np.ndarray, "window term"]:
    return np.column_stack([np.ones(len(averages)), averages])


def _expected(
    averages: Float[np.ndarray, "window average"],
    weights: Float[np.ndarray, "horizon term"],
) -> Float[np.ndarray, "window horizon"]:
    # Term by term: a matrix product may round otherwise for another number of rows.
    design, steps = _design(averages), np.sqrt(np.arange(1, len(weights) + 1))
    logs = sum(design[:, [term]] * weights[:, term] for term in range(design.shape[1]))
    return np.asarray(np.exp(np.clip(np.asarray(logs) / 2, *LOG_SPREAD_BOUNDS)) * steps)
