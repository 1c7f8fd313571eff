"""The doctor: everything that is wrong or odd in prices, before they are trusted.

What a reader would refuse is an error; what a reader takes and its owner should
look at is a warning. Nothing is repaired here; ``repair`` does it on request.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import numpy as np

from closecast.market.bars import Bars
from closecast.market.findings import Finding
from closecast.market.readers.format import NO_HINTS, Hints
from closecast.market.readers.rows import Table, unsorted_files
from closecast.market.readers.table import SORTED, survey
from closecast.market.symptoms import GAP, symptoms

__all__ = ["Finding", "check", "check_bars"]

UNIVERSE, YEAR = 20, 365
"""So many symbols over a year, and none that ended: a list of today's survivors."""


def check(
    source: Any,  # noqa: ANN401
    *,
    hints: Hints = NO_HINTS,
    today: dt.date | None = None,
) -> list[Finding]:
    """Examine a table.

    Args:
        source: Path of a CSV (also in gzip or zip) or Parquet file, a folder of
            such files, or a dataframe.
        hints: What the files cannot say of themselves.
        today: Day from which on a session may be unfinished; today in UTC.

    Returns:
        Every error and warning, by file and row; none if the table is sound.
    """
    found = survey(source, hints=hints)
    broken = {(finding.file, finding.row) for finding in found.errors}
    table = found.table
    places = zip(table.files, table.rows, strict=True)
    sound = np.array([(str(f), int(r)) not in broken for f, r in places], dtype=bool)
    warnings = [*found.left_out, *_unsorted(table), *_odd(table.take(sound), today)]
    return sorted([*found.errors, *warnings], key=lambda f: (f.file, f.row or 0))


def check_bars(bars: Bars, *, today: dt.date | None = None) -> list[Finding]:
    """Examine a panel that readers took.

    Args:
        bars: The panel.
        today: As in ``check``.

    Returns:
        Every warning, by symbol and date; there are no errors in a panel.
    """
    day = _day(today)
    found: list[Finding] = []
    for symbol, start, end in bars:
        rows = np.arange(start, end)
        series = Table(
            files=np.full(len(rows), "", dtype=object),
            rows=rows,
            symbols=np.full(len(rows), symbol, dtype=object),
            dates=bars.dates[start:end],
            values=bars.values[start:end],
        )
        found += sorted(symptoms(series, day), key=lambda finding: finding.row or 0)
    ends = bars.dates[bars.offsets[1:] - 1]
    return [*found, *_survivors(ends, bars.dates.min())]


def _unsorted(table: Table) -> Iterator[Finding]:
    for at in unsorted_files(table).values():
        yield table.finding(
            at,
            "Expected rows in order of date, got an earlier one",
            f"No need to act: {SORTED} when read.",
            "warning",
            kind="unsorted",
        )


def _odd(table: Table, today: dt.date | None) -> Iterator[Finding]:
    day = _day(today)
    order = np.lexsort((table.dates, table.symbol_ids))
    ids = table.symbol_ids[order]
    ends = []
    for rows in np.split(order, np.flatnonzero(np.diff(ids)) + 1):
        series = table.take(rows)
        if len(series):
            ends.append(series.dates[-1])
            yield from symptoms(series, day)
    if ends:
        yield from _survivors(np.array(ends), table.dates.min())


def _survivors(
    ends: Any,  # noqa: ANN401  an array of dates
    first: np.datetime64,
) -> Iterator[Finding]:
    # Every symbol lives to the end: those that failed are not in the list.
    span = (ends.max() - first).astype(int)
    alive = (ends.max() - ends).astype(int) <= GAP
    if len(ends) >= UNIVERSE and span >= YEAR and alive.all():
        yield Finding(
            file="",
            severity="warning",
            what=f"Expected symbols that ended among {len(ends):,}, got none",
            remedy="A list of today's members leaves out those that failed, and all "
            "that is learned from it is too good: add delisted symbols.",
            training="uses the rows as they are",
            kind="survivors",
        )


def _day(today: dt.date | None) -> np.datetime64:
    return np.datetime64(today or dt.datetime.now(dt.UTC).date(), "D")
