"""The doctor: everything that is wrong or odd in a table of prices.

What a reader would refuse is an error; what a reader takes and its owner should
look at is a warning. Nothing is repaired.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Bool

from closecast.market.bars import CLOSE, VOLUME
from closecast.market.findings import Finding
from closecast.market.readers.table import SORTED, Table, survey, unsorted_files

__all__ = ["Finding", "check"]

MAX_LOG_RETURN = 0.5
"""A close moved by more in a session (+65 %, -39 %) is seldom a market."""

EQUAL_CLOSES = 5
"""As many equal closes in a row are seldom trades."""


def check(source: Any) -> list[Finding]:  # noqa: ANN401
    """Examine a table.

    Args:
        source: Path of a CSV (gzipped or not) or Parquet file, a folder of such
            files, or a dataframe.

    Returns:
        Every error and warning, by file and row; none if the table is sound.
    """
    found = survey(source)
    broken = {(finding.file, finding.row) for finding in found.errors}
    table = found.table
    places = zip(table.files, table.rows, strict=True)
    sound = np.array([(str(f), int(r)) not in broken for f, r in places], dtype=bool)
    warnings = [*_unsorted(table), *_odd(table.take(sound))]
    return sorted([*found.errors, *warnings], key=lambda f: (f.file, f.row or 0))


def _unsorted(table: Table) -> Iterator[Finding]:
    for at in unsorted_files(table).values():
        yield table.finding(
            at,
            "Expected rows in order of date, got an earlier one",
            f"No need to act: {SORTED} when read.",
            "warning",
        )


def _odd(table: Table) -> Iterator[Finding]:
    order = np.lexsort((table.dates, table.symbol_ids))
    ids = table.symbol_ids[order]
    for rows in np.split(order, np.flatnonzero(np.diff(ids)) + 1):
        series = table.take(rows)
        yield from _jumps(series)
        yield from _frozen(series)
        yield from _untraded(series)


def _jumps(series: Table) -> Iterator[Finding]:
    log_return = np.diff(np.log(series.values[:, CLOSE]))
    for at in np.flatnonzero(np.abs(log_return) > MAX_LOG_RETURN):
        yield series.finding(
            int(at) + 1,
            f"Expected a log return within {MAX_LOG_RETURN} a session, got "
            f"{log_return[at]:+.2f}",
            "Check for a split, or another unit, that is not adjusted for.",
            "warning",
        )


def _frozen(series: Table) -> Iterator[Finding]:
    close = series.values[:, CLOSE]
    for start, end in _runs(np.diff(close) == 0):
        if end - start + 1 >= EQUAL_CLOSES:
            yield series.finding(
                start,
                f"Expected fewer than {EQUAL_CLOSES} equal closes in a row, got "
                f"{end - start + 1} up to {series.dates[end]}",
                "Check for a halt, or for gaps that were filled.",
                "warning",
            )


def _untraded(series: Table) -> Iterator[Finding]:
    for start, end in _runs(series.values[:, VOLUME] == 0):
        until = f", {end - start} sessions up to {series.dates[end - 1]}"
        yield series.finding(
            start,
            f"Expected a volume above 0, got 0{until if end - start > 1 else ''}",
            "Check that nothing was traded.",
            "warning",
        )


def _runs(flags: Bool[np.ndarray, " row"]) -> Iterator[tuple[int, int]]:
    # First position of each run of True, and the position after its last.
    edges = np.flatnonzero(
        np.diff(np.concatenate([[False], flags, [False]]).astype(int))
    )
    for start, end in edges.reshape(-1, 2):
        yield int(start), int(end)
