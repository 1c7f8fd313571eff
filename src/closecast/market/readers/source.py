"""From a path or a dataframe to columns, before anybody asks what they mean.

Text files are taken as text, so that a code keeps its leading zeros and a price
is converted in one place. Nothing is checked here but that there is a table.
"""

import codecs
import csv
import gzip
import io
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from closecast.market.findings import Finding, TableError
from closecast.market.readers.cells import Cells
from closecast.market.readers.format import (
    COMMENTS,
    NO_HINTS,
    Format,
    Hints,
    Lines,
    roles_in,
)
from closecast.market.readers.formats import DEEPEST, PLAIN, recognise

TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
PARQUET_SUFFIXES = (".parquet", ".pq")
PACKED_SUFFIXES = (*(f"{s}.gz" for s in TEXT_SUFFIXES), ".zip")
SUFFIXES = (*TEXT_SUFFIXES, *PACKED_SUFFIXES, *PARQUET_SUFFIXES)
_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE = 20_000
"""Characters that tell what divides the cells."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RawTable:
    """Columns as their vendor wrote them.

    Attributes:
        file: Path of the file; empty for a dataframe.
        stem: Name of the file without its suffixes, or ``series``.
        names: Header.
        columns: Cells of each column.
        rows: What a finding calls each row, see ``Finding``.
        ragged: Findings of rows that have more or fewer cells than the header;
            these rows are not in the columns.
        format: How its vendor writes.
        delimiter: What divides the cells of a text file; empty elsewhere.
    """

    file: str
    stem: str
    names: tuple[str, ...]
    columns: tuple[Cells, ...]
    rows: Int[np.ndarray, " row"]
    ragged: tuple[Finding, ...] = field(default=())
    format: Format = PLAIN
    delimiter: str = ""

    def take(self, keep: Bool[np.ndarray, " row"]) -> "RawTable":
        """Keep some of the rows.

        Args:
            keep: True for a row that stays.

        Returns:
            These rows.
        """
        at = np.flatnonzero(keep).tolist()
        columns = tuple(
            column[keep]
            if isinstance(column, np.ndarray)
            else [column[row] for row in at]
            for column in self.columns
        )
        return replace(self, columns=columns, rows=self.rows[keep])


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
            _about(
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
            _about(
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
            _about(
                path,
                "Expected a table with a header, got an empty file",
                "Export it again.",
            )
        )
    is_parquet = name.endswith(PARQUET_SUFFIXES)
    return _parquet(path, content) if is_parquet else _text(path, content, hints)


def from_frame(frame: Any) -> RawTable:  # noqa: ANN401
    """Take the columns of a dataframe.

    Args:
        frame: Whatever narwhals knows: pandas, polars, pyarrow and more.

    Returns:
        Its columns; a pandas index with a name or of dates becomes a column.

    Raises:
        TableError: It is no dataframe.
    """
    import narwhals as nw

    if nw.dependencies.is_pandas_dataframe(frame):
        frame = _with_index(frame)
    try:
        table = nw.from_native(frame)
        names = tuple(str(name) for name in table.collect_schema())
    except nw.exceptions.DuplicateError as error:
        raise TableError(
            Finding(
                file="",
                what=f"Expected columns of different names, got {list(frame.columns)}",
                remedy="Drop the copies.",
            )
        ) from error
    except TypeError as error:
        raise TableError(
            Finding(
                file="",
                what="Expected a path or a pandas, polars or pyarrow dataframe, got "
                f"{type(frame).__name__}",
                remedy="Convert it to one of these.",
            )
        ) from error
    eager = table.collect() if isinstance(table, nw.LazyFrame) else table
    return RawTable(
        file="",
        stem="series",
        names=names,
        columns=tuple(_cells(series) for series in eager.iter_columns()),
        rows=np.arange(len(eager)),
    )


def _with_index(frame: Any) -> Any:  # noqa: ANN401
    import pandas as pd

    frame = frame.set_axis([_flat(name) for name in frame.columns], axis="columns")
    if isinstance(frame.index, pd.DatetimeIndex) and frame.index.name is None:
        return frame.rename_axis("date").reset_index()
    named = [
        name
        for name in frame.index.names
        if name is not None and name not in frame.columns
    ]
    return frame.reset_index(level=named) if named else frame


def _flat(name: object) -> str:
    return "/".join(map(str, name)) if isinstance(name, tuple) else str(name)


def _cells(series: Any) -> Cells:  # noqa: ANN401
    import narwhals as nw

    dtype = series.dtype
    if isinstance(dtype, nw.Datetime):
        naive = series if dtype.time_zone is None else series.dt.replace_time_zone(None)
        return np.asarray(naive.to_numpy())
    if dtype.is_float() or (dtype.is_integer() and series.null_count() == 0):
        return np.asarray(series.to_numpy())
    return list(series.to_list())


def _parquet(path: Path, content: bytes) -> RawTable:
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    try:
        table = pq.read_table(pa.BufferReader(content))
    except (pa.ArrowException, OSError) as error:
        raise TableError(
            _about(
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


def _text(path: Path, content: bytes, hints: Hints) -> RawTable:
    name, plain = _unpacked(path, content)
    text = _without_comments(_decoded(path, plain))
    delimiter = _delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        lines = [
            (reader.line_num, cells)
            for cells in reader
            if cells and (cells[0] or any(cells))
        ]
    except csv.Error as error:
        raise TableError(
            _about(
                path,
                f"Expected text in columns, got {error} near row {reader.line_num}",
                "Check the quotes there, or export the file again.",
            )
        ) from error
    if not lines:
        raise TableError(
            _about(
                path,
                "Expected a table with a header, got blank lines",
                "Export it again.",
            )
        )
    if hints.columns is not None:
        lines = [(0, list(hints.columns)), *lines]
    found = recognise(lines)
    if found.headless:
        raise TableError(_headless(path, found.lines[0]))
    raw = _split(path, found.lines)
    return replace(raw, stem=Path(name).stem, format=found.format, delimiter=delimiter)


def _split(path: Path, lines: Lines) -> RawTable:
    names = tuple(name.strip() for name in lines[0][1])
    width = len(names)
    whole = [cells for _, cells in lines[1:] if len(cells) == width]
    ragged = tuple(
        Finding(
            file=str(path),
            row=line,
            what=f"Expected {width} cells as in the header, got {len(cells)}",
            remedy="Repair or drop this row; decimal commas need another delimiter.",
        )
        for line, cells in lines[1:]
        if len(cells) != width
    )
    columns = [list(column) for column in zip(*whole, strict=True)]
    return RawTable(
        file=str(path),
        stem=path.stem,
        names=names,
        columns=tuple(columns or [[] for _ in names]),
        rows=np.array([n for n, cells in lines[1:] if len(cells) == width], np.int64),
        ragged=ragged,
    )


def _headless(path: Path, first: tuple[int, list[str]]) -> Finding:
    line, cells = first
    return Finding(
        file=str(path),
        row=line,
        what="Expected a header that names the columns, got a bar "
        f"({', '.join(cells[:3])} ...)",
        remedy="Write date,open,high,low,close,volume, in the order of the file and "
        "with a name for every column, into the first line, or give columns=.",
    )


def _unpacked(path: Path, content: bytes) -> tuple[str, bytes]:
    # Name and bytes of the one table that a packed file holds.
    if content[:2] == b"\x1f\x8b":
        name = path.name[:-3] if path.name.lower().endswith(".gz") else path.name
        return name, _gunzipped(path, content)
    if content[:4] == b"PK\x03\x04" and path.name.lower().endswith(".zip"):
        return _unzipped(path, content)
    return path.name.removesuffix(".gz"), content


def _gunzipped(path: Path, content: bytes) -> bytes:
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise TableError(
            _about(path, "Expected a gzip file, got a damaged one", "Fetch it again.")
        ) from error


def _unzipped(path: Path, content: bytes) -> tuple[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            tables = [
                name
                for name in archive.namelist()
                if name.lower().endswith(TEXT_SUFFIXES)
                and not name.startswith("__MACOSX")
            ]
            if len(tables) == 1:
                return Path(tables[0]).name, archive.read(tables[0])
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError) as error:
        raise TableError(
            _about(path, "Expected a zip file, got a damaged one", "Fetch it again.")
        ) from error
    except (RuntimeError, NotImplementedError) as error:
        raise TableError(
            _about(
                path,
                "Expected a zip file without a password, got one that cannot be opened",
                "Unpack it.",
            )
        ) from error
    raise TableError(
        _about(
            path,
            f"Expected a zip file with one table, got {len(tables)}",
            "Unpack it and read the folder.",
        )
    )


def _decoded(path: Path, plain: bytes) -> str:
    wide = plain[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}
    for encoding in ("utf-16",) if wide else ("utf-8-sig", "cp949"):
        try:
            text = plain.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise TableError(
        _about(
            path,
            "Expected text in UTF-8 or CP949, got other bytes",
            "Export it as CSV in UTF-8.",
        )
    )


def _without_comments(text: str) -> str:
    # Comments above the table become blank lines, so that rows keep their numbers.
    # A header behind a comment sign is a header.
    start, kept = 0, []
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        line = text[start:end].strip()
        if line and not line.startswith(COMMENTS):
            break
        bare = line.lstrip("#/ ")
        cells = next(([*bare.split(d)] for d in _DELIMITERS if d in bare), [])
        kept.append(f"{bare}\n" if {"date", "close"} <= roles_in(cells) else "\n")
        start = end
    return "".join(kept) + text[start:]


def _delimiter(text: str) -> str:
    # The one that divides most lines into the same number of cells.
    lines = [line for line in text[:_SAMPLE].splitlines() if line.strip()][:DEEPEST]

    def agreement(delimiter: str) -> tuple[int, int]:
        counts = Counter(n for line in lines if (n := line.count(delimiter)))
        return max(((lines_, n) for n, lines_ in counts.items()), default=(0, 0))

    header = {d: lines[0].count(d) for d in _DELIMITERS} if lines else {}
    if lines and {"date", "close"} <= roles_in(
        lines[0].split(max(header, key=lambda d: header[d]))
    ):
        return max(_DELIMITERS, key=lambda d: header[d])
    return max(_DELIMITERS, key=agreement)


def _unreadable(path: Path, error: OSError) -> Finding:
    reason = (error.strerror or str(error)).lower()
    return _about(path, f"Expected a readable file, got '{reason}'", "Check the path.")


def _about(path: Path, what: str, remedy: str) -> Finding:
    return Finding(file=str(path), what=what, remedy=remedy)
