"""What the baselines share: a mean and a spread put around one shape.

Everything is computed symbol by symbol and forward in time, so that neither a
later bar nor another symbol can move so much as the last bit of a forecast.
"""

import numpy as np
from jaxtyping import Float, Int

from closecast.forecast import LEVELS, Forecast
from closecast.market.bars import Bars
from closecast.market.calendar import target_sessions
from closecast.windows.scaling import MIN_VOLATILITY, PRIOR_VOLATILITY
from closecast.windows.spec import WindowSpec


def expanding_moments(
    bars: Bars,
) -> tuple[Float[np.ndarray, " row"], Float[np.ndarray, " row"]]:
    """Take mean and standard deviation of all returns so far, causally.

    The squared deviations start from ``PRIOR_VOLATILITY`` as if it were one more
    return, so that the first sessions of a symbol have a spread, too.

    Args:
        bars: The panel.

    Returns:
        Mean and standard deviation of the symbol's one-session log returns up to
        and including each row; the mean of no return is 0, the standard deviation
        at least ``MIN_VOLATILITY``.
    """
    mean = np.zeros(len(bars))
    variance = np.empty(len(bars))
    for _, start, end in bars:
        returns = np.diff(np.log(bars.close[start:end]))
        count = np.arange(1, end - start)
        mean[start + 1 : end] = np.cumsum(returns) / count
        squares = np.cumsum(returns**2) - count * mean[start + 1 : end] ** 2
        variance[start] = PRIOR_VOLATILITY**2
        variance[start + 1 : end] = (
            PRIOR_VOLATILITY**2 + np.maximum(squares, 0.0)
        ) / count
    return mean, np.maximum(np.sqrt(variance), MIN_VOLATILITY)


def normal_shape() -> Float[np.ndarray, "1 quantile"]:
    """Give the shape of a Gaussian, for every step alike.

    Returns:
        Standard normal quantiles at ``LEVELS``, shape (1, quantile).
    """
    from scipy.special import ndtri

    return np.asarray(ndtri(LEVELS))[None, :]


def location_scale_forecast(
    bars: Bars,
    cutoffs: Int[np.ndarray, " window"],
    calendar: str,
    mean: Float[np.ndarray, "window horizon"],
    spread: Float[np.ndarray, "window horizon"],
    shape: Float[np.ndarray, "step quantile"],
) -> Forecast:
    """Build forecasts whose quantiles are mean + spread x shape.

    Args:
        bars: The panel.
        cutoffs: Rows of the last known bars.
        calendar: Which sessions target dates are taken from.
        mean: Mean log return from the last close.
        spread: What one unit of the shape is worth in log return, positive.
        shape: Quantiles at ``LEVELS`` of a symmetric distribution around 0, one
            row for each step or one for all.

    Returns:
        One window for each cutoff, in the same order.
    """
    return Forecast(
        symbols=bars.names(cutoffs),
        cutoffs=bars.dates[cutoffs],
        target_dates=target_sessions(bars, cutoffs, mean.shape[1], calendar),
        last_close=bars.close[cutoffs],
        mean=mean,
        quantiles=mean[..., None] + spread[..., None] * shape,  # (N, H, Q)
    )


def last_seen(
    bars: Bars, train_cutoffs: Int[np.ndarray, " window"], spec: WindowSpec
) -> tuple[str, str]:
    """Say which bars a baseline was fitted to.

    Args:
        bars: The panel.
        train_cutoffs: Rows of the training windows' last known bars.
        spec: Shape of a window.

    Returns:
        ISO dates of the first and the last bar read.
    """
    first = bars.dates[bars.starts[train_cutoffs]].min()
    return str(first), str(bars.dates[train_cutoffs + spec.horizon].max())
