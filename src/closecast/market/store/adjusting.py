"""Adjusted series, computed from raw bars and the factors that were found."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np
from jaxtyping import Float

from closecast.market.bars import VOLUME
from closecast.market.store.metadata import Adjustment
from closecast.market.store.rows import Rows


def adjusted(rows: Rows, adjustments: Sequence[Adjustment]) -> Rows:
    """Bring bars to the basis of the newest.

    Args:
        rows: Raw bars.
        adjustments: Factors, by symbol and date.

    Returns:
        The bars with each price and volume multiplied by the factors of all later
        adjustments of its symbol.
    """
    if not adjustments:
        return rows
    factor = factors(rows, adjustments)
    values = np.array(rows.values, dtype=np.float64)
    values[:, :VOLUME] *= factor[:, :1]
    values[:, VOLUME] *= factor[:, 1]
    return replace(rows, values=values)


def factors(
    rows: Rows, adjustments: Sequence[Adjustment]
) -> Float[np.ndarray, "row price_and_volume"]:
    """Give what each bar is multiplied by.

    Args:
        rows: Raw bars.
        adjustments: Factors, by symbol and date.

    Returns:
        Factor of its prices and of its volume; exactly 1 without a later adjustment.
    """
    factor = np.ones((len(rows), 2))
    offsets = rows.offsets
    for symbol, group in groupby(adjustments, key=lambda one: one.symbol):
        at = int(np.searchsorted(rows.names, symbol))
        if at == len(rows.names) or rows.names[at] != symbol:
            continue
        found = list(group)
        dates = np.array([one.date for one in found], dtype="datetime64[D]")
        steps = np.array([(one.price_factor, one.volume_factor) for one in found])
        later = np.cumprod(np.vstack([np.ones((1, 2)), steps[::-1]]), axis=0)[::-1]
        part = slice(int(offsets[at]), int(offsets[at + 1]))
        factor[part] = later[np.searchsorted(dates, rows.dates[part], side="right")]
    return factor
