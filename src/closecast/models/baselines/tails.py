"""Fit the tails of each step, once a baseline knows how wide it is."""

import numpy as np
from jaxtyping import Float, Int

from closecast.errors import TrainingError, WindowError
from closecast.forecast import LEVELS
from closecast.market.bars import Bars
from closecast.models.baselines.ewma_t import MIN_WINDOWS, fit_student_t
from closecast.windows.scaling import gather_targets, log_table
from closecast.windows.spec import WindowSpec

MAX_WINDOWS = 200_000
"""More windows do not move a tail; that many are taken, evenly spaced."""


def training_targets(
    bars: Bars,
    train_cutoffs: Int[np.ndarray, " window"],
    spec: WindowSpec,
    name: str,
) -> tuple[Int[np.ndarray, " kept"], Float[np.ndarray, "kept horizon"]]:
    """Take the targets that a baseline is fitted to.

    Args:
        bars: The panel.
        train_cutoffs: Rows of the training windows' last known bars.
        spec: Shape of a window; only its horizon matters here.
        name: What the baseline is called in an error.

    Returns:
        At most ``MAX_WINDOWS`` of the cutoffs, and their log returns to come.

    Raises:
        TrainingError: There are fewer than ``MIN_WINDOWS`` windows.
        WindowError: The target of a training window is not in the panel.
    """
    if len(train_cutoffs) < MIN_WINDOWS:
        raise TrainingError(
            f"Expected at least {MIN_WINDOWS} training windows for the {name} "
            f"baseline, got {len(train_cutoffs)}. Use a longer series."
        )
    beyond = train_cutoffs[train_cutoffs + spec.horizon >= bars.ends[train_cutoffs]]
    if len(beyond):
        row = int(beyond[0])
        raise WindowError(
            f"Expected {spec.horizon} bars after each training cutoff, got fewer "
            f"(symbol {bars.symbol_of(row)}, {bars.dates[row]}). Train on cutoffs "
            "from closecast.windows.index.cutoffs_with_targets."
        )
    count = min(len(train_cutoffs), MAX_WINDOWS)
    places = np.linspace(0, len(train_cutoffs) - 1, count).astype(int)
    kept = train_cutoffs[places]
    return kept, gather_targets(log_table(bars), kept, spec)


def fit_tails(
    standardised: Float[np.ndarray, "window horizon"],
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Fit a Student-t around 0 to each step.

    Args:
        standardised: Errors in units of the spread that the baseline expected.

    Returns:
        Degrees of freedom and scale of each step.

    Raises:
        TrainingError: The likelihood has no maximum that can be found.
    """
    fitted = [fit_student_t(step) for step in standardised.T]
    return tuple(df for df, _ in fitted), tuple(scale for _, scale in fitted)


def student_t_shape(
    degrees_of_freedom: tuple[float, ...],
) -> Float[np.ndarray, "step quantile"]:
    """Give the standard Student-t quantiles of each step.

    Args:
        degrees_of_freedom: One for each step.

    Returns:
        Quantiles at ``LEVELS``.
    """
    from scipy.special import stdtrit

    return np.asarray(stdtrit(np.asarray(degrees_of_freedom)[:, None], LEVELS))
