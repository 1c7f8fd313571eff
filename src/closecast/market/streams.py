"""Many files, one after the other: what a folder of any size is read through.

A file that cannot be used is reported and passed over. A large Parquet file comes in
pieces, so that no more than a piece is in memory.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from closecast.errors import BarsError
from closecast.market.bars import Bars
from closecast.market.findings import Finding, TableError
from closecast.market.readers.convert import Options
from closecast.market.readers.format import NO_HINTS, Hints, roles_in
from closecast.market.readers.rows import Note
from closecast.market.readers.source import PARQUET_SUFFIXES, OnFile, files_of
from closecast.market.readers.table import read_bars
from closecast.market.readers.typed import typed_bars

PIECE = 500_000
"""Rows of a Parquet file that are read at once."""

MANY = 32
"""From as many files on, helpers are worth their start."""

_IN_FLIGHT = 4
"""Files that each helper has waiting."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """A file, or a piece of one.

    Attributes:
        path: The file.
        bars: Its bars; None if it cannot be used.
        done: What was done to the data.
        trouble: Why it cannot be used.
    """

    path: Path
    bars: Bars | None
    done: tuple[Note, ...] = ()
    trouble: str = ""


def files_in(sources: Sequence[str | Path]) -> list[Path]:
    """List the tables that files and folders stand for.

    Args:
        sources: Files and folders.

    Returns:
        The files, folder by folder.

    Raises:
        TableError: A folder holds no table.
    """
    return [path for source in sources for path in files_of(Path(source))[0]]


def stream(
    paths: Sequence[Path],
    hints: Hints = NO_HINTS,
    *,
    on_file: OnFile | None = None,
    workers: int = 1,
    whole: bool = False,
) -> Iterator[Part]:
    """Read files one after the other.

    Args:
        paths: The files.
        hints: What they cannot say of themselves.
        on_file: Told after each file.
        workers: Processes that read, for many text files. With more than one the
            calling program's main module must be importable.
        whole: A large Parquet file comes in one piece too.

    Yields:
        Each file, or piece of it, in the order given.
    """
    text = [path for path in paths if not _is_parquet(path)]
    helped = workers > 1 and len(text) >= MANY
    read = _by_helpers(text, hints, workers) if helped else None
    for done, path in enumerate(paths, start=1):
        if read is not None and not _is_parquet(path):
            yield next(read)
        elif whole:
            yield _whole(path, hints)
        else:
            yield from _pieces(path, hints)
        if on_file is not None:
            on_file(done, len(paths))


def _by_helpers(paths: Sequence[Path], hints: Hints, workers: int) -> Iterator[Part]:
    # A few files ahead, in order; a helper starts afresh and shares no thread.
    waiting: list[Future[Part]] = []
    ahead = iter(paths)
    with ProcessPoolExecutor(workers, get_context("spawn")) as helpers:
        for path in islice(ahead, workers * _IN_FLIGHT):
            waiting.append(helpers.submit(_whole, path, hints))  # noqa: PERF401
        while waiting:
            part = waiting.pop(0).result()
            for path in islice(ahead, 1):
                waiting.append(helpers.submit(_whole, path, hints))  # noqa: PERF401
            yield part


def _whole(path: Path, hints: Hints) -> Part:
    try:
        reading = read_bars(path, hints=hints)
    except BarsError as error:
        return Part(path=path, bars=None, trouble=str(error))
    return Part(path=path, bars=reading.bars, done=reading.done)


def _pieces(path: Path, hints: Hints) -> Iterator[Part]:
    table = _large_table(path)
    if table is None:
        yield _whole(path, hints)
        return
    start = 0
    name = None if "symbol" in roles_in(table.schema_arrow.names) else path.stem
    for piece in table.iter_batches(PIECE):
        part = _piece(path, piece, start, Options(symbol=name, hints=hints))
        start += len(piece)
        yield part
        if part.bars is None:
            return


def _piece(path: Path, piece: Any, start: int, options: Options) -> Part:  # noqa: ANN401
    import pyarrow as pa  # type: ignore[import-untyped]

    rows = pa.Table.from_batches([piece])
    bars = typed_bars(rows, options.symbol)
    if bars is not None:
        return Part(path=path, bars=bars)
    try:
        reading = read_bars(rows, symbol=options.symbol, hints=options.hints)
    except TableError as error:
        trouble = TableError(_placed(error.finding, path, start))
        return Part(path=path, bars=None, trouble=str(trouble))
    done = tuple(note._replace(file=str(path)) for note in reading.done)
    return Part(path=path, bars=reading.bars, done=done)


def _placed(finding: Finding, path: Path, start: int) -> Finding:
    row = None if finding.row is None else finding.row + start
    return replace(finding, file=str(path), row=row)


def _large_table(path: Path) -> Any:  # noqa: ANN401
    # Only columns that mean the same in each piece: dates as text are decided by all.
    import pyarrow as pa
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    if not _is_parquet(path):
        return None
    try:
        table = pq.ParquetFile(path)
    except (pa.ArrowException, OSError):
        return None  # the reader says what is wrong
    dates = [f for f in table.schema_arrow if "date" in roles_in([f.name])]
    typed = all(pa.types.is_temporal(field.type) for field in dates)
    return table if table.metadata.num_rows > PIECE and dates and typed else None


def _is_parquet(path: Path) -> bool:
    return path.name.lower().endswith(PARQUET_SUFFIXES)
