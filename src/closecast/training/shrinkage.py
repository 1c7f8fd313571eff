"""How much of a learned mean to believe: the share that validation supports.

A mean learned from prices is mostly noise, and noise costs. So it is drawn towards
zero, in each market and at each step by itself, by as much as it helped on windows
that it was not trained on. Where it did not help, none is kept.
"""

import numpy as np
from jaxtyping import Float, Int, Shaped

from closecast.windows.peers import NUM_MARKETS

FEWEST_DATES = 60
"""Validation dates of a market; fewer support no mean."""


def supported_share(
    mean: Float[np.ndarray, "window horizon"],
    z: Float[np.ndarray, "window horizon"],
    dates: Shaped[np.ndarray, " window"],
    market: Int[np.ndarray, " window"],
) -> Float[np.ndarray, "market horizon"]:
    """Find the share of a mean to keep, from windows that it was not trained on.

    The slope of the outcome on the mean is the share that would have been best. It
    is trusted by its own precision: times 1 - 1/t^2, with the t-value of the slope,
    where windows of one date, and dates whose targets overlap, count as one.

    Args:
        mean: The mean learned, in units of the window.
        z: What came, in the same units.
        dates: Cutoff of each window.
        market: Code of each window's market; see ``closecast.windows.peers``.

    Returns:
        Shares in [0, 1]; 0 for a market without ``FEWEST_DATES``.

    Source: James and Stein (1961), Estimation with quadratic loss, in the form that
    never turns a sign.
    """
    share = np.zeros((NUM_MARKETS, mean.shape[1]))
    for code in np.unique(market):
        here = market == code
        days, day = np.unique(dates[here], return_inverse=True)
        if len(days) < FEWEST_DATES:
            continue
        for step in range(mean.shape[1]):
            block = day // (step + 1)
            share[code, step] = _share(mean[here, step], z[here, step], block)
    return share


def keep_share(
    mean: Float[np.ndarray, "window horizon"],
    quantiles: Float[np.ndarray, "window horizon quantile"],
    share: Float[np.ndarray, "window horizon"],
) -> tuple[
    Float[np.ndarray, "window horizon"],
    Float[np.ndarray, "window horizon quantile"],
]:
    """Draw distributions towards zero.

    Args:
        mean: Mean log returns.
        quantiles: Their quantiles.
        share: Share of the mean to keep.

    Returns:
        Mean and quantiles, moved together.
    """
    taken = (1 - share) * mean
    return np.asarray(mean - taken), np.asarray(quantiles - taken[..., None])


def _share(
    mean: Float[np.ndarray, " window"],
    z: Float[np.ndarray, " window"],
    block: Int[np.ndarray, " window"],
) -> float:
    power = float(np.sum(mean**2))
    slope = float(np.sum(mean * z)) / power if power > 0 else 0.0
    if slope <= 0:
        return 0.0
    noise = float(np.sum(np.bincount(block, weights=mean * (z - slope * mean)) ** 2))
    trust = max(1 - noise / (slope * power) ** 2, 0.0)
    return float(np.clip(slope * trust, 0.0, 1.0))
