"""Rows and symbols as Parquet files, for us and for any other program.

Columns: symbol, date, open, high, low, close, volume, batch. Prices are float64: a
float32 loses cents above a few ten thousand.
"""

import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped

from closecast import durable
from closecast.errors import StoreError
from closecast.market.bars import COLUMNS
from closecast.market.store.rows import Rows, in_order, nothing, ranked
from closecast.market.store.symbols import SymbolTable

BUCKETS = 64

GROUP = 8_192
"""Rows of a row group in a bucket: what one symbol costs to read."""

BULK = 100_000
"""From as many rows on, a delta is divided by bucket, to be compacted in pieces."""

MIXED = -1
"""Bucket of a row group that holds rows of any."""


@dataclass(frozen=True, kw_only=True)
class FileEntry:
    """A Parquet file as the manifest names it.

    Attributes:
        name: Its name in the folder.
        kind: ``bucket`` or ``delta``.
        rows: Rows in it.
        size: Bytes.
        sha256: Of its bytes.
        groups: Bucket of each row group, ``MIXED`` for rows of any.
        footer_sha256: Of its end, which says where what lies; pages have checksums of
            their own. Empty in a file of before it was kept.
    """

    name: str
    kind: str
    rows: int
    size: int
    sha256: str
    groups: tuple[int, ...]
    footer_sha256: str = ""

    @property
    def is_small_delta(self) -> bool:
        """True if it is read as a whole and soon merged with others."""
        return self.kind == "delta" and self.rows < BULK


def buckets_of(names: Shaped[np.ndarray, " name"]) -> Int[np.ndarray, " name"]:
    """Tell where symbols lie.

    Args:
        names: Symbols.

    Returns:
        Bucket of each: it depends on the name alone.
    """
    return np.array([zlib.crc32(str(n).encode()) % BUCKETS for n in names], np.int64)


def groups_of(names: Shaped[np.ndarray, " name"]) -> set[int]:
    """Tell which row groups may hold symbols.

    Args:
        names: Symbols.

    Returns:
        Their buckets, and ``MIXED``.
    """
    return {MIXED, *buckets_of(names).tolist()}


def write_bucket(folder: Path, bucket: int, generation: int, rows: Rows) -> FileEntry:
    """Write all rows of a bucket.

    Args:
        folder: The folder of Parquet files.
        bucket: Its number.
        generation: The generation of the store that begins with it.
        rows: All of it.

    Returns:
        Its entry; the folder is not flushed yet.
    """
    name = f"bucket-{bucket:02}-{generation:08}.parquet"
    slices = [(bucket, slice(at, at + GROUP)) for at in range(0, len(rows), GROUP)]
    return _write(folder / name, "bucket", rows, slices)


def write_delta(folder: Path, generation: int, rows: Rows) -> FileEntry:
    """Write the rows of one batch, or of several that are merged.

    Args:
        folder: The folder of Parquet files.
        generation: The generation of the store that begins with it.
        rows: The rows.

    Returns:
        Its entry; the folder is not flushed yet.
    """
    path = folder / f"delta-{generation:08}.parquet"
    if len(rows) < BULK:
        return _write(path, "delta", rows, [(MIXED, slice(0, len(rows)))])
    buckets = buckets_of(rows.names)[rows.ids]
    order = np.argsort(buckets, kind="stable")
    edges = np.searchsorted(buckets[order], np.arange(BUCKETS + 1))
    slices = [
        (bucket, slice(int(edges[bucket]), int(edges[bucket + 1])))
        for bucket in range(BUCKETS)
        if edges[bucket] < edges[bucket + 1]
    ]
    by_bucket = Rows(
        names=rows.names,
        ids=rows.ids[order],
        dates=rows.dates[order],
        values=rows.values[order],
        batches=rows.batches[order],
    )
    return _write(path, "delta", by_bucket, slices)


