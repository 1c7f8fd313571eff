"""The migrations make the tables that the code reads."""

import sqlite3
from contextlib import closing

import numpy as np
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from closecast.errors import LedgerError
from closecast.evaluation.conformal import MEDIAN, Promise
from closecast.serving.ledger import Ledger
from closecast.serving.ledger.adaptation import keep_promise
from closecast.serving.ledger.database import MIGRATIONS
from closecast.serving.ledger.migrations import SCHEMA
from closecast.serving.ledger.tables import metadata


def test_the_newest_migration_is_the_version_that_the_code_knows():
    """A migration that is forgotten in the code would run at every opening."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))

    assert ScriptDirectory.from_config(config).get_current_head() == SCHEMA


def test_the_migrations_make_the_tables(ledger: Ledger):
    """Alembic finds no difference between a migrated database and the tables."""
    with ledger.database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})

        assert compare_metadata(context, metadata) == []


def test_opening_again_keeps_identity_and_rows(ledger: Ledger, place, market):
    """A ledger is made once."""
    market.run(ledger, range(-1, 0))

    with Ledger.open(place) as again:
        assert again.head == ledger.head


def test_an_older_ledger_is_sealed_when_it_is_opened(ledger: Ledger, place, market):
    """Scores of before get the hashes that they would have got, and are counted."""
    market.run(ledger, range(-3, 0))
    with ledger.database.writing() as connection:
        promise = Promise(coverage=np.full((5, MEDIAN), 0.5))
        keep_promise(connection, "a" * 64, promise, market.evening(-1))
    before = [past.scores for past in ledger.entries()]
    with ledger.database.writing() as connection:
        for table in ("scores", "replaced_scores", "promises"):
            connection.execute(sa.text(f"ALTER TABLE {table} DROP COLUMN hash"))
        connection.execute(sa.text("DROP TABLE tallies"))
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0002'"))

    with Ledger.open(place, receipts=ledger.receipts) as again:
        assert [past.scores for past in again.entries()] == before
        assert again.verify() == ()
        assert again.score(market.bars, market.evening(-1)).corrected == 0


def test_a_newer_ledger_is_refused(tmp_path):
    """An older closecast does not guess at tables that it does not know."""
    place = tmp_path / "ledger.sqlite"
    Ledger.open(place).close()
    with closing(sqlite3.connect(place)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(LedgerError, match=r"version 0\d+ at most, got 9999"):
        Ledger.open(place)


def test_an_empty_database_is_no_ledger_for_a_reader(database):
    """Who only reads makes no tables."""
    with pytest.raises(LedgerError, match=r"got an empty database"):
        Ledger.open(database, create=False)

    engine = sa.create_engine(database.replace("postgresql:", "postgresql+pg8000:"))
    assert sa.inspect(engine).get_table_names() == []
    engine.dispose()


def test_what_is_committed_is_on_the_disk(tmp_path):
    """SQLite runs with a write-ahead log and waits for the disk."""
    with (
        Ledger.open(tmp_path / "ledger.sqlite") as ledger,
        ledger.database.reading() as connection,
    ):
        modes = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]

    assert modes == ["wal", 2, 1]
