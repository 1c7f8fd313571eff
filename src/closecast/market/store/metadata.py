"""Where each row came from: batches, adjustments and conflicts in SQLite.

A batch is written here before the manifest is swapped. What belongs to a generation
beyond the manifest's was never committed: readers do not see it and the next batch
removes it. The manifest holds a hash of all that is committed, chained batch by batch.
"""

import datetime as dt
import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TypeVar

from closecast.market.store.parquet import damaged

NAME = "metadata.sqlite"
T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS batches (
    batch INTEGER PRIMARY KEY, kind TEXT NOT NULL, source TEXT NOT NULL,
    fetched_at TEXT NOT NULL, final_before TEXT NOT NULL, added INTEGER NOT NULL,
    replaced INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS adjustments (
    batch INTEGER NOT NULL, symbol TEXT NOT NULL, date TEXT NOT NULL,
    price_factor REAL NOT NULL, volume_factor REAL NOT NULL);
CREATE TABLE IF NOT EXISTS conflicts (
    batch INTEGER NOT NULL, symbol TEXT NOT NULL, date TEXT NOT NULL,
    what TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS adjustments_of ON adjustments (symbol);
"""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Rows that came together.

    Attributes:
        batch: Its number.
        kind: ``append``, ``refresh`` or ``compact``.
        source: A vendor or a file.
        fetched_at: When they were fetched, in UTC.
        final_before: Sessions before this date were over when they were fetched.
        added: Sessions that were new.
        replaced: Sessions that were not final and got another version.
    """

    batch: int
    kind: str
    source: str
    fetched_at: dt.datetime
    final_before: dt.date
    added: int
    replaced: int


@dataclass(frozen=True, kw_only=True, order=True)
class Adjustment:
    """A split or dividend, as a vendor's changed history tells it.

    Attributes:
        symbol: The symbol.
        date: First session on the new basis.
        price_factor: What earlier prices are multiplied by.
        volume_factor: What earlier volumes are multiplied by.
    """

    symbol: str
    date: dt.date
    price_factor: float
    volume_factor: float


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """New prices that contradict stored ones; the stored ones were kept.

    Attributes:
        symbol: The symbol, of which nothing was taken.
        date: First session in question.
        what: What was expected and what was found.
    """

    symbol: str
    date: dt.date
    what: str

    @property
    def message(self) -> str:
        """The whole sentence."""
        return f"{self.what} (symbol {self.symbol}, {self.date})."


@dataclass(frozen=True)
class Metadata:
    """The database of a store.

    Attributes:
        folder: The store.
    """

    folder: Path

    def record(
        self,
        batch: Batch,
        adjustments: Sequence[Adjustment],
        conflicts: Sequence[Conflict],
    ) -> None:
        """Write a batch; it counts once the manifest is swapped.

        Args:
            batch: The batch.
            adjustments: Factors that were found with it.
            conflicts: What was refused of it.
        """
        number = batch.batch
        with self._open() as base, base:
            base.executescript(_SCHEMA)
            for table in ("batches", "adjustments", "conflicts"):
                # A writer that was killed may have left more than was committed.
                statement = f"DELETE FROM {table} WHERE batch >= ?"  # noqa: S608
                base.execute(statement, (number,))
            base.execute(
                "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    *(number, batch.kind, batch.source, batch.fetched_at.isoformat()),
                    *(batch.final_before.isoformat(), batch.added, batch.replaced),
                ),
            )
            base.executemany(
                "INSERT INTO adjustments VALUES (?, ?, ?, ?, ?)",
                [(number, *_plain(one)) for one in adjustments],
            )
            base.executemany(
                "INSERT INTO conflicts VALUES (?, ?, ?, ?)",
                [(number, *_plain(one)) for one in conflicts],
            )

    def batches(self, generation: int) -> dict[int, Batch]:
        """List the batches.

        Args:
            generation: The manifest's.

        Returns:
            Each by its number.
        """
        rows = self._select("SELECT * FROM batches WHERE batch <= ?", (generation,))
        return {
            row[0]: Batch(
                batch=row[0],
                kind=row[1],
                source=row[2],
                fetched_at=self._read(dt.datetime.fromisoformat, row[3]),
                final_before=self._read(dt.date.fromisoformat, row[4]),
                added=row[5],
                replaced=row[6],
            )
            for row in rows
        }

    def adjustments(
        self, generation: int, symbol: str | None = None
    ) -> tuple[Adjustment, ...]:
        """List the factors.

        Args:
            generation: The manifest's.
            symbol: Only those of this one.

        Returns:
            By symbol and date.
        """
        query = (
            "SELECT symbol, date, price_factor, volume_factor FROM adjustments "
            "WHERE batch <= ?"
        )
        values: tuple[object, ...] = (generation,)
        if symbol is not None:
            query, values = f"{query} AND symbol = ?", (generation, symbol)
        return tuple(
            Adjustment(
                symbol=name,
                date=self._read(dt.date.fromisoformat, date),
                price_factor=price,
                volume_factor=volume,
            )
            for name, date, price, volume in self._select(
                f"{query} ORDER BY symbol, date, batch", values
            )
        )

    def conflicts(self, generation: int) -> tuple[Conflict, ...]:
        """List what was refused.

        Args:
            generation: The manifest's.

        Returns:
            Oldest first.
        """
        return tuple(
            Conflict(
                symbol=symbol,
                date=self._read(dt.date.fromisoformat, date),
                what=what,
            )
            for symbol, date, what in self._select(
                "SELECT symbol, date, what FROM conflicts WHERE batch <= ? "
                "ORDER BY batch, symbol, date",
                (generation,),
            )
        )

    def provenance(self, generation: int, after: int = 0, before: str = "") -> str:
        """Hash all that is committed, or what came after a batch.

        Args:
            generation: The manifest's.
            after: Batches beyond this one only.
            before: Their hash up to that batch.

        Returns:
            SHA-256 in hexadecimal.
        """
        chained = before
        for number in range(after + 1, generation + 1):
            link = hashlib.sha256(chained.encode())
            for table in ("batches", "adjustments", "conflicts"):
                query = f"SELECT * FROM {table} WHERE batch = ?"  # noqa: S608
                rows = self._select(query, (number,))
                link.update(repr(sorted(rows)).encode())
            chained = link.hexdigest()
        return chained

    def check(self) -> list[str]:
        """Let SQLite examine its file.

        Returns:
            What is wrong; nothing if it is whole.
        """
        found = [str(row[0]) for row in self._select("PRAGMA integrity_check", ())]
        return [] if found == ["ok"] else found

    def _read(self, how: Callable[[str], T], text: str) -> T:
        try:
            return how(text)
        except (ValueError, TypeError) as error:
            raise damaged(self.folder / NAME, f"no date in it ({text!r})") from error

    def _select(self, query: str, values: tuple[object, ...]) -> list[tuple]:  # type: ignore[type-arg]
        if not (self.folder / NAME).exists():
            return []
        with self._open() as base:
            return base.execute(query, values).fetchall()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        path = self.folder / NAME
        try:
            with closing(sqlite3.connect(path, timeout=30)) as base:
                base.execute("PRAGMA journal_mode = WAL")
                base.execute("PRAGMA synchronous = FULL")
                yield base
        except (sqlite3.DatabaseError, ValueError) as error:  # or a text is no UTF-8
            raise damaged(path, f"one that SQLite refuses ({error})") from error


def _plain(record: Adjustment | Conflict) -> list[object]:
    return [x.isoformat() if isinstance(x, dt.date) else x for x in astuple(record)]
