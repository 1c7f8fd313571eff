"""One writer at a time; who waits too long is told who writes.

The lock is the operating system's: it ends with its process, however that ends.
"""

import datetime as dt
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from closecast.errors import StoreBusyError

LOCK, HOLDER = "writer.lock", "writer.json"


@contextmanager
def writing(folder: Path, wait_s: float) -> Iterator[None]:
    """Be the only writer.

    Args:
        folder: The store.
        wait_s: Seconds to wait for another writer.

    Yields:
        Nothing; the lock is held until the end.

    Raises:
        StoreBusyError: Another writer held it all that time.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK, timeout=wait_s)
    try:
        lock.acquire()
    except Timeout as error:
        raise StoreBusyError(
            f"Expected to be the only writer, got another one: {_holder(folder)} "
            f"({folder}). Wait until it ends; reading is possible meanwhile."
        ) from error
    try:
        since = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        text = json.dumps({"pid": os.getpid(), "since": since})
        (folder / HOLDER).write_text(text)
        yield
    finally:
        lock.release()


def _holder(folder: Path) -> str:
    try:
        holder = json.loads((folder / HOLDER).read_text())
        return f"process {holder['pid']}, writing since {holder['since']}"
    except (OSError, ValueError, KeyError):
        return "a process that has just begun"
