"""The database under a ledger: SQLite in a file, or PostgreSQL by its URL.

A writer holds the only lock for the length of its transaction, so that two of them
never read the same head. What is committed is on the disk.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    SQLAlchemyError,
)

from closecast.errors import ClosecastError, LedgerAwayError, LedgerError
from closecast.serving.ledger.migrations import SCHEMA
from closecast.serving.ledger.tables import ledgers

MIGRATIONS = Path(__file__).parent / "migrations"

WAIT_S = 30.0
"""Seconds that a writer waits for another one."""

AWAY_CODES = ("08", "57P")
"""PostgreSQL's classes of lost connections, and of a server that stops or starts."""

WRITERS_LOCK = 0x636C6F7365
"""Key of PostgreSQL's advisory lock: "close" in ASCII."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Database:
    """An open database.

    Attributes:
        engine: Where connections come from.
        name: What messages call it; no password is in it.
        file: The file of SQLite; None for a server.
    """

    engine: Engine
    name: str
    file: Path | None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Read from one state of the database.

        Yields:
            A connection, in a transaction.

        Raises:
            LedgerError: The database does not answer, or what it holds is no row.
        """
        with self._told(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Be the only writer until the end, where all is committed or nothing.

        Yields:
            A connection, in a transaction.

        Raises:
            LedgerError: The database does not answer, or what it holds is no row.
        """
        engine = self.engine.execution_options(writes=True)
        with self._told(), engine.begin() as connection:
            if self.file is None:
                lock = sa.func.pg_advisory_xact_lock(WRITERS_LOCK)
                connection.execute(sa.select(lock))
            yield connection

    def broken_pages(self, connection: Connection) -> Iterator[str]:
        """Have the database look through its own file.

        Args:
            connection: A connection of it.

        Yields:
            A sentence for each thing that SQLite finds; a server looks after its own.
        """
        if self.file is None:
            return
        for finding in connection.exec_driver_sql(
            "PRAGMA integrity_check(5)"
        ).scalars():
            if finding != "ok":
                yield f"SQLite finds the file damaged: {finding}."

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except ClosecastError:
            raise
        except ValueError as error:  # no date, no UTF-8: the file was damaged
            raise LedgerError(
                f"Expected rows as they were written, got {error} ({self.name}). "
                "Restore the ledger from a copy."
            ) from error
        except SQLAlchemyError as error:
            reason = str(getattr(error, "orig", None) or error).splitlines()[0]
            away = self.file is None and _is_away(error)
            raise (LedgerAwayError if away else LedgerError)(
                f"Expected a ledger that answers, got {reason} ({self.name}). Look "
                "whether it is there, can be written and is not busy, and try again."
            ) from error


def connect(place: str | Path, *, create: bool) -> Database:
    """Open a database and bring its tables to the newest version.

    Args:
        place: A file of SQLite, ``sqlite:///FILE`` or ``postgresql://USER@HOST/NAME``.
        create: Whether tables are made where there are none, and old ones migrated;
            otherwise a database that is not ready is refused.

    Returns:
        The database.

    Raises:
        LedgerError: It is missing, does not answer, or is of another version.
    """
    database = _opened(place)
    if not create and database.file is not None and not database.file.is_file():
        raise LedgerError(
            f"Expected a ledger, got no such file ({database.file}). Record a forecast "
            "first: closecast daily."
        )
    try:
        with database.reading() as connection:
            found = _version(connection)
        if found != SCHEMA:
            _require_migratable(found, database, create=create)
            migrate(database)
    except LedgerError:
        database.close()
        raise
    return database


def migrate(database: Database) -> None:
    """Bring the tables to the newest version, as the only writer.

    Args:
        database: The database.

    Raises:
        LedgerError: The database does not answer.
    """
    from alembic import command
    from alembic.config import Config

    with database.writing() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if connection.execute(sa.select(ledgers.c.id)).first() is None:
            row = {"id": secrets.token_hex(16), "created_at": _now()}
            connection.execute(ledgers.insert(), [row])


def _opened(place: str | Path) -> Database:
    if isinstance(place, str) and "://" in place:
        return _by_url(place)
    return _sqlite(Path(place))


def _by_url(place: str) -> Database:
    try:
        url = sa.make_url(place)
    except ArgumentError as error:
        raise _unknown(place) from error
    kind = url.get_backend_name()
    if kind == "sqlite" and url.database:
        return _sqlite(Path(url.database))
    if kind not in {"postgresql", "postgres"}:
        raise _unknown(place)
    url = url.set(drivername="postgresql+pg8000")
    engine = sa.create_engine(url, pool_pre_ping=True)
    return Database(engine=engine, name=url.render_as_string(), file=None)


def _sqlite(file: Path) -> Database:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerError(
            f"Expected a place for the ledger, got {error.strerror} ({file.parent}). "
            "Choose another."
        ) from error
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(file)), connect_args={"timeout": WAIT_S}
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return Database(engine=engine, name=str(file), file=file)


def _prepare_sqlite(connection: Any, _: object) -> None:  # noqa: ANN401  the driver's
    connection.isolation_level = None  # transactions begin as _begin_sqlite says
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _version(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    query = sa.text("SELECT version_num FROM alembic_version")
    return connection.execute(query).scalar()


def _require_migratable(found: str | None, database: Database, *, create: bool) -> None:
    if found is not None and found > SCHEMA:
        raise LedgerError(
            f"Expected a ledger of version {SCHEMA} at most, got {found} "
            f"({database.name}). Use the version of closecast that wrote it."
        )
    if not create:
        raise LedgerError(
            f"Expected a ledger of version {SCHEMA}, got {found or 'an empty database'}"
            f" ({database.name}). Open it once for writing: closecast daily."
        )


def _is_away(error: SQLAlchemyError) -> bool:
    # no connection, one that broke, or a server that starts or stops
    if not isinstance(error, DBAPIError):
        return False
    said = error.orig.args[0] if error.orig is not None and error.orig.args else None
    code = str(said.get("C", "")) if isinstance(said, dict) else ""
    broken = error.connection_invalidated or isinstance(error, InterfaceError)
    return broken or code.startswith(AWAY_CODES)


def _unknown(place: str) -> LedgerError:
    return LedgerError(
        f"Expected the path of a file or postgresql://USER@HOST/NAME, got {place!r}. "
        "Write it so."
    )


def _now() -> str:
    from datetime import UTC, datetime

    from closecast.serving.ledger.chain import written

    return written(datetime.now(UTC))
