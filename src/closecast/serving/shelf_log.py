"""The shelf's log: what was put on it, promoted and rolled back, when and why.

One JSON object a line, appended and flushed. Each line holds the SHA-256 of the line
before it and its own, so that a line that was changed, dropped or slipped in is seen.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from closecast.durable import flush_folder, sealed, unsealed
from closecast.errors import IntegrityError

Action = Literal["add", "promote", "rollback"]

START = "0" * 64
"""What the first line holds in place of an earlier line's hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line.

    Attributes:
        number: Its place, from 1.
        at: When, UTC, ISO 8601.
        action: What was done.
        version: The version that was added, or that serves from now on.
        reason: Why.
        manifest_sha256: SHA-256 of the added version's manifest; empty otherwise.
        previous: SHA-256 of the line before.
    """

    number: int
    at: str
    action: Action
    version: int
    reason: str
    manifest_sha256: str
    previous: str

    @property
    def line(self) -> bytes:
        """The line, sealed, without its end."""
        return sealed(asdict(self))

    @property
    def sha256(self) -> str:
        """SHA-256 of the line."""
        return hashlib.sha256(self.line).hexdigest()


def read(path: Path) -> list[Entry]:
    """Read a log and check that every line follows from the one before.

    Args:
        path: The file.

    Returns:
        Its entries, oldest first; none where there is no file. A last line without an
        end was cut off while it was written: it never counted.

    Raises:
        IntegrityError: A line is damaged, or does not follow from the one before.
    """  # noqa: DOC501  _damaged gives an IntegrityError
    if not path.exists():
        return []
    *lines, rest = path.read_bytes().split(b"\n")
    if unsealed(rest[:-1]) is not None:  # whole, but for the end of the line
        lines.append(rest)
    entries: list[Entry] = []
    for line in lines:
        entry = _parsed(line, path, len(entries) + 1)
        expected = entries[-1].sha256 if entries else START
        if entry.previous != expected or entry.number != len(entries) + 1:
            raise _damaged(path, len(entries) + 1)
        entries.append(entry)
    return entries


def append(
    path: Path,
    entries: Sequence[Entry],
    action: Action,
    version: int,
    reason: str,
    manifest_sha256: str = "",
) -> Entry:
    """Append an entry and flush it to the disk.

    Args:
        path: The file.
        entries: What ``read`` gave, under the same lock.
        action: What was done.
        version: The version.
        reason: Why.
        manifest_sha256: As in ``Entry``.

    Returns:
        The entry.
    """
    entry = Entry(
        number=len(entries) + 1,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        action=action,
        version=version,
        reason=reason,
        manifest_sha256=manifest_sha256,
        previous=entries[-1].sha256 if entries else START,
    )
    with path.open("a+b") as file:
        file.truncate(_whole_length(path))
        file.write(entry.line + b"\n")
        file.flush()
        os.fsync(file.fileno())
    flush_folder(path.parent)
    return entry


def _whole_length(path: Path) -> int:
    return path.read_bytes().rfind(b"\n") + 1


def _parsed(line: bytes, path: Path, number: int) -> Entry:
    values = unsealed(line)
    if values is None:
        raise _damaged(path, number)
    return Entry(**values)


def _damaged(path: Path, number: int) -> IntegrityError:
    return IntegrityError(
        f"Expected a log as it was written, got another content ({path}, line "
        f"{number}). Restore the file; do not serve from this shelf before."
    )
