"""The doctor: everything that is wrong or odd in prices, before they are trusted.

What a reader would refuse is an error; what a reader takes and its owner should
look at is a warning. Nothing is repaired here; ``repair`` does it on request.
"""

import datetime as dt
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from closecast.market.bars import Bars
from closecast.market.calendar import FEWEST
from closecast.market.findings import Finding, TableError
from closecast.market.panels import bars_of, is_named
from closecast.market.readers.format import NO_HINTS, Hints
from closecast.market.readers.rows import Table, join, unsorted_files
from closecast.market.readers.source import OnFile, files_of, is_path
from closecast.market.readers.table import SORTED, survey
from closecast.market.symptoms import GAP, symptoms

__all__ = ["Examined", "Finding", "check", "check_bars", "examine"]

UNIVERSE, YEAR = 20, 365
"""So many symbols over a year, and none that ended: a list of today's survivors."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Examined:
    """A source, and what is wrong with it.

    Attributes:
        findings: Every error and warning, by file and row.
        table: Its rows, as far as they can be read.
        files: Files that were read; 1 for a dataframe.
    """

    findings: list[Finding]
    table: Table
    files: int


def check(
    source: Any,  # noqa: ANN401
    *,
    hints: Hints = NO_HINTS,
    today: dt.date | None = None,
) -> list[Finding]:
    """List what is wrong with a table.

    Args:
        source: As in ``examine``.
        hints: As in ``examine``.
        today: As in ``examine``.

    Returns:
        Every error and warning, by file and row; none if the table is sound.
    """
    return examine(source, hints=hints, today=today).findings


def examine(
    source: Any,  # noqa: ANN401
    *,
    hints: Hints = NO_HINTS,
    today: dt.date | None = None,
    on_file: OnFile | None = None,
) -> Examined:
    """Examine a table.

    Args:
        source: Path of a CSV (also in gzip or zip) or Parquet file, a folder of
            such files, symbols of the store, ``sample``, or a dataframe.
        hints: What the files cannot say of themselves.
        today: Day from which on a session may be unfinished; today in UTC.
        on_file: Told how many files are read.

    Returns:
        What was found. An error stops a training, but in a folder: there the file is
        left out.
    """
    if is_named(source):
        bars = bars_of(source, hints)
        return Examined(
            findings=check_bars(bars, today=today),
            table=join([_series(bars, *part) for part in bars]),
            files=1,
        )
    found = survey(source, hints=hints, on_file=on_file)
    broken = {(finding.file, finding.row) for finding in found.errors}
    table = found.table
    places = zip(table.files, table.rows, strict=True)
    sound = np.array([(str(f), int(r)) not in broken for f, r in places], dtype=bool)
    warnings = [*found.left_out, *_unsorted(table), *_odd(table.take(sound), today)]
    errors = found.errors
    paths = _files(source)
    if len(paths) > 1:
        errors = tuple(replace(e, training="leaves the file out") for e in errors)
    return Examined(
        findings=sorted([*errors, *warnings], key=lambda f: (f.file, f.row or 0)),
        table=table,
        files=max(1, len(paths)),
    )


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
    copies = _Copies()
    for part in bars:
        series = _series(bars, *part)
        found += sorted(symptoms(series, day), key=lambda finding: finding.row or 0)
        found += copies.of(series)
    ends = bars.dates[bars.offsets[1:] - 1]
    return [*found, *_survivors(ends, bars.dates.min())]


def _series(bars: Bars, symbol: str, start: int, end: int) -> Table:
    return Table(
        files=np.full(end - start, "", dtype=object),
        rows=np.arange(start, end),
        symbols=np.full(end - start, symbol, dtype=object),
        dates=bars.dates[start:end],
        values=bars.values[start:end],
    )


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
    copies = _Copies()
    for rows in np.split(order, np.flatnonzero(np.diff(ids)) + 1):
        series = table.take(rows)
        if len(series):
            ends.append(series.dates[-1])
            yield from symptoms(series, day)
            yield from copies.of(series)
    if ends:
        yield from _survivors(np.array(ends), table.dates.min())


class _Copies:
    """Symbols whose bars are those of another, as of a file that was saved twice."""

    def __init__(self) -> None:
        self.known: dict[bytes, str] = {}

    def of(self, series: Table) -> Iterator[Finding]:
        if len(series) < FEWEST:
            return
        content = (series.dates, series.values)
        digest = hashlib.sha256(b"".join(a.tobytes() for a in content)).digest()
        symbol = str(series.symbols[0])
        first = self.known.setdefault(digest, symbol)
        if first != symbol:
            yield series.finding(
                0,
                f"Expected bars of its own for each symbol, got those of {first}",
                "Drop one of them: it would count twice.",
                "warning",
                kind="copy",
                until=len(series) - 1,
                training="uses the rows as they are",
            )


def _files(source: object) -> list[Path]:
    if not is_path(source):
        return []
    try:
        return files_of(Path(str(source)))[0]
    except TableError:  # the survey has said so
        return []


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
