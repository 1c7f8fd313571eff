"""What a vendor says twice: are new prices of old sessions the stored ones?

A vendor that adjusts its history multiplies it by one factor, then rounds. So each
session allows an interval of factors, and the history is adjusted if one factor
lies in all of them. Anything else is another history: a conflict.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import Bool, Float

from closecast.market.bars import VOLUME

SESSIONS = 30
"""Sessions that a refresh reads again."""

FEWEST = 5
"""Fewer sessions tell no factor from a coincidence."""

SAME = 1e-9
"""Relative difference of one float64 that took two ways."""

NOISE = 1e-7
"""Relative error of prices that a vendor keeps as float32."""

MOST = 0.5
"""With more values unmoved than that, rounding alone would hide a factor."""

_DECIMALS = 8
_SIMPLE = 20
_FIELDS = ("price", "volume")


@dataclass(frozen=True, kw_only=True)
class Factor:
    """How new prices relate to stored ones.

    Attributes:
        price: New price over stored price.
        volume: New volume over stored volume.
    """

    price: float
    volume: float

    @property
    def is_one(self) -> bool:
        """True if nothing changed."""
        return self.price == 1 and self.volume == 1


def compare(
    stored: Float[np.ndarray, "row column"],
    new: Float[np.ndarray, "row column"],
    rounded: Bool[np.ndarray, " row"],
) -> Factor | str:
    """Compare the bars of the same sessions.

    Args:
        stored: As stored, on the basis of the newest stored bar.
        new: As they come now.
        rounded: Bars that were brought to that basis by a factor, and so are not
            exact.

    Returns:
        The factor, or what contradicts one.
    """
    found: dict[str, float] = {}
    for name, columns in zip(
        _FIELDS, (slice(0, VOLUME), slice(VOLUME, None)), strict=True
    ):
        old, now = stored[:, columns].ravel(), new[:, columns].ravel()
        vague = np.repeat(rounded, stored[:, columns].shape[1])
        answer = _factor(old, now, vague, len(stored))
        if isinstance(answer, str):
            return f"Expected each {name} to change by one factor, got {answer}"
        found[name] = answer
    return Factor(**found)


def _factor(
    old: Float[np.ndarray, " value"],
    new: Float[np.ndarray, " value"],
    vague: Bool[np.ndarray, " value"],
    sessions: int,
) -> float | str:
    half_new = _half_step(new)
    half_old = np.where(vague, _half_step(old) + half_new, _half_step(old))
    allowed = np.where(vague, half_old + half_new, SAME * np.abs(old))
    if np.all(np.abs(new - old) <= allowed):
        return 1.0
    traded = (old > 0) & (new > 0)
    if np.any((old > 0) != (new > 0)):
        at = int(np.flatnonzero((old > 0) != (new > 0))[0])
        return f"{old[at]:.10g} and now {new[at]:.10g}"
    old, new = old[traded], new[traded]
    half_old, half_new = half_old[traded], half_new[traded]
    low = float(np.max((new - half_new) / (old + half_old)))
    high = float(np.min((new + half_new) / np.maximum(old - half_old, old / 2)))
    worst = int(np.argmax(np.abs(new / old - np.median(new / old))))
    unmoved = float(np.mean(new == old))
    if low > high or low <= 1 + SAME <= high + 2 * SAME or unmoved > MOST:
        return f"{old[worst]:.10g} and now {new[worst]:.10g}"
    if sessions < FEWEST:
        return f"another one, and only {sessions} sessions to tell it by"
    return _simple(low, high)


def _half_step(values: Float[np.ndarray, " value"]) -> Float[np.ndarray, " value"]:
    # Half of the last decimal that is written; the noise of float32 without one.
    for decimals in range(_DECIMALS + 1):
        if np.all(np.abs(np.round(values, decimals) - values) <= SAME * values):
            return np.full(len(values), 0.5 * 10.0**-decimals)
    return NOISE * values


def _simple(low: float, high: float) -> float:
    # A split is 1/2 or 3/2; a dividend is the middle of what rounding allows.
    middle = (low + high) / 2
    for value in (Fraction(middle), 1 / Fraction(middle)):
        near = value.limit_denominator(_SIMPLE)
        ratio = near if value == Fraction(middle) else 1 / near if near else near
        if low <= ratio <= high:
            return float(ratio)
    return middle