def read_rows(
    path: Path, entry: FileEntry, names: Shaped[np.ndarray, " name"] | None = None
) -> Rows:
    """Read a file, or some symbols of it.

    Args:
        path: The file.
        entry: What the manifest says of it.
        names: Symbols to read, ascending; all by default.

    Returns:
        The rows.

    Raises:
        StoreError: The file is damaged.
    """
    wanted = None if names is None else groups_of(names)
    return _read(path, entry, wanted, names)


def read_bucket(path: Path, entry: FileEntry, bucket: int) -> Rows:
    """Read the rows of a bucket in a file.

    Args:
        path: The file.
        entry: What the manifest says of it.
        bucket: The bucket.

    Returns:
        Its rows; of a mixed row group too, with those of other buckets left out.

    Raises:
        StoreError: The file is damaged.
    """
    rows = _read(path, entry, {MIXED, bucket}, None)
    if MIXED not in entry.groups:
        return rows
    return rows.take((buckets_of(rows.names) == bucket)[rows.ids])


def write_symbols(path: Path, symbols: SymbolTable) -> str:
    """Write the table of symbols.

    Args:
        path: Where to.
        symbols: The table.

    Returns:
        SHA-256 of the file.
    """
    import pyarrow as pa  # type: ignore[import-untyped]

    table = pa.table(
        {
            "symbol": pa.array(symbols.names.tolist(), pa.string()),
            "rows": symbols.rows,
            "first": symbols.first.astype("datetime64[D]"),
            "last": symbols.last.astype("datetime64[D]"),
            **{f"sum_{at}": symbols.sums[:, at].copy() for at in range(2)},
        }
    )
    content = _encoded([table])
    durable.stage(path, content)
    return hashlib.sha256(content).hexdigest()


def read_symbols(path: Path, sha256: str) -> SymbolTable:
    """Read the table of symbols.

    Args:
        path: The file.
        sha256: What its bytes must hash to.

    Returns:
        The table.

    Raises:
        StoreError: The file is damaged.
    """  # noqa: DOC501
    import pyarrow as pa
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise damaged(path, "other bytes than those that were written")
    table = pq.read_table(pa.BufferReader(content), use_threads=False)
    columns = {name: table.column(name).to_numpy() for name in table.column_names}
    return SymbolTable(
        names=columns["symbol"].astype(str),
        rows=columns["rows"],
        first=columns["first"].astype("datetime64[D]"),
        last=columns["last"].astype("datetime64[D]"),
        sums=np.stack([columns["sum_0"], columns["sum_1"]], axis=1),
    )


def damaged(path: Path, got: str) -> StoreError:
    """Say that a file of the store cannot be believed.

    Args:
        path: The file.
        got: What was found.

    Returns:
        The error.
    """
    return StoreError(
        f"Expected a whole file, got {got} ({path}). Restore it from a copy, or import "
        "the prices again into another folder."
    )


def _write(
    path: Path, kind: str, rows: Rows, slices: list[tuple[int, slice]]
) -> FileEntry:
    content = _encoded(_table(rows, part) for _, part in slices)
    durable.stage(path, content)
    return FileEntry(
        name=path.name,
        kind=kind,
        rows=len(rows),
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        groups=tuple(bucket for bucket, _ in slices),
        footer_sha256=hashlib.sha256(content[_footer_at(content[-8:]) :]).hexdigest(),
    )


def _footer_at(end: bytes | memoryview) -> int:
    # Counted from the end: the footer, its length and the mark of the format.
    return -int.from_bytes(end[:4], "little") - 8


def _check_footer(path: Path, entry: FileEntry) -> None:
    if not entry.footer_sha256:
        return
    with path.open("rb") as file:
        file.seek(-8, os.SEEK_END)
        length = -_footer_at(file.read(8))
        if length <= entry.size:
            file.seek(-length, os.SEEK_END)
            if hashlib.sha256(file.read()).hexdigest() == entry.footer_sha256:
                return
    raise damaged(path, "other bytes than those that were written")


