"""Arrays that can be made again: the newest sessions, and the whole panel.

Mapped into memory and named by the content hash, so that a cache of another content
is never read. It gets its name when it is whole. The tail ends in its own SHA-256.
"""

import hashlib
import shutil
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import Int, Shaped

from closecast import durable
from closecast.market.bars import COLUMNS
from closecast.market.store.rows import Rows

TAIL = 64
"""Newest sessions of each symbol that are kept at hand."""

_FOLDER = "cache"
_ROW = np.dtype(
    [
        ("ids", "<i8"),
        ("dates", "<M8[D]"),
        ("values", "<f8", (len(COLUMNS),)),
        ("batches", "<i8"),
    ]
)


def place(store: Path, what: str, content_hash: str) -> Path:
    """Name a cache.

    Args:
        store: The store.
        what: ``tail``, ``panel-float32`` or ``panel-float64``.
        content_hash: Of the store.

    Returns:
        Its path.
    """
    return store / _FOLDER / f"{what}-{content_hash[:32]}"


def save_tail(path: Path, rows: Rows) -> None:
    """Keep rows of every symbol of the store.

    Args:
        path: The place of the tail.
        rows: Some of each symbol.
    """
    table = np.empty(len(rows), _ROW)
    for name in _ROW.names or ():
        table[name] = getattr(rows, name)
    path.parent.mkdir(exist_ok=True)
    content = BytesIO()
    np.save(content, table)
    content.write(hashlib.sha256(content.getbuffer()).digest())
    durable.stage(path, content.getbuffer())


def load_tail(path: Path, names: Shaped[np.ndarray, " name"]) -> Rows | None:
    """Map the tail into memory.

    Args:
        path: Its place.
        names: All symbols of the store.

    Returns:
        The rows; None if they are not there, or not whole.
    """
    try:
        content = np.memmap(path, np.uint8, "r").data
        end = len(content) - hashlib.sha256().digest_size
        if hashlib.sha256(content[:end]).digest() != content[end:]:
            return None
        table = np.load(path, mmap_mode="r")
        return Rows(names=names, **{name: table[name] for name in _ROW.names or ()})
    except (OSError, ValueError, IndexError):  # a cache is made again
        return None


def finish(beside: Path, folder: Path) -> None:
    """Give a folder of arrays its name.

    Args:
        beside: Where it was written.
        folder: Its place; what another process put there meanwhile is the same.

    Raises:
        OSError: It cannot be renamed.
    """
    try:
        beside.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
        shutil.rmtree(beside, ignore_errors=True)
    durable.flush_folder(folder.parent)


def drop_others(store: Path, content_hash: str) -> None:
    """Remove the caches of other contents.

    Args:
        store: The store.
        content_hash: The one that stays.
    """
    folder = store / _FOLDER
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name.endswith(content_hash[:32]):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def newest(rows: Rows, sessions: int) -> Rows:
    """Keep the newest sessions of each symbol.

    Args:
        rows: Rows.
        sessions: Sessions of each, at most.

    Returns:
        These rows.
    """
    return rows.take(newest_positions(rows, sessions))


def newest_positions(rows: Rows, sessions: int) -> Int[np.ndarray, " some"]:
    """Find the newest sessions of each symbol.

    Args:
        rows: Rows.
        sessions: Sessions of each, at most.

    Returns:
        Their positions, ascending.
    """
    ends = rows.offsets[1:]
    starts = np.maximum(rows.offsets[:-1], ends - sessions)
    counts = ends - starts
    before = np.concatenate([[0], np.cumsum(counts)])[:-1]
    return np.asarray(np.arange(counts.sum()) + np.repeat(starts - before, counts))
