"""Fit the tails of each step, once a baseline knows how wide it is."""

import math

import numpy as np
from jaxtyping import Float, Int

from closecast.errors import TrainingError, WindowError
from closecast.forecast import LEVELS
from closecast.market.bars import Bars
from closecast.windows.scaling import gather_targets, log_table
from closecast.windows.spec import WindowSpec

MAX_WINDOWS = 200_000
"""More windows do not move a tail; that many are taken, evenly spaced."""


MIN_WINDOWS = 10
"""Fewer training windows say nothing of a tail."""

DF_BOUNDS = (2.1, 100.0)
"""Above 2 the variance is finite; at 100 a Student-t is a Gaussian to the eye."""

FACTOR_BOUNDS = (0.05, 20.0)
"""Keeps a pool of frozen prices from shrinking the spread to nothing."""


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
    require_targets(bars, train_cutoffs, spec, name)
    count = min(len(train_cutoffs), MAX_WINDOWS)
    places = np.linspace(0, len(train_cutoffs) - 1, count).astype(int)
    kept = train_cutoffs[places]
    return kept, gather_targets(log_table(bars), kept, spec)


def require_targets(
    bars: Bars,
    train_cutoffs: Int[np.ndarray, " window"],
    spec: WindowSpec,
    name: str,
) -> None:
    """Refuse training windows that nothing can be fitted to.

    Args:
        bars: The panel.
        train_cutoffs: Rows of the training windows' last known bars.
        spec: Shape of a window; only its horizon matters here.
        name: What the baseline is called in an error.

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


def fit_student_t(values: Float[np.ndarray, " window"]) -> tuple[float, float]:
    """Fit a Student-t around 0 by maximum likelihood.

    Args:
        values: A sample, without unit.

    Returns:
        Degrees of freedom and scale, each within its bounds.

    Raises:
        TrainingError: The likelihood has no maximum that can be found.
    """
    from scipy.optimize import minimize

    squares = values**2
    bounds = np.log([DF_BOUNDS, FACTOR_BOUNDS])
    start = np.clip(
        [math.log(6.0), 0.5 * math.log(np.mean(squares) + 1e-12)], *bounds.T
    )
    fitted = minimize(
        _negative_log_likelihood,
        start,
        args=(squares,),
        jac=True,
        method="L-BFGS-B",
        bounds=[(float(low), float(high)) for low, high in bounds],
    )
    if not np.all(np.isfinite(fitted.x)) or not math.isfinite(fitted.fun):
        raise TrainingError(
            "Expected a Student-t that fits the training windows, got "
            f"{fitted.message}. Check the closes for values that are not finite."
        )
    df, scale = np.exp(fitted.x)
    return float(df), float(scale)


def _negative_log_likelihood(
    logs: Float[np.ndarray, "2"], squares: Float[np.ndarray, " window"]
) -> tuple[float, Float[np.ndarray, "2"]]:
    # The mean over the sample, and its gradient in (log df, log scale).
    from scipy.special import digamma, gammaln

    df, scale = np.exp(logs)
    ratio = squares / (df * scale**2)
    tail = np.mean(np.log1p(ratio))
    share = np.mean(ratio / (1 + ratio))
    constant = gammaln((df + 1) / 2) - gammaln(df / 2) - 0.5 * np.log(df * np.pi)
    value = logs[1] - constant + (df + 1) / 2 * tail
    d_constant = 0.5 * (digamma((df + 1) / 2) - digamma(df / 2) - 1 / df)
    d_df = -d_constant + tail / 2 - (df + 1) / (2 * df) * share
    return float(value), np.array([df * d_df, 1 - (df + 1) * share])
