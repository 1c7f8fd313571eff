"""What ``scoreboard.json`` says of data, blocks and leak tests, in plain values."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from closecast.market.bars import Bars
from closecast.windows.leakage import LeakResult


def stamps_of(results: Sequence[LeakResult]) -> dict[str, Any]:
    """Lay leak tests out.

    Args:
        results: Their outcomes.

    Returns:
        Outcome and detail of each by its name.
    """
    return {
        result.name: {"passed": result.passed, "detail": result.detail}
        for result in results
    }


def data_of(bars: Bars) -> dict[str, Any]:
    """Say which prices figures were made from.

    Args:
        bars: The panel.

    Returns:
        Fingerprint, symbols, dates and number of bars.
    """
    return {
        "fingerprint": bars.fingerprint,
        "symbols": list(bars.symbols),
        "first": str(bars.dates.min()),
        "last": str(bars.dates.max()),
        "bars": len(bars),
    }


def block_of(bars: Bars, cutoffs: Int[np.ndarray, " window"]) -> dict[str, Any]:
    """Say what a block holds.

    Args:
        bars: The panel.
        cutoffs: Rows of its cutoffs.

    Returns:
        First and last date and the number of windows.
    """
    dates = bars.dates[cutoffs]
    return {
        "first": str(dates.min()),
        "last": str(dates.max()),
        "windows": len(cutoffs),
    }
