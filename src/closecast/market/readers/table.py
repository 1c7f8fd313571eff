"""One reader for any vendor's table: CSV, Parquet, a folder of them, a dataframe.

It recognises columns by name and refuses what it would have to guess. The trouble
that it refuses is the trouble that the doctor lists: both read ``survey``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from closecast.errors import BarsError
from closecast.market.bars import Bars, from_columns
from closecast.market.findings import Finding, TableError
from closecast.market.readers.convert import Options, converted
from closecast.market.readers.format import NO_HINTS, Hints
from closecast.market.readers.frames import from_frame
from closecast.market.readers.raw import RawTable
from closecast.market.readers.rows import (
    Note,
    Survey,
    join,
    sentences,
    twins,
    unsorted_files,
)
from closecast.market.readers.source import OnFile, files_of, read_file

SORTED = "rows were not in order of date and are sorted"
IGNORED = "is no table and is not read"


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """A panel and what its owner should know about how it was read.

    Attributes:
        bars: The panel.
        done: Each thing that was done to the data.
    """

    bars: Bars
    done: tuple[Note, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each thing that was done to the data."""
        return sentences(self.done)


def read_bars(
    source: Any,  # noqa: ANN401
    *,
    symbol: str | None = None,
    hints: Hints = NO_HINTS,
) -> Reading:
    """Read prices of any vendor.

    Args:
        source: Path of a CSV (also in gzip or zip) or Parquet file, a folder of
            such files, or a dataframe. Without a symbol column a file is one symbol,
            called like the file.
        symbol: Of several symbols, the one to read; without a symbol column, what
            to call the only one.
        hints: What the files cannot say of themselves.

    Returns:
        The panel, and notes on what was done.

    Raises:
        TableError: The source cannot be read or breaks a rule of bars; a BarsError.
        BarsError: There is no such symbol.
    """
    found = survey(source, symbol=symbol, hints=hints)
    if found.errors:
        raise TableError(found.errors[0], more=len(found.errors) - 1)
    table = found.table
    if symbol is not None and not len(table):
        raise BarsError(no_such_symbol(symbol, _label(source)))
    bars = from_columns(table.symbols, table.dates, table.values)
    return Reading(bars=bars, done=found.notes)


def survey(
    source: Any,  # noqa: ANN401
    *,
    symbol: str | None = None,
    hints: Hints = NO_HINTS,
    on_file: OnFile | None = None,
) -> Survey:
    """Read a source to its end, whatever is wrong with it.

    Args:
        source: As in ``read_bars``.
        symbol: As in ``read_bars``.
        hints: As in ``read_bars``.
        on_file: Told how many files are read.

    Returns:
        Its rows with every finding.
    """
    parts: list[Survey] = []
    is_folder = isinstance(source, str | Path) and Path(source).is_dir()
    name = None if is_folder else symbol
    options = Options(symbol=name, hints=hints)
    for raw in _raw_tables(source, hints, on_file):
        try:
            found = raw if isinstance(raw, Survey) else converted(raw, options)
        except TableError as error:
            found = Survey(table=join([]), errors=(error.finding,), notes=())
        parts.append(found)
    table = join([part.table for part in parts])
    if symbol is not None:
        table = table.take(table.symbols == symbol)
    errors = [finding for part in parts for finding in part.errors]
    errors = [e for e in errors if symbol is None or e.symbol in {None, symbol}]
    notes = [note for part in parts for note in part.notes]
    notes += [Note(SORTED, file) for file in unsorted_files(table)]
    return Survey(
        table=table,
        errors=tuple(sorted([*errors, *twins(table)], key=_by_place)),
        notes=tuple(notes),
        left_out=tuple(finding for part in parts for finding in part.left_out),
    )


def _raw_tables(
    source: Any,  # noqa: ANN401
    hints: Hints,
    on_file: OnFile | None,
) -> Iterator[RawTable | Survey]:
    # One file after the other; a file that fails gives its finding.
    if not isinstance(source, str | Path):
        yield from_frame(source)
        return
    empty = join([])
    try:
        files, ignored = files_of(Path(source))
    except TableError as error:
        yield Survey(table=empty, errors=(error.finding,), notes=())
        return
    for done, path in enumerate(files, start=1):
        try:
            yield read_file(path, hints)
        except TableError as error:
            yield Survey(table=empty, errors=(error.finding,), notes=())
        if on_file is not None:
            on_file(done, len(files))
    notes = tuple(Note(IGNORED, str(path)) for path in ignored)
    yield Survey(table=empty, errors=(), notes=notes)


def _by_place(finding: Finding) -> tuple[str, int]:
    return finding.file, -1 if finding.row is None else finding.row


def no_such_symbol(symbol: str, place: str) -> str:
    """Say that a symbol is not where it was asked for.

    Args:
        symbol: The symbol.
        place: Where.

    Returns:
        A sentence.
    """
    return (
        f"Expected a symbol of the table, got {symbol} ({place}). Choose one that is "
        "in it."
    )


def _label(source: Any) -> str:  # noqa: ANN401
    return str(source) if isinstance(source, str | Path) else "the dataframe"
