"""Files that are there whole or not at all, also after a crash or a loss of power.

A file is written beside its place, flushed to the disk and renamed; the folder is
flushed too, since a name is kept there. Nothing is ever changed in place.
"""

import os
from pathlib import Path

TEMPORARY = ".tmp"


def write_durably(path: Path, content: bytes | memoryview) -> None:
    """Write a file so that a reader sees the old or the new one, also after a crash.

    Args:
        path: Where to; an older file is replaced.
        content: What to write.
    """
    stage(path, content)
    flush_folder(path.parent)


def stage(path: Path, content: bytes | memoryview) -> None:
    """Write one file of several; its name is durable after ``flush_folder``.

    Args:
        path: Where to; an older file is replaced.
        content: What to write.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
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
