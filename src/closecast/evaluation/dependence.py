"""How far dates depend on each other: what a mean over them is worth.

Losses of neighbouring cutoffs overlap, so that a date is not as much evidence as it
looks. Either the variance of a mean is made wider, or dates are drawn in blocks that
are long enough; both are read off the autocovariances of the dates themselves.
"""

import numpy as np
from jaxtyping import Bool, Float

INSIGNIFICANT_IN_A_ROW = 5
"""Autocorrelations that must be small one after the other, for the dates behind them
to count as independent."""


def long_run_variance(
    values: Float[np.ndarray, "date column"], horizon: int
) -> Float[np.ndarray, "column column"]:
    """Estimate the covariance of means of dates that depend on each other.

    Args:
        values: One row for each date, oldest first.
        horizon: Step that they belong to, in sessions.

    Returns:
        The covariance that independent dates would need for means as uncertain as
        these, by Bartlett's weights.

    Source: Newey and West (1987), doi:10.2307/1913610.
    """
    centred, count = values - values.mean(axis=0), len(values)
    total = centred.T @ centred
    for lag, weight in _bartlett(count, horizon):
        crossed = centred[lag:].T @ centred[:-lag]
        total = total + weight * (crossed + crossed.T)
    return np.asarray(total / count)


def long_run_variances(
    values: Float[np.ndarray, "date column"], horizon: int
) -> Float[np.ndarray, " column"]:
    """Estimate the diagonal of ``long_run_variance``, of any number of columns.

    Args:
        values: One row for each date, oldest first.
        horizon: Step that they belong to, in sessions.

    Returns:
        The variance of each column alone.
    """
    centred, count = values - values.mean(axis=0), len(values)
    total = (centred**2).sum(axis=0)
    for lag, weight in _bartlett(count, horizon):
        total = total + 2 * weight * (centred[lag:] * centred[:-lag]).sum(axis=0)
    return np.asarray(total / count)


def _bartlett(count: int, horizon: int) -> list[tuple[int, float]]:
    lags = min(int(max(horizon - 1, np.ceil(count ** (1 / 3)))), count - 1)
    return [(lag, 1 - lag / (lags + 1)) for lag in range(1, lags + 1)]


def optimal_lengths(
    values: Float[np.ndarray, "date column"],
) -> Float[np.ndarray, " column"]:
    """Choose the mean length of a block for each of some series.

    Args:
        values: Series that vary, one row for each date, oldest first.

    Returns:
        The length that makes the stationary bootstrap's variance of the mean as right
        as it can be, in dates.

    Source: Politis and White (2004), doi:10.1081/ETC-120028836, section 3.2, with the
    correction of Patton, Politis and White (2009), doi:10.1080/07474930802459016, and
    the constants of Patton's program.
    """
    count, centred = len(values), values - values.mean(axis=0)
    in_a_row = max(INSIGNIFICANT_IN_A_ROW, int(np.log10(count)))
    lags = min(int(np.ceil(np.sqrt(count))) + in_a_row, count - 2)
    squares = np.cumsum(centred**2, axis=0)
    crossed = np.stack(
        [
            (centred[lag:] * centred[: count - lag]).sum(axis=0)
            for lag in range(lags + 1)
        ]
    )
    ahead = squares[-1] - squares[: lags + 1]  # of all but the oldest lag + 1
    behind = squares[count - 2 - np.arange(lags + 1)]  # of all but the newest
    correlation = np.abs(crossed) / np.sqrt(ahead * behind)
    limit = 2 * np.sqrt(np.log10(count) / count)
    reach = _reach(correlation < limit, in_a_row)
    share = np.arange(1, lags + 1)[:, None] / reach
    weight = np.clip(2 * (1 - share), 0.0, 1.0)  # flat, then down to 0: equation 7
    covariance = crossed[1:] / count
    slope = (2 * weight * np.arange(1, lags + 1)[:, None] * covariance).sum(axis=0)
    variance = crossed[0] / count + (2 * weight * covariance).sum(axis=0)
    most = np.ceil(min(3 * np.sqrt(count), count / 3))
    return np.asarray(np.minimum(np.cbrt(slope**2 / variance**2 * count), most))


def _reach(
    small: Bool[np.ndarray, "lag column"], in_a_row: int
) -> Float[np.ndarray, " column"]:
    # twice the lag behind which so many in a row are small, as far as there are lags
    most = len(small) - 1
    runs = np.lib.stride_tricks.sliding_window_view(small[:-1], in_a_row, axis=0)
    quiet = runs.all(axis=-1)
    first = np.where(quiet.any(axis=0), np.maximum(quiet.argmax(axis=0), 1), most)
    return np.asarray(np.minimum(2 * first, most), float)
