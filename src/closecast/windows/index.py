"""Where windows end: the rows of a panel that can be a cutoff.

A cutoff is the row of the last known bar. A window never crosses from one symbol
into the next.
"""

import numpy as np
from jaxtyping import Bool, Int

from closecast.errors import WindowError
from closecast.market.bars import Bars
from closecast.windows.spec import WindowSpec


def cutoffs_with_context(bars: Bars, spec: WindowSpec) -> Int[np.ndarray, " window"]:
    """Find every cutoff that a forecast can be made at.

    Args:
        bars: The panel.
        spec: Shape of a window.

    Returns:
        Rows with a whole context behind them; their targets may lie in the future.

    Raises:
        WindowError: No symbol has a whole context.
    """
    rows = np.arange(len(bars))
    cutoffs = rows[rows - bars.starts >= spec.context_length - 1]
    _refuse_none(cutoffs, bars, spec.context_length, "a context")
    return np.asarray(cutoffs)


def cutoffs_with_targets(
    bars: Bars, spec: WindowSpec, broken: Bool[np.ndarray, " row"] | None = None
) -> Int[np.ndarray, " window"]:
    """Find every cutoff whose closes to come are known: the dataset.

    Args:
        bars: The panel.
        spec: Shape of a window.
        broken: True for a row whose step from the bar before cannot be trusted;
            windows over such a step are refused.

    Returns:
        Rows with a whole context behind and a whole target after them; per symbol
        ``num_bars - (context_length + horizon) + 1``.

    Raises:
        WindowError: No symbol is as long as one window.
    """
    rows = np.arange(len(bars))
    has_context = rows - bars.starts >= spec.context_length - 1
    has_target = rows + spec.horizon < bars.ends
    cutoffs = rows[has_context & has_target]
    if broken is not None:
        cutoffs = cutoffs[~touches(cutoffs, broken, spec.context_length, spec.horizon)]
    _refuse_none(cutoffs, bars, spec.length, "a window")
    return np.asarray(cutoffs)


def touches(
    cutoffs: Int[np.ndarray, " window"],
    broken: Bool[np.ndarray, " row"],
    context_length: int,
    horizon: int = 0,
) -> Bool[np.ndarray, " window"]:
    """Tell the windows that go over a broken step.

    Args:
        cutoffs: Their last known bars, each with a whole context behind it.
        broken: True for a row whose step from the bar before cannot be trusted.
        context_length: Bars up to a cutoff.
        horizon: Bars after it, 0 for the context alone.

    Returns:
        True where a step between two bars of the window is broken.
    """
    count = np.concatenate([[0], np.cumsum(broken)])
    first_step = cutoffs - context_length + 2
    return np.asarray(count[cutoffs + horizon + 1] > count[first_step])


def last_cutoffs(bars: Bars, spec: WindowSpec) -> Int[np.ndarray, " symbol"]:
    """Find the newest cutoff of each symbol.

    Args:
        bars: The panel.
        spec: Shape of a window.

    Returns:
        The last row of each symbol that has a whole context.

    Raises:
        WindowError: No symbol has a whole context.
    """
    cutoffs = bars.offsets[1:] - 1
    cutoffs = cutoffs[np.diff(bars.offsets) >= spec.context_length]
    _refuse_none(cutoffs, bars, spec.context_length, "a context")
    return np.asarray(cutoffs)


def short_symbols(bars: Bars, num_bars: int) -> list[str]:
    """Name the symbols that are shorter than asked.

    Args:
        bars: The panel.
        num_bars: Bars needed.

    Returns:
        Their names.
    """
    return [symbol for symbol, start, end in bars if end - start < num_bars]


def _refuse_none(
    cutoffs: Int[np.ndarray, " window"], bars: Bars, needed: int, what: str
) -> None:
    if len(cutoffs) == 0:
        longest = max(end - start for _, start, end in bars)
        first, *others = bars.symbols
        names = f"{first} and {len(others)} others" if others else first
        raise WindowError(
            f"Expected at least {needed} bars of a symbol for {what}, got "
            f"{longest} (symbol {names}, last date {bars.dates.max()}). "
            "Use a longer series or a shorter window."
        )
