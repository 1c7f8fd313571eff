"""Files that are there whole or not at all, also after a crash or a loss of power.

A file is written beside its place, flushed to the disk and renamed; the folder is
flushed too, since a name is kept there. Nothing is ever changed in place.

A sealed document is JSON that holds its own SHA-256: one bit that differs is seen.
"""

import errno
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from closecast.errors import DiskError

TEMPORARY = ".tmp"

FULL = {errno.ENOSPC, errno.EDQUOT}
"""What a system says where a disk, or a user's share of it, is full."""

SEAL = "sha256"
"""Name of a sealed document's hash, its last key."""


def write_durably(path: Path, content: bytes | memoryview) -> None:
    """Write a file so that a reader sees the old or the new one, also after a crash.

    Args:
        path: Where to; an older file is replaced.
        content: What to write.

    Raises:
        DiskError: The disk is full; an older file is still there.
    """
    stage(path, content)
    flush_folder(path.parent)


def stage(path: Path, content: bytes | memoryview, *, flush: bool = True) -> None:
    """Write one file of several; its name is durable after ``flush_folder``.

    Args:
        path: Where to; an older file is replaced.
        content: What to write.
        flush: Whether it has to outlast a loss of power.

    Raises:
        DiskError: The disk is full; an older file is still there.
        OSError: The file cannot be written for another reason.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            if flush:
                os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise DiskError(
            f"Expected room for {len(content):,} bytes on the disk, got: "
            f"{error.strerror} ({path}). Make room: what was written before is whole, "
            "and the same command goes on from it."
        ) from error
    finally:
        beside.unlink(missing_ok=True)


def flush_folder(folder: Path) -> None:
    """Flush the names of a folder.

    Args:
        folder: An existing folder.
    """
    if os.name == "nt":  # Windows flushes names with the rename, and opens no folder
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_tree(folder: Path) -> None:
    """Flush every file and every name under a folder that was copied.

    Args:
        folder: An existing folder.
    """
    for path in folder.rglob("*"):
        if path.is_dir():
            flush_folder(path)
        else:
            with path.open("r+b") as file:
                os.fsync(file.fileno())
    flush_folder(folder)


def sealed(document: Mapping[str, Any]) -> bytes:
    """Write a document as JSON that holds its own hash.

    Args:
        document: Plain values.

    Returns:
        One line of JSON without an end.
    """
    digest = hashlib.sha256(_compact(document)).hexdigest()
    return _compact({**document, SEAL: digest})


def unsealed(content: bytes) -> dict[str, Any] | None:
    """Read what ``sealed`` wrote.

    Args:
        content: The bytes.

    Returns:
        The document without its hash; None if the bytes are not those that were
        written.
    """
    try:
        document = json.loads(content)
    except ValueError:  # no JSON, or no UTF-8
        return None
    if not isinstance(document, dict):
        return None
    document.pop(SEAL, None)
    return document if sealed(document) == content else None


def _compact(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
