"""The mixture of some forecasts: what a seed ensemble says together.

Averaging quantiles would give members that disagree a density no wider than theirs;
their mixture is as wide as the disagreement asks for.
"""

import numpy as np
from jaxtyping import Float

from closecast.forecast import LEVELS

_LOGITS = np.log(LEVELS / (1 - LEVELS))

LEAST_WIDTH = 1e-12
"""Log return between two quantiles at least: a certain forecast is a steep step."""


def mixture_quantiles(
    quantiles: Float[np.ndarray, "member window horizon quantile"],
) -> Float[np.ndarray, "window horizon quantile"]:
    """Find the quantiles of the equally weighted mixture of distributions.

    The mixture's distribution function is the mean of its members'. Each is taken
    linear in log odds between its quantiles and beyond the last of them, and the mean
    is inverted at ``LEVELS``, which lie between the outermost quantiles of all.

    Args:
        quantiles: Quantiles of each member at ``LEVELS``, not decreasing.

    Returns:
        Quantiles of the mixture at ``LEVELS``, not decreasing, in the same unit.
    """
    members, windows, horizon, count = quantiles.shape
    own = quantiles.transpose(1, 2, 0, 3).reshape(-1, members, count)  # (R, K, Q)
    pooled = own.reshape(len(own), -1)
    order = np.argsort(pooled, axis=1, kind="stable")
    knots = np.take_along_axis(pooled, order, axis=1)  # (R, K x Q)
    total = np.zeros_like(knots)
    for member in range(members):
        known = np.cumsum(order // count == member, axis=1)
        total += _distribution_at(knots, own[:, member], known)
    mixed = _inverse(total / members, knots)
    return np.asarray(mixed.reshape(windows, horizon, count))


def _distribution_at(
    knots: Float[np.ndarray, "row knot"],
    own: Float[np.ndarray, "row quantile"],
    known: np.ndarray,
) -> Float[np.ndarray, "row knot"]:
    # known counts a member's quantiles up to each knot
    left = np.clip(known - 1, 0, own.shape[1] - 2)
    low, high = (np.take_along_axis(own, at, axis=1) for at in (left, left + 1))
    share = (knots - low) / np.maximum(high - low, LEAST_WIDTH)
    logit = _LOGITS[left] + share * (_LOGITS[left + 1] - _LOGITS[left])
    return np.asarray(1 / (1 + np.exp(-np.clip(logit, -30, 30))))


def _inverse(
    probability: Float[np.ndarray, "row knot"], knots: Float[np.ndarray, "row knot"]
) -> Float[np.ndarray, "row quantile"]:
    logit = np.log(probability / (1 - probability))
    result = np.empty((len(knots), len(LEVELS)))
    for place, level in enumerate(_LOGITS):
        right = np.clip((logit < level).sum(axis=1), 1, knots.shape[1] - 1)[:, None]
        ends = [
            np.take_along_axis(array, at, axis=1)[:, 0]
            for array in (logit, knots)
            for at in (right - 1, right)
        ]
        low, high, start, end = ends
        gap = np.where(high > low, high - low, 1.0)
        share = np.clip((level - low) / gap, 0.0, 1.0)
        result[:, place] = start + share * (end - start)
    return np.maximum.accumulate(result, axis=1)
