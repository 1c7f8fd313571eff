"""How wide a learned distribution should be, once its mean is taken away.

Training fits the width around a mean that knows the training windows; without that
mean it is too narrow. So the distances of all quantiles from the mean are stretched, in
each market and at each step by itself, by as much as training and validation windows
support.
"""

import numpy as np
from jaxtyping import Float, Int, Shaped

from closecast.forecast import LEVELS
from closecast.training.shrinkage import FEWEST_DATES
from closecast.windows.peers import NUM_MARKETS

MAX_WINDOWS = 100_000
"""Windows that a stretch is fitted to at most, evenly spaced."""

MAX_LOG_STRETCH = 0.2
"""More than a fifth is no correction but another forecast."""

SMALL = 0.01
"""Step in the log of the stretch that the slope at 1 is taken over."""


def supported_stretch(
    mean: Float[np.ndarray, "window horizon"],
    quantiles: Float[np.ndarray, "window horizon quantile"],
    z: Float[np.ndarray, "window horizon"],
    dates: Shaped[np.ndarray, " window"],
    market: Int[np.ndarray, " window"],
) -> Float[np.ndarray, "market horizon"]:
    """Find the stretch of a distribution.

    The stretch with the least CRPS is the one that would have been best. Its logarithm
    is trusted by the precision of the slope at 1: times 1 - 1/t^2, where windows of
    one date, and dates whose targets overlap, count as one.

    Args:
        mean: The mean, in units of the window.
        quantiles: The distribution at ``LEVELS``, in the same units.
        z: What came, in the same units.
        dates: Cutoff of each window.
        market: Code of each window's market; see ``closecast.windows.peers``.

    Returns:
        Factors of the distances from the mean; 1 for a market without
        ``FEWEST_DATES``.
    """
    stretch = np.ones((NUM_MARKETS, mean.shape[1]))
    for code in np.unique(market):
        here = np.flatnonzero(market == code)
        days, day = np.unique(dates[here], return_inverse=True)
        if len(days) < FEWEST_DATES:
            continue
        for step in range(mean.shape[1]):
            centre = mean[here, step]
            away = quantiles[here, step] - centre[:, None]
            error = z[here, step] - centre
            stretch[code, step] = _stretch(away, error, day // (step + 1))
    return stretch


def stretched(
    mean: Float[np.ndarray, "window horizon"],
    quantiles: Float[np.ndarray, "window horizon quantile"],
    stretch: Float[np.ndarray, "window horizon"],
) -> Float[np.ndarray, "window horizon quantile"]:
    """Stretch distributions around their means.

    Args:
        mean: Mean log returns.
        quantiles: Their quantiles.
        stretch: Factor of each.

    Returns:
        The quantiles, stretched.
    """
    centre = mean[..., None]
    return np.asarray(centre + stretch[..., None] * (quantiles - centre))


def _stretch(
    away: Float[np.ndarray, "window quantile"],
    error: Float[np.ndarray, " window"],
    block: Int[np.ndarray, " window"],
) -> float:
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(
        lambda log: float(_crps(away, error, log).mean()),
        bounds=(-MAX_LOG_STRETCH, MAX_LOG_STRETCH),
        method="bounded",
        options={"xatol": 1e-3},
    )
    slope = (_crps(away, error, SMALL) - _crps(away, error, -SMALL)) / (2 * SMALL)
    noise = float(np.sum(np.bincount(block, weights=slope) ** 2))
    total = float(slope.sum())
    trust = max(1 - noise / total**2, 0.0) if total else 0.0
    return float(np.exp(trust * found.x))


def _crps(
    away: Float[np.ndarray, "window quantile"],
    error: Float[np.ndarray, " window"],
    log_stretch: float,
) -> Float[np.ndarray, " window"]:
    # up to the factor that all stretches share
    gap = error[:, None] - np.exp(log_stretch) * away
    return np.asarray(np.maximum(LEVELS * gap, (LEVELS - 1) * gap).mean(axis=1))
