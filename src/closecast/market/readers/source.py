"""From a path to tables: which files there are, and what kind each is.

Text files are taken as text, so that a code keeps its leading zeros and a price
is converted in one place. Nothing is checked here but that there is a table.
"""

from collections.abc import Callable
from pathlib import Path

from closecast.market.findings import Finding, TableError
from closecast.market.readers.format import NO_HINTS, Hints
from closecast.market.readers.frames import from_frame
from closecast.market.readers.packing import TEXT_SUFFIXES
from closecast.market.readers.raw import RawTable, about
from closecast.market.readers.text import read_text

OnFile = Callable[[int, int], None]
"""Told how many files are done, and of how many."""

PARQUET_SUFFIXES = (".parquet", ".pq")
PACKED_SUFFIXES = (*(f"{s}.gz" for s in TEXT_SUFFIXES), ".zip")
SUFFIXES = (*TEXT_SUFFIXES, *PACKED_SUFFIXES, *PARQUET_SUFFIXES)


def is_path(source: object) -> bool:
    """Tell a path from a dataframe.

    Args:
        source: Anything.

    Returns:
        True for text and paths.
    """
    return isinstance(source, str | Path)


def files_of(path: Path) -> tuple[list[Path], list[Path]]:
    """List the tables that a path stands for.

    Args:
        path: A file or a folder of files.

    Returns:
        The files to read, by name, and the files of the folder that are no table.

    Raises:
        TableError: The folder holds no table, or cannot be listed.
    """
    if not path.is_dir():
        return [path], []
    try:
        inside = sorted(path.iterdir())
    except OSError as error:
        raise TableError(_unreadable(path, error)) from error
    files = [p for p in inside if p.is_file() and not p.name.startswith(".")]
    tables = [p for p in files if p.name.lower().endswith(SUFFIXES)]
    if not tables:
        raise TableError(
            about(
                path,
                f"Expected a folder with {', '.join(SUFFIXES)} files, got none",
                "Give the folder that holds the price files.",
            )
        )
    return tables, [p for p in files if p not in tables]


def read_file(path: Path, hints: Hints = NO_HINTS) -> RawTable:
    """Read a file as it stands.

    Args:
        path: A text file, also in gzip or zip, or a Parquet file.
        hints: Names of its columns, if it has no header.

    Returns:
        Its columns.

    Raises:
        TableError: There is no such file, or it is no table.
    """
    name = path.name.lower()
    if not name.endswith(SUFFIXES) and path.exists():
        raise TableError(
            about(
                path,
                f"Expected a file ending in {', '.join(SUFFIXES)}, got {path.name}",
                "Rename or convert it.",
            )
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TableError(_unreadable(path, error)) from error
    if not content:
        raise TableError(
            about(
                path,
                "Expected a table with a header, got an empty file",
                "Export it again.",
            )
        )
    is_parquet = name.endswith(PARQUET_SUFFIXES)
    return _parquet(path, content) if is_parquet else read_text(path, content, hints)


def _parquet(path: Path, content: bytes) -> RawTable:
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    try:
        table = pq.read_table(pa.BufferReader(content))
    except (pa.ArrowException, OSError) as error:
        raise TableError(
            about(
                path,
                "Expected a Parquet file, got something that cannot be read as one",
                "Export it again.",
            )
        ) from error
    raw = from_frame(table)
    return RawTable(
        file=str(path),
        stem=path.stem,
        names=raw.names,
        columns=raw.columns,
        rows=raw.rows,
    )


def _unreadable(path: Path, error: OSError) -> Finding:
    reason = (error.strerror or str(error)).lower()
    return about(path, f"Expected a readable file, got '{reason}'", "Check the path.")
