"""API keys: random, shown once, and kept as their SHA-256 alone.

A key holds 256 random bits, so that a plain hash of it cannot be turned back; slow
hashes are for words that people choose. The file is read again when it changes: a
revoked key is refused by the next request.
"""

import hashlib
import hmac
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from closecast.durable import write_durably
from closecast.errors import SettingError

VARIABLE = "CLOSECAST_KEYS"
"""Environment variable that names the file of keys."""

PREFIX = "cc_"
"""What a key begins with, so that a leaked one is recognised for what it is."""

DAYS = 90
"""Days that a key lives unless told otherwise."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
LOCK_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What is kept of a key.

    Attributes:
        name: Who has it.
        sha256: SHA-256 of it.
        created: When it was made, UTC, ISO 8601.
        expires: From when on it is refused.
    """

    name: str
    sha256: str
    created: str
    expires: str


class Clock:
    """The time of day, which never goes back.

    A machine's clock may be set back; a key that has expired stays so.

    Args:
        read: What tells the time, in seconds since 1970.
    """

    def __init__(self, read: Callable[[], float] = time.time) -> None:
        self._read, self._latest, self._lock = read, 0.0, threading.Lock()

    def now(self) -> datetime:
        """Tell the time.

        Returns:
            The latest time that was ever seen, UTC.
        """
        with self._lock:
            self._latest = max(self._latest, self._read())
            return datetime.fromtimestamp(self._latest, UTC)

    def see(self, moment: str) -> None:
        """Learn that a moment has been.

        Args:
            moment: ISO 8601.
        """
        with self._lock:
            seen = datetime.fromisoformat(moment).timestamp()
            self._latest = max(self._latest, seen)


def default_keys() -> Path:
    """Find the file of keys.

    Returns:
        The one that ``CLOSECAST_KEYS`` names, else one in the user's data folder.
    """
    from platformdirs import user_data_path

    named = os.environ.get(VARIABLE)
    return (
        Path(named) if named else user_data_path("closecast", appauthor=False) / "keys"
    )


def new_token() -> str:
    """Draw a key.

    Returns:
        256 random bits in letters and digits.
    """
    return PREFIX + secrets.token_urlsafe(32)


def sha256_of(token: str) -> str:
    """Hash a key.

    Args:
        token: The key.

    Returns:
        Its SHA-256 in hexadecimal.
    """
    return hashlib.sha256(token.encode()).hexdigest()


class KeyRing:
    """The keys of a server.

    Args:
        path: The file, made by the first ``add``.
        clock: What tells the time.
    """

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        self.path, self.clock = path, clock or Clock()
        self._stamp: tuple[int, int] | None = None
        self._known: tuple[Key, ...] = ()
        self._of_this_start: list[Key] = []

    def add(self, name: str, days: float = DAYS) -> tuple[str, Key]:
        """Make a key.

        Args:
            name: Who will have it; letters, digits, dots, dashes.
            days: Days until it expires.

        Returns:
            The key itself, which is kept nowhere, and what is kept of it.

        Raises:
            SettingError: The name is taken or cannot be one, or the days are none.
        """
        _require_name(name)
        if not 0 < days <= 3650:  # noqa: PLR2004  ten years
            raise SettingError(
                f"Expected days above 0 and up to 3650, got {days:g}. Choose fewer; a "
                "new key can be made at any time."
            )
        with self._changing() as keys:
            if any(key.name == name for key in keys):
                raise SettingError(
                    f"Expected a new name, got {name!r}, which has a key ({self.path})."
                    " Revoke it first, or choose another name."
                )
            token, key = self._made(name, days)
            keys.append(key)
        return token, key

    def add_for_now(self, name: str, days: float) -> str:
        """Make a key that only this process knows.

        Args:
            name: What logs call it.
            days: Days until it expires.

        Returns:
            The key.
        """
        token, key = self._made(name, days)
        self._of_this_start.append(key)
        return token

    def revoke(self, name: str) -> None:
        """Refuse a key from now on.

        Args:
            name: Who has it.

        Raises:
            SettingError: Nobody of that name has one.
        """
        with self._changing() as keys:
            left = [key for key in keys if key.name != name]
            if len(left) == len(keys):
                names = ", ".join(key.name for key in keys) or "none"
                raise SettingError(
                    f"Expected the name of a key ({names}), got {name!r} "
                    f"({self.path}). See: closecast serve keys list."
                )
            keys[:] = left

    def listed(self) -> list[Key]:
        """List the keys of the file.

        Returns:
            What is kept of each, oldest first.

        Raises:
            SettingError: The file cannot be read.
        """
        return list(self._read())

    def find(self, token: str) -> Key | None:
        """Find whose key it is, expired or not, in the same time for every key.

        Args:
            token: What was given as a key.

        Returns:
            The key; None if it is nobody's.
        """
        digest, found = sha256_of(token), None
        for key in (*self._read(), *self._of_this_start):
            if hmac.compare_digest(key.sha256, digest):
                found = key
        return found

    def named(self, name: str) -> Key | None:
        """Find a key by its name.

        Args:
            name: Who has it.

        Returns:
            The key; None if it was revoked.
        """
        known = (*self._read(), *self._of_this_start)
        return next((key for key in known if key.name == name), None)

    def expired(self, key: Key) -> bool:
        """Tell whether a key is too old.

        Args:
            key: The key.

        Returns:
            Whether it is.
        """
        return self.clock.now() >= datetime.fromisoformat(key.expires)

    def _made(self, name: str, days: float) -> tuple[str, Key]:
        token, now = new_token(), self.clock.now()
        key = Key(
            name=name,
            sha256=sha256_of(token),
            created=now.isoformat(timespec="seconds"),
            expires=(now + timedelta(days=days)).isoformat(timespec="seconds"),
        )
        return token, key

    def _read(self) -> tuple[Key, ...]:
        try:
            status = self.path.stat()
        except OSError:
            self._stamp, self._known = None, ()
            return ()
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp != self._stamp:
            self._known, self._stamp = _keys_in(self.path), stamp
            for key in self._known:
                self.clock.see(key.created)
        return self._known

    @contextmanager
    def _changing(self) -> Iterator[list[Key]]:
        from filelock import FileLock, Timeout

        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(f"{self.path}.lock", timeout=LOCK_S):
                keys = list(self._read())
                yield keys
                text = json.dumps([asdict(key) for key in keys], indent=2) + "\n"
                write_durably(self.path, text.encode())
                self.path.chmod(0o600)
        except Timeout as error:
            raise SettingError(
                f"Expected a file of keys that no other process changes, got one in "
                f"use ({self.path}). Wait for it."
            ) from error


def _keys_in(path: Path) -> tuple[Key, ...]:
    try:
        return tuple(Key(**one) for one in json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise SettingError(
            f"Expected a file of keys, got one that cannot be read ({path}: {error}). "
            "Restore it, or delete it and make new keys."
        ) from error


def _require_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise SettingError(
            f"Expected a name of letters, digits, dots, dashes and underscores, up to "
            f"64, got {name!r}. Choose one such as laptop."
        )
