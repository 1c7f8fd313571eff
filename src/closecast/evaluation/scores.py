"""How far a forecast was off, window by window, in log returns.

Nothing is averaged here: an average needs to know what it is averaged over. A
value that is not finite is refused, never skipped: a score over fewer windows is
a score of another test.
"""

import numpy as np
from jaxtyping import Bool, Float

from closecast.errors import ModelError, WindowError
from closecast.forecast import LEVELS, Forecast


def absolute_error(
    forecast: Forecast, truth: Float[np.ndarray, "window horizon"]
) -> Float[np.ndarray, "window horizon"]:
    """Measure the absolute error of the median, which is what it is smallest for.

    Args:
        forecast: The forecast.
        truth: Log returns from the last close that came.

    Returns:
        ``|truth - median|``, in log return.

    Raises:
        ModelError: The forecast is not finite.
        WindowError: The truth is not finite, or of another shape.
    """
    median = forecast.quantile(0.5)
    _check(median, truth, forecast)
    return np.asarray(np.abs(truth - median))


def squared_error(
    forecast: Forecast, truth: Float[np.ndarray, "window horizon"]
) -> Float[np.ndarray, "window horizon"]:
    """Measure the squared error of the mean, which is what it is smallest for.

    Args:
        forecast: The forecast.
        truth: Log returns from the last close that came.

    Returns:
        ``(truth - mean) ** 2``, in squared log return.

    Raises:
        ModelError: The forecast is not finite.
        WindowError: The truth is not finite, or of another shape.
    """
    _check(forecast.mean, truth, forecast)
    return np.asarray((truth - forecast.mean) ** 2)


def crps(
    forecast: Forecast, truth: Float[np.ndarray, "window horizon"]
) -> Float[np.ndarray, "window horizon"]:
    """Measure the continuous ranked probability score of the whole distribution.

    Twice the mean pinball loss over ``LEVELS``, which holds for the CRPS up to what
    lies beyond the outermost levels.

    Args:
        forecast: The forecast.
        truth: Log returns from the last close that came.

    Returns:
        The score in log return, smaller is better; of a certain forecast it is the
        absolute error.

    Raises:
        ModelError: The forecast is not finite.
        WindowError: The truth is not finite, or of another shape.

    Source: Gneiting and Ranjan (2011), Comparing density forecasts using threshold-
    and quantile-weighted scoring rules, doi:10.1198/jbes.2010.08110.
    """
    _check(forecast.quantiles, truth, forecast)
    total = np.zeros(truth.shape)
    for level, quantile in zip(
        LEVELS, np.moveaxis(forecast.quantiles, -1, 0), strict=True
    ):
        miss = truth - quantile
        total += np.maximum(level * miss, (level - 1) * miss)
    return total * (2 / len(LEVELS))


def pinball(
    forecast: Forecast, truth: Float[np.ndarray, "window horizon"], level: float
) -> Float[np.ndarray, "window horizon"]:
    """Measure the pinball loss of one quantile, which is what it is smallest for.

    Args:
        forecast: The forecast.
        truth: Log returns from the last close that came.
        level: The quantile's probability.

    Returns:
        The loss, in log return.

    Raises:
        ModelError: The forecast is not finite.
        ValueError: The level lies outside ``LEVELS``.
        WindowError: The truth is not finite, or of another shape.

    Source: Koenker and Bassett (1978), Regression quantiles, doi:10.2307/1913643.
    """
    quantile = forecast.quantile(level)
    _check(quantile, truth, forecast)
    miss = truth - quantile
    return np.asarray(np.maximum(level * miss, (level - 1) * miss))


def interval_score(
    forecast: Forecast, truth: Float[np.ndarray, "window horizon"], coverage: float
) -> Float[np.ndarray, "window horizon"]:
    """Measure a central interval: its width, and a fine for each close outside.

    Args:
        forecast: The forecast.
        truth: Log returns from the last close that came.
        coverage: Nominal coverage, such as 0.8 for the levels 0.1 and 0.9.

    Returns:
        The score, in log return; smaller is better.

    Raises:
        ModelError: The forecast is not finite.
        ValueError: The interval's edges lie outside ``LEVELS``.
        WindowError: The truth is not finite, or of another shape.

    Source: Gneiting and Raftery (2007), Strictly proper scoring rules,
    doi:10.1198/016214506000001437, equation 43.
    """
    lower = pinball(forecast, truth, round((1 - coverage) / 2, 9))
    upper = pinball(forecast, truth, round((1 + coverage) / 2, 9))
    return np.asarray((lower + upper) * (2 / (1 - coverage)))


def hits(
    forecast: Forecast, truth: Float[np.ndarray, "window horizon"], coverage: float
) -> Bool[np.ndarray, "window horizon"]:
    """Tell where a central interval held what came.

    Args:
        forecast: The forecast.
        truth: Log returns from the last close that came.
        coverage: Nominal coverage, such as 0.8 for the levels 0.1 and 0.9.

    Returns:
        True where the truth lies in the interval, its edges included.

    Raises:
        ModelError: The forecast is not finite.
        ValueError: The interval's edges lie outside ``LEVELS``.
        WindowError: The truth is not finite, or of another shape.
    """
    lower = forecast.quantile(round((1 - coverage) / 2, 9))
    upper = forecast.quantile(round((1 + coverage) / 2, 9))
    _check(lower + upper, truth, forecast)
    return np.asarray((lower <= truth) & (truth <= upper))


def _check(
    values: Float[np.ndarray, "window horizon *quantile"],
    truth: Float[np.ndarray, "truth_window truth_horizon"],
    forecast: Forecast,
) -> None:
    if truth.shape != forecast.mean.shape:
        raise WindowError(
            f"Expected a truth of shape {forecast.mean.shape} (window, horizon), got "
            f"{truth.shape}. Give one log return for each step forecast."
        )
    if not np.all(np.isfinite(truth)):
        place = _first_bad(truth, forecast)
        raise WindowError(
            f"Expected a truth of finite log returns, got {place}. Score windows "
            "whose closes to come are known."
        )
    if not np.all(np.isfinite(values)):
        place = _first_bad(values, forecast)
        raise ModelError(
            f"Expected a forecast of finite log returns, got {place}. Look for a "
            "training that diverged."
        )


def _first_bad(
    values: Float[np.ndarray, "window horizon *quantile"], forecast: Forecast
) -> str:
    window, step, *rest = np.argwhere(~np.isfinite(values))[0]
    value = values[(window, step, *rest)]
    symbol, cutoff = forecast.symbols[window], forecast.cutoffs[window]
    return f"{value} (symbol {symbol}, cutoff {cutoff}, step {step + 1})"
