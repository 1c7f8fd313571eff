"""What training and forecasting do about prices that look wrong: refuse, and tell."""

import warnings

import numpy as np
from jaxtyping import Int

from closecast.errors import ClosecastWarning
from closecast.market.bars import Bars
from closecast.market.broken import broken_steps
from closecast.market.checkup import Checkup
from closecast.windows import WindowSpec, cutoffs_with_targets
from closecast.windows.index import touches

NAMED = 3
"""Symbols that a note names, at most."""


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
        rows = np.flatnonzero(broken_steps(bars) & (bars.dates < before))
        warnings.warn(
            f"{refused:,} of {windows:,} windows refused: they touch a suspected "
            f"defect ({_places(bars, rows)}). `closecast data check` says more.",
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
    broken = broken_steps(bars)
    suspect = rows[touches(rows, broken, spec.context_length)]
    if not len(suspect):
        return ""
    return (
        f"{len(suspect):,} of {len(rows):,} forecasts read a suspected defect in "
        f"their last {spec.context_length} bars (cutoffs "
        f"{_places(bars, suspect)}). Do not trust them before "
        "`closecast data check` is content."
    )


def _refused(
    bars: Bars, spec: WindowSpec, before: np.datetime64 | None = None
) -> tuple[int, int]:
    cutoffs = cutoffs_with_targets(bars, spec)
    if before is not None:
        cutoffs = cutoffs[bars.dates[cutoffs + spec.horizon] < before]
    lost = touches(cutoffs, broken_steps(bars), spec.context_length, spec.horizon)
    return int(lost.sum()), len(cutoffs)


def _places(bars: Bars, rows: Int[np.ndarray, " some"]) -> str:
    named = [f"{bars.symbol_of(row)} {bars.dates[row]}" for row in rows[:NAMED]]
    return ", ".join(named) + (" ..." if len(rows) > NAMED else "")
