"""The index: every run of a machine, and every model ever trained on a data set.

A winner is worth less the more candidates it was chosen from, whichever command
trained them. So the index remembers each model for good, also when its run is
removed. It is a SQLite file with a write-ahead log, so that several processes can
count at once, and it holds no model and no price.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from closecast.errors import SettingError

INDEX_VARIABLE = "CLOSECAST_INDEX"
"""Environment variable that names the index's file."""

WAIT_S = 30.0
"""Seconds that a process waits for another one that writes."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS trials (
    data TEXT NOT NULL, settings TEXT NOT NULL, first_trained TEXT NOT NULL,
    PRIMARY KEY (data, settings)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS runs (
    folder TEXT PRIMARY KEY, config TEXT NOT NULL, data TEXT NOT NULL,
    members INTEGER NOT NULL, started TEXT NOT NULL
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedRun:
    """A run that the index knows.

    Attributes:
        folder: Where it lies, absolute.
        config: Hash of its configuration.
        data: Fingerprint of its prices.
        members: Models that it trains.
        started: When it was first started, UTC, ISO 8601.
    """

    folder: Path
    config: str
    data: str
    members: int
    started: str


def default_index() -> Path:
    """Find the index's file.

    Returns:
        The one that ``CLOSECAST_INDEX`` names, else one in the user's data folder.
    """
    named = os.environ.get(INDEX_VARIABLE)
    if named:
        return Path(named)
    home = os.environ.get("XDG_DATA_HOME") or os.environ.get("LOCALAPPDATA")
    base = Path(home) if home else Path.home() / ".local" / "share"
    return base / "closecast" / "index.sqlite"


class Index:
    """The index in one file.

    Args:
        path: The file, made with its folder if absent; None for ``default_index``.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = default_index() if path is None else Path(path)

    def add_trials(self, data: str, settings: Sequence[str]) -> None:
        """Count models; the same settings on the same prices count once.

        Args:
            data: Fingerprint of the prices.
            settings: Hash of the settings of each model, its seed among them.

        Raises:
            SettingError: The file cannot be used.
        """
        rows = [(data, one, _now()) for one in settings]
        with self._open() as connection:
            connection.executemany(
                "INSERT INTO trials VALUES (?, ?, ?) ON CONFLICT DO NOTHING", rows
            )

    def trials(self, data: str) -> int:
        """Count the models ever trained on some prices.

        Args:
            data: Fingerprint of the prices.

        Returns:
            Their number.

        Raises:
            SettingError: The file cannot be used.
        """
        with self._open() as connection:
            query = "SELECT COUNT(*) FROM trials WHERE data = ?"
            (number,) = connection.execute(query, (data,)).fetchone()
        return int(number)

    def add_run(self, folder: Path, config: str, data: str, members: int) -> None:
        """Remember a run; one that goes on keeps the time it was started.

        Args:
            folder: Where it lies.
            config: Hash of its configuration.
            data: Fingerprint of its prices.
            members: Models that it trains.

        Raises:
            SettingError: The file cannot be used.
        """
        row = (str(folder.resolve()), config, data, members, _now())
        with self._open() as connection:
            connection.execute(
                "INSERT INTO runs VALUES (?, ?, ?, ?, ?) ON CONFLICT (folder) DO "
                "UPDATE SET config = excluded.config, data = excluded.data, "
                "members = excluded.members, started = excluded.started "
                "WHERE config != excluded.config OR data != excluded.data",
                row,
            )

    def runs(self) -> list[IndexedRun]:
        """List the runs, oldest first.

        Returns:
            All that were added and not forgotten, whether or not the folder is there.

        Raises:
            SettingError: The file cannot be used.
        """
        with self._open() as connection:
            rows = connection.execute(
                "SELECT folder, config, data, members, started FROM runs "
                "ORDER BY started, folder"
            ).fetchall()
        return [
            IndexedRun(
                folder=Path(folder),
                config=config,
                data=data,
                members=members,
                started=started,
            )
            for folder, config, data, members, started in rows
        ]

    def forget_run(self, folder: Path) -> None:
        """Drop a run from the list; its models stay counted.

        Args:
            folder: Where it lay.

        Raises:
            SettingError: The file cannot be used.
        """
        with self._open() as connection:
            connection.execute(
                "DELETE FROM runs WHERE folder = ?", (str(folder.resolve()),)
            )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=WAIT_S)) as connection:
                (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
                if mode != "wal":
                    connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(SCHEMA)
                with connection:  # one transaction
                    yield connection
        except (sqlite3.Error, OSError) as error:
            raise SettingError(
                f"Expected an index that can be read and written, got {error} "
                f"({self.path}). Give --index another path, or set {INDEX_VARIABLE}."
            ) from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
