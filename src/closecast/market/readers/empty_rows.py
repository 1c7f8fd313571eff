"""Rows that hold no session: a day without any price, a day without any trade.

They are left out and counted; a row with one price is never one of them.
"""

import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from closecast.market.bars import CLOSE, VOLUME
from closecast.market.readers.cells import Cells, is_nothing

NO_PRICES = "without any price"
NO_TRADE = "of zeros, without any trade,"
QUOTES = "of quotes, without any trade,"
EVENTS = "of a dividend or split"
TEXT = "of text below the table"

_EVENT = re.compile(
    r"[\d.,:]+ (dividend|stock splits?|capital gains?)", re.ASCII | re.IGNORECASE
)


def without_prices(prices: Sequence[Cells]) -> Bool[np.ndarray, " row"]:
    """Find rows in which every price is empty, null or NaN.

    Args:
        prices: Cells of open, high, low and close.

    Returns:
        True for such a row.
    """
    empty = np.ones(len(prices[0]), dtype=bool)
    for cells in prices:
        if isinstance(cells, np.ndarray) and cells.dtype.kind in "iuf":
            empty &= np.isnan(cells)
            continue
        rows = np.flatnonzero(empty)
        empty[rows] = [is_nothing(cells[row]) for row in rows]
    return empty


def without_trade(values: Float[np.ndarray, "row column"]) -> Bool[np.ndarray, " row"]:
    """Find rows in which open, high, low and volume are 0.

    Some vendors write 0 on weekends and holidays, and KRX carries the close through
    a halt.

    Args:
        values: Open, high, low, close and volume.

    Returns:
        True for such a row.
    """
    others = [column for column in range(VOLUME + 1) if column != CLOSE]
    return np.asarray((values[:, others] == 0).all(axis=1) & (values[:, CLOSE] >= 0))


def is_event(cell: object) -> bool:
    """Tell what Yahoo's page writes instead of prices.

    Args:
        cell: Any cell.

    Returns:
        True for ``0.24 Dividend``, ``4:1 Stock Splits`` and the like.
    """
    return isinstance(cell, str) and _EVENT.fullmatch(cell.strip()) is not None


def of_events(prices: Sequence[Cells]) -> Bool[np.ndarray, " row"]:
    """Find rows of a dividend or split, which name it in place of the first price.

    Args:
        prices: Cells of open, high, low and close.

    Returns:
        True for such a row.
    """
    first, others = prices[0], prices[1:]
    found = np.zeros(len(first), dtype=bool)
    if isinstance(first, np.ndarray):
        return found
    for row, cell in enumerate(first):
        found[row] = is_event(cell) and all(is_nothing(c[row]) for c in others)
    return found
