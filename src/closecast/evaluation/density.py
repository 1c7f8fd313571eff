"""The density that quantiles state: log score, variance and QLIKE.

A forecast stores quantiles, so that its density is flat between two of them. Beyond
the outermost the tails fall exponentially, as fast as the two outermost say: of every
model alike, so that no family of distributions is favoured.
"""

import math

import numpy as np
from jaxtyping import Float

from closecast.errors import ModelError
from closecast.forecast import LEVELS, Forecast

LEAST_GAP = 1e-7
"""Log return between two quantiles at least; closer ones would be certainty."""

MASS = 1 / (len(LEVELS) + 1)
"""Probability between two quantiles, and in each tail."""


def log_score(
    forecast: Forecast, truth: Float[np.ndarray, "window horizon"]
) -> Float[np.ndarray, "window horizon"]:
    """Measure how improbable the close was that came.

    Args:
        forecast: The forecast.
        truth: Log returns from the last close that came.

    Returns:
        Minus the logarithm of the density at the truth, the density per log return;
        smaller is better.

    Raises:
        ModelError: The forecast is not finite.

    Source: Good (1952), Rational decisions, doi:10.1111/j.2517-6161.1952.tb00104.x.
    """
    q = _finite(forecast)
    width = np.maximum(np.diff(q, axis=2), LEAST_GAP)
    left, right = width[..., 0] / math.log(2), width[..., -1] / math.log(2)
    place = (truth[..., None] > q).sum(axis=2)  # 0: left tail, 39: right tail
    inside = np.clip(place - 1, 0, width.shape[2] - 1)[..., None]
    score = np.log(np.take_along_axis(width, inside, axis=2)[..., 0])
    score = np.where(place == 0, np.log(left) + (q[..., 0] - truth) / left, score)
    score = np.where(
        place == len(LEVELS), np.log(right) + (truth - q[..., -1]) / right, score
    )
    return np.asarray(score - math.log(MASS))


def variance(forecast: Forecast) -> Float[np.ndarray, "window horizon"]:
    """Give the variance of the log return that the quantiles state.

    Args:
        forecast: The forecast.

    Returns:
        The variance, in squared log return, positive.

    Raises:
        ModelError: The forecast is not finite.
    """
    q = _finite(forecast)
    q = q - q[..., 19:20]  # around the median, so that nothing cancels
    low, high = q[..., :-1], q[..., 1:]
    tail = np.maximum(np.stack([q[..., 1] - q[..., 0], q[..., -1] - q[..., -2]]), 0)
    left, right = np.maximum(tail, LEAST_GAP) / math.log(2)
    first, last = q[..., 0], q[..., -1]
    mean = MASS * ((low + high).sum(axis=2) / 2 + first - left + last + right)
    square = MASS * (
        (low**2 + low * high + high**2).sum(axis=2) / 3
        + (first**2 - 2 * first * left + 2 * left**2)
        + (last**2 + 2 * last * right + 2 * right**2)
    )
    return np.asarray(square - mean**2)


def qlike(
    forecast: Forecast,
    truth: Float[np.ndarray, "window horizon"],
    scale: Float[np.ndarray, " window"],
) -> Float[np.ndarray, "window horizon"]:
    """Measure the variance by what came, robust to how noisy one squared return is.

    Args:
        forecast: The forecast.
        truth: Log returns from the last close that came.
        scale: The symbol's volatility of one session known at each cutoff.

    Returns:
        ``log(variance / scale ** 2) + truth ** 2 / variance``; smaller is better.

    Raises:
        ModelError: The forecast is not finite.

    Source: Patton (2011), Volatility forecast comparison using imperfect volatility
    proxies, doi:10.1016/j.jeconom.2010.03.034.
    """
    stated = variance(forecast)
    return np.asarray(np.log(stated / scale[:, None] ** 2) + truth**2 / stated)


def _finite(forecast: Forecast) -> Float[np.ndarray, "window horizon quantile"]:
    if not np.all(np.isfinite(forecast.quantiles)):
        raise ModelError(
            "Expected a forecast of finite log returns, got one that is not "
            f"({len(forecast)} windows). Look for a training that diverged."
        )
    return forecast.quantiles