def _table(rows: Rows, part: slice) -> Any:  # noqa: ANN401
    # With a dictionary of its own: that of all symbols is longer than some parts.
    import pyarrow as pa

    used, ids = ranked(rows.ids[part])
    symbols = pa.DictionaryArray.from_arrays(
        pa.array(ids.astype(np.int32)), pa.array(rows.names[used].tolist(), pa.string())
    )
    values = rows.values[part]
    return pa.table(
        {
            "symbol": symbols,
            "date": rows.dates[part].astype("datetime64[D]"),
            **{name: values[:, at].copy() for at, name in enumerate(COLUMNS)},
            "batch": rows.batches[part].astype(np.int32),
        }
    )


def _encoded(groups: Iterable[Any]) -> memoryview:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    groups = iter(groups)
    first = next(groups)
    with pq.ParquetWriter(
        sink,
        first.schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=["symbol"],
        write_page_checksum=True,
    ) as writer:
        for group in chain([first], groups):
            writer.write_table(group, row_group_size=max(1, len(group)))
    return memoryview(sink.getvalue())


def _read(
    path: Path,
    entry: FileEntry,
    buckets: set[int] | None,
    names: Shaped[np.ndarray, " name"] | None,
) -> Rows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if buckets is not None and buckets.isdisjoint(entry.groups):
        return nothing()
    try:
        _check_footer(path, entry)
        with pq.ParquetFile(
            path, read_dictionary=["symbol"], page_checksum_verification=True
        ) as file:
            groups = [
                at
                for at, bucket in enumerate(entry.groups)
                if (buckets is None or bucket in buckets)
                and (names is None or _may_hold(file, at, names))
            ]
            if not groups:
                return nothing()
            # What is small is read faster by one thread.
            many = len(groups) > len(_FEW)
            table = file.read_row_groups(groups, use_threads=many)
            # a damaged page can name symbols that its dictionary does not have
            table.column("symbol").validate(full=True)
            return _rows(table, names)
    except FileNotFoundError as error:  # Arrow's does not name the file
        raise FileNotFoundError(2, "no such file", str(path)) from error
    except (pa.ArrowException, OSError, ValueError) as error:
        raise damaged(path, f"one that cannot be read ({error})") from error


_FEW = range(4)


def _may_hold(file: Any, group: int, names: Shaped[np.ndarray, " name"]) -> bool:  # noqa: ANN401
    bounds = file.metadata.row_group(group).column(0).statistics
    if bounds is None or not bounds.has_min_max:
        return True
    at = int(np.searchsorted(names, bounds.min))
    return at < len(names) and str(names[at]) <= bounds.max


def _rows(
    table: Any,  # noqa: ANN401
    wanted: Shaped[np.ndarray, " name"] | None,
) -> Rows:
    names, ids = _symbols(table.column("symbol"))
    if wanted is not None:
        keep = np.isin(names, wanted)[ids]
        at = np.flatnonzero(keep)
        if not len(at):
            return nothing()
        if at[-1] - at[0] + 1 == len(at):  # sorted files: one run
            table = table.slice(int(at[0]), len(at))
        else:
            table = table.take(at)
        used, ids = ranked(ids[keep])
        names = names[used]
    values = np.empty((len(ids), len(COLUMNS)))
    for column, name in enumerate(COLUMNS):
        values[:, column] = table.column(name).to_numpy()
    return in_order(
        names,
        ids,
        table.column("date").to_numpy().astype("datetime64[D]"),
        values,
        table.column("batch").to_numpy().astype(np.int64),
    )


def _symbols(column: Any) -> tuple[np.ndarray, np.ndarray]:  # noqa: ANN401
    # Each row group has a dictionary of its own.
    found: list[np.ndarray] = []
    places: list[np.ndarray] = []
    total = 0
    for chunk in _chunks(column):
        found.append(np.array(chunk.dictionary.to_pylist(), dtype=str))
        places.append(chunk.indices.to_numpy().astype(np.int64) + total)
        total += len(found[-1])
    names, where = np.unique(np.concatenate(found), return_inverse=True)
    return names, where[np.concatenate(places)]


def _chunks(column: Any) -> Iterator[Any]:  # noqa: ANN401
    yield from (chunk for chunk in column.chunks if len(chunk))
