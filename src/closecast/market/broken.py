"""Which steps from one bar to the next cannot be trusted, and why.

A step is broken where a split seems not adjusted for, a unit changes, a spike or
a torn bar stands, or a symbol seems to be given to another company. A crash of no
whole ratio is a crash, and stays. Windows over a broken step are refused.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

from closecast.market.bars import HIGH, LOW, Bars

MAX_LOG_RETURN = 0.5
"""A close moved by more in a session (+65 %, -39 %) is seldom a market."""

SPIKE = 5.0
"""A close so many times its neighbours, which agree, is no market."""

NEAR_UNIT = 0.15
"""A move within 15 % of a power of ten is called another unit."""

NEAR_SPLIT = 0.03
"""A move within 3 % of a whole ratio is called a split: the day's own move is left."""

TORN = 5.0
"""A high so many times the low of its day is seldom a market."""

REUSE_DAYS, REUSE = 180, 3.0
"""Half a year of silence and three times the price: perhaps another company."""

LEVEL_BARS = 20
"""Bars that tell the price level beside a gap."""


def broken_steps(bars: Bars) -> Bool[np.ndarray, " row"]:
    """Find the steps of a panel that cannot be trusted.

    Args:
        bars: The panel.

    Returns:
        True for a row whose step from the bar before, of the same symbol, is broken.
        The first bar of a symbol has none.
    """
    log_close = np.log(bars.close)
    step = np.diff(log_close, prepend=log_close[:1])
    first = np.arange(len(bars)) == bars.starts
    broken: Bool[np.ndarray, " row"] = np.zeros(len(bars), bool)
    days = np.diff(bars.dates, prepend=bars.dates[:1]).astype(int)
    far = (np.abs(step) > MAX_LOG_RETURN) & ~first
    for row in np.flatnonzero(far & (days <= REUSE_DAYS)):
        broken[row] = is_unit(np.exp(step[row])) or is_split(np.exp(step[row]))
    for row in np.flatnonzero((days > REUSE_DAYS) & ~first):
        here = bars.close[bars.starts[row] : bars.ends[row]]
        level = level_after(here, int(row - bars.starts[row]))
        broken[row] = abs(np.log(level)) > np.log(REUSE)
    odd = bars.values[:, HIGH] / bars.values[:, LOW] > TORN
    for _, start, end in _with(bars, far):
        odd[start + spikes(log_close[start:end])] = True
    after = np.concatenate([[False], odd[:-1]])
    return np.asarray((broken | odd | after) & ~first)


def _with(bars: Bars, rows: Bool[np.ndarray, " row"]) -> list[tuple[str, int, int]]:
    ids = set(bars.symbol_ids[rows].tolist())
    return [part for at, part in enumerate(bars) if at in ids]


def spikes(log_close: Float[np.ndarray, " row"]) -> Int[np.ndarray, " spike"]:
    """Find closes far from both neighbours, which are near each other.

    Args:
        log_close: Logarithms of one symbol's closes.

    Returns:
        Their positions.
    """
    to, back = np.diff(log_close)[:-1], np.diff(log_close)[1:]
    alone = (np.minimum(np.abs(to), np.abs(back)) > np.log(SPIKE)) & (to * back < 0)
    return np.flatnonzero(alone & (np.abs(to + back) < MAX_LOG_RETURN)) + 1


def is_unit(ratio: float) -> bool:
    """Tell a change of unit.

    Args:
        ratio: A price over the one before.

    Returns:
        True near a power of ten, or of a tenth.
    """
    times = max(ratio, 1 / ratio)
    power = round(np.log10(times))
    return bool(power >= 1 and abs(times / 10**power - 1) < NEAR_UNIT)


def is_split(ratio: float) -> bool:
    """Tell a split, or a merger of shares.

    Args:
        ratio: A price over the one before.

    Returns:
        True near a whole number of two or more, or one over it.
    """
    times = max(ratio, 1 / ratio)
    return bool(round(times) > 1 and abs(times / round(times) - 1) < NEAR_SPLIT)


def level_after(close: Float[np.ndarray, " row"], row: int) -> float:
    """Compare the price levels beside a gap.

    Args:
        close: One symbol's closes.
        row: The first bar after the gap.

    Returns:
        The level from it on over that before it.
    """
    before, after = close[max(0, row - LEVEL_BARS) : row], close[row : row + LEVEL_BARS]
    return float(np.median(after) / np.median(before))
