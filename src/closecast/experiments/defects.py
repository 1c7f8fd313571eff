"""What training and forecasting do about prices that look wrong: refuse, and tell."""

import warnings
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from closecast.errors import ClosecastWarning
from closecast.market.bars import Bars
from closecast.market.broken import broken_steps
from closecast.market.checkup import Checkup
from closecast.windows import WindowSpec, cutoffs_with_targets
from closecast.windows.index import touches

NAMED = 3
"""Places of defects that a note names, at most."""

SHORT_NAMED = 5
"""Symbols too short for a window, or still, that a note names, at most."""

STILL = 0.5
"""Share of a symbol's sessions without a change from which on it stands still."""


def checkup_of(bars: Bars, spec: WindowSpec) -> Checkup:
    """Examine the prices of a training.

    Args:
        bars: The panel.
        spec: Shape of a window.

    Returns:
        What the doctor found, with the number of windows refused.
    """
    refused, windows = _refused(bars, spec)
    return Checkup.of(bars, refused=refused, windows=windows)


def tell_refused(bars: Bars, spec: WindowSpec, before: np.datetime64) -> None:
    """Say how many windows of a training are refused, if any are.

    Args:
        bars: The panel.
        spec: Shape of a window.
        before: First date of the test block: what comes then is not looked at.
    """
    refused, windows = _refused(bars, spec, before)
    if refused:
        rows = np.flatnonzero(broken_steps(bars) & (bars.dates < before)).tolist()
        places = [f"{bars.symbol_of(row)} {bars.dates[row]}" for row in rows]
        warnings.warn(
            f"{refused:,} of {windows:,} windows refused: they touch a suspected "
            f"defect ({_some(places)}). `closecast data check` says more.",
            ClosecastWarning,
            stacklevel=4,
        )


def tell_suspect(
    bars: Bars, rows: Int[np.ndarray, " window"], spec: WindowSpec
) -> None:
    """Say which forecasts read a suspected defect.

    Args:
        bars: The panel.
        rows: The cutoffs of the forecasts.
        spec: Shape of a window.
    """
    said = suspect_of(bars, rows, spec)
    if said:
        warnings.warn(said, ClosecastWarning, stacklevel=4)


def suspect_of(bars: Bars, rows: Int[np.ndarray, " window"], spec: WindowSpec) -> str:
    """Find forecasts that read a suspected defect.

    Args:
        bars: The panel.
        rows: The cutoffs of the forecasts.
        spec: Shape of a window.

    Returns:
        A sentence that counts them and names some; empty where there are none.
    """
    return suspect_sentence(suspects(bars, rows, spec), len(rows), spec)


def suspects(
    bars: Bars, rows: Int[np.ndarray, " window"], spec: WindowSpec
) -> tuple[str, ...]:
    """Name the cutoffs whose forecasts read a suspected defect.

    Args:
        bars: The panel.
        rows: The cutoffs of the forecasts.
        spec: Shape of a window.

    Returns:
        Symbol and date of each.
    """
    suspect = rows[touches(rows, broken_steps(bars), spec.context_length)]
    return tuple(f"{bars.symbol_of(row)} {bars.dates[row]}" for row in suspect)


def suspect_sentence(suspect: Sequence[str], forecasts: int, spec: WindowSpec) -> str:
    """Say how many forecasts read a suspected defect.

    Args:
        suspect: What ``suspects`` gave.
        forecasts: All forecasts that were made.
        spec: Shape of a window.

    Returns:
        A sentence that counts them and names some; empty where there are none.
    """
    if not suspect:
        return ""
    return (
        f"{len(suspect):,} of {forecasts:,} forecasts read a suspected defect in "
        f"their last {spec.context_length} bars (cutoffs {_some(suspect)}). Do not "
        "trust them before `closecast data check` is content."
    )


def tell_short(short: Sequence[str], symbols: int, needed: int, what: str) -> None:
    """Say which symbols are left out of something, if any are.

    Args:
        short: Symbols with fewer bars than needed.
        symbols: All symbols.
        needed: Bars that are needed.
        what: What they are left out of.
    """
    if short:
        warnings.warn(
            f"{len(short)} of {symbols} symbols left out of {what}: fewer than "
            f"{needed} bars ({_some(short, SHORT_NAMED)}).",
            ClosecastWarning,
            stacklevel=4,
        )


def tell_still(bars: Bars) -> None:
    """Say which symbols of a training hardly ever move, if any do.

    Args:
        bars: The panel; what is said of its newest bars tells no score.
    """
    still = still_symbols(bars)
    if still:
        warnings.warn(
            f"{len(still)} of {len(bars.symbols)} symbols stand still: their close is "
            f"the one before in most sessions ({_some(still, SHORT_NAMED)}). What is "
            "said of them is worth nothing, and they flatter every average; leave them "
            "out.",
            ClosecastWarning,
            stacklevel=4,
        )


def still_symbols(bars: Bars) -> list[str]:
    """Name the symbols whose close hardly ever changes: pegged, halted or filled up.

    Args:
        bars: The panel.

    Returns:
        Their names.
    """
    same = np.flatnonzero(np.diff(bars.close) == 0) + 1
    same = same[bars.starts[same] != same]
    counts = np.bincount(bars.symbol_ids[same], minlength=len(bars.symbols))
    changes = np.maximum(np.diff(bars.offsets) - 1, 1)
    return [bars.symbols[one] for one in np.flatnonzero(counts > STILL * changes)]


def _refused(
    bars: Bars, spec: WindowSpec, before: np.datetime64 | None = None
) -> tuple[int, int]:
    cutoffs = cutoffs_with_targets(bars, spec)
    if before is not None:
        cutoffs = cutoffs[bars.dates[cutoffs + spec.horizon] < before]
    lost = touches(cutoffs, broken_steps(bars), spec.context_length, spec.horizon)
    return int(lost.sum()), len(cutoffs)


def _some(names: Sequence[str], most: int = NAMED) -> str:
    return ", ".join(names[:most]) + (" ..." if len(names) > most else "")
