"""What the doctor found before a training, and how many windows that cost.

The worst findings come first; of each kind the number is told, however many.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from closecast.market.bars import CLOSE, Bars
from closecast.market.doctor import check_bars
from closecast.market.findings import Finding
from closecast.market.readers.rows import Table

LISTED = 50
"""Findings that a run keeps."""

SPOTS = 6
"""Worst places that a report draws."""

AROUND = 20
"""Closes drawn on either side of such a place."""

OF_A_KIND = 2
"""Of each kind of finding, at most."""

WORST = ("unit", "spike", "split", "reuse", "torn", "beyond_limit", "jump", "missing")
"""Kinds of findings, those first that spoil most."""

DRAWN = ("", "conflict", *WORST)
"""Kinds that a picture shows: what a reader refuses, and the worst."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Checkup:
    """The state of a panel.

    Attributes:
        findings: All findings, the worst first.
        refused: Windows that touch a broken step and are refused.
        windows: Windows that the panel has, the refused ones included.
        spots: Closes around the worst places.
    """

    findings: tuple[Finding, ...]
    refused: int
    windows: int
    spots: tuple[dict[str, Any], ...]

    @classmethod
    def of(cls, bars: Bars, *, refused: int = 0, windows: int = 0) -> "Checkup":
        """Examine a panel.

        Args:
            bars: The panel.
            refused: Windows that were refused.
            windows: Windows that there were.

        Returns:
            What was found.
        """
        findings = sorted(check_bars(bars), key=_badness)
        return cls(
            findings=tuple(findings),
            refused=refused,
            windows=windows,
            spots=tuple(spots_of(bars, findings)),
        )

    def to_dict(self) -> dict[str, Any]:
        """Lay it out for JSON.

        Returns:
            Plain values.
        """
        return {
            "refused_windows": self.refused,
            "windows": self.windows,
            "counts": dict(Counter(finding.kind for finding in self.findings)),
            "findings": [asdict(finding) for finding in self.findings[:LISTED]],
            "spots": list(self.spots),
        }


def spots_of(bars: Bars, findings: list[Finding]) -> list[dict[str, Any]]:
    """Cut out the closes around the worst places.

    Args:
        bars: The panel.
        findings: The worst first; each with symbol and date, or it is passed over.

    Returns:
        Symbol, date, kind and what was found, with dates and closes around it and
        the place among them; at most ``SPOTS``.
    """

    def draw(finding: Finding) -> dict[str, Any] | None:
        if finding.symbol not in bars.symbols or finding.date is None:
            return None
        return _spot(bars, finding)

    return _drawn(findings, draw)


def spots_in(table: Table, findings: list[Finding]) -> list[dict[str, Any]]:
    """Cut out the closes around the worst places of files, errors among them.

    Args:
        table: Rows that were examined, whatever is wrong with them.
        findings: The worst first; those of other files are passed over.

    Returns:
        As ``spots_of``; a row without a close, a symbol or a date cannot be drawn.
    """
    close = table.values[:, CLOSE]
    with np.errstate(invalid="ignore"):
        drawable = np.isfinite(close) & (close > 0) & ~np.isnat(table.dates)

    def draw(finding: Finding) -> dict[str, Any] | None:
        if finding.symbol is None or finding.row is None:
            return None
        rows = np.flatnonzero(drawable & (table.symbols == finding.symbol))
        rows = rows[np.argsort(table.dates[rows], kind="stable")]
        here = (table.files[rows] == finding.file) & (table.rows[rows] == finding.row)
        if not here.any():
            return None
        at = int(np.flatnonzero(here)[0])
        return _cut(table.dates[rows], close[rows], at, finding)

    return _drawn(findings, draw)


def _drawn(
    findings: list[Finding], draw: Callable[[Finding], dict[str, Any] | None]
) -> list[dict[str, Any]]:
    # Some of each kind say more than many of one.
    spots: list[dict[str, Any]] = []
    drawn: Counter[str] = Counter()
    for finding in findings:
        if finding.kind in DRAWN and drawn[finding.kind] < OF_A_KIND:
            spot = draw(finding)
            spots += [] if spot is None else [spot]
            drawn[finding.kind] += spot is not None
    return spots[:SPOTS]


def _spot(bars: Bars, finding: Finding) -> dict[str, Any]:
    symbol = bars.symbols.index(str(finding.symbol))
    rows = slice(int(bars.offsets[symbol]), int(bars.offsets[symbol + 1]))
    day = np.datetime64(str(finding.date))
    at = int(np.searchsorted(bars.dates[rows], day))
    return _cut(bars.dates[rows], bars.close[rows], at, finding)


def _cut(
    dates: Shaped[np.ndarray, " row"],
    closes: Float[np.ndarray, " row"],
    at: int,
    finding: Finding,
) -> dict[str, Any]:
    rows = slice(max(0, at - AROUND), at + AROUND + 1)
    return {
        "symbol": finding.symbol,
        "date": finding.date,
        "kind": finding.kind or "error",
        "what": finding.what,
        "dates": dates[rows].astype(str).tolist(),
        "closes": closes[rows].tolist(),
        "at": at - rows.start,
    }


def _badness(finding: Finding) -> tuple[int, str, str]:
    place = WORST.index(finding.kind) if finding.kind in WORST else len(WORST)
    return place, finding.symbol or "", finding.date or ""


def worst_first(findings: list[Finding]) -> list[Finding]:
    """Put errors first, then what spoils most.

    Args:
        findings: In any order.

    Returns:
        The same findings.
    """
    return sorted(findings, key=lambda f: (f.severity != "error", _badness(f)))
