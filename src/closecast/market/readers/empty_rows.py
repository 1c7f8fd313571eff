"""Rows that hold no session: a day without any price, a day without any trade.

They are left out and counted; a row with one price is never one of them.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from closecast.market.bars import CLOSE, VOLUME
from closecast.market.readers.cells import Cells, is_nothing

NO_PRICES = "without any price"
NO_TRADE = "of zeros, without any trade,"


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
