"""Whoever changes a ledger is seen, also when its own guards were taken away."""

import re
import shutil
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import sqlalchemy as sa

from closecast.errors import LedgerError
from closecast.evaluation.conformal import MEDIAN, Promise
from closecast.serving.ledger import Head, Ledger
from closecast.serving.ledger.adaptation import keep_promise, newest_promise
from closecast.serving.ledger.receipts import read_receipts
from closecast.serving.ledger.rows import score_of
from closecast.serving.ledger.seals import score_hash
from closecast.serving.ledger.tables import BYTES, forecasts, promises, scores, tallies


def tamper(ledger: Ledger, *statements: str) -> None:
    """Do what an owner of the database can do, all guards taken away."""
    file = ledger.database.file
    if file is not None:
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            for verb in ("update", "delete"):
                connection.execute(f"DROP TRIGGER append_only_{verb}")
            for statement in statements:
                connection.execute(statement)
        return
    with ledger.database.engine.begin() as connection:
        unguarded = "SET LOCAL session_replication_role = replica"
        for statement in (unguarded, *statements):
            connection.execute(sa.text(statement))


@pytest.fixture
def filled(ledger: Ledger, market) -> Ledger:
    """A ledger of 18 rows, some of them scored."""
    market.run(ledger, range(-3, 0))
    return ledger


def test_a_whole_ledger_is_whole(filled: Ledger):
    """Nothing is found where nothing was done."""
    assert filled.verify() == ()
    assert [receipt.number for receipt in read_receipts(filled.receipts)] == [6, 12, 18]


@pytest.mark.parametrize(
    "verb", ["UPDATE forecasts SET late = NOT late", "DELETE FROM forecasts"]
)
def test_the_database_refuses_changes(filled: Ledger, verb: str):
    """A mistake is stopped before it happens."""
    with (
        pytest.raises(sa.exc.DatabaseError, match="never changed"),
        filled.database.engine.begin() as connection,
    ):
        connection.execute(sa.text(verb))


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE forecasts SET last_close = last_close + 1 WHERE number = 5",
         r"^Row 5 was changed: its hash is another one"),
        ("UPDATE forecasts SET as_of = '2013-02-27T22:00:01Z' WHERE number = 3",
         r"^Row 3 was changed"),
        ("UPDATE forecasts SET late = NOT late WHERE number = 18",
         r"^Row 18 was changed"),
        ("DELETE FROM forecasts WHERE number = 4", r"^Row 4 is missing before row 5"),
        ("DELETE FROM forecasts WHERE number > 16",
         r"^The end is missing: a receipt names row 18, the ledger ends at row 16"),
        ("DELETE FROM forecasts", r"^The end is missing: a receipt names row 6"),
        ("UPDATE scores SET crps = crps / 2 WHERE step = 1",
         r"^Score of row 1, step 1, is"),
        ("UPDATE scores SET pit = pit / 2 WHERE step = 1", r"^PIT of row 1, step 1"),
        ("UPDATE scores SET in_80 = NOT in_80", r"^Hits of row 1, step 1, are not"),
        ("UPDATE scores SET crps = crps * (1 + 1e-12) WHERE step = 1",
         r"^Score of row 1, step 1, was changed: its hash is another one"),
        ("UPDATE scores SET date = '2013-02-01' WHERE step = 2",
         r"^Score of row 1, step 2, was changed"),
        ("UPDATE scores SET factor = factor * 2", r"^Score of row 1, step 1, was ch"),
        ("UPDATE scores SET scale = scale * 2", r"^Score of row 1, step 1, was chang"),
        ("UPDATE scores SET scored_at = '2013-02-27T22:00:01Z' WHERE number = 2",
         r"^Score of row 2, step 1, was changed"),
        ("UPDATE scores SET step = 6 WHERE number = 1 AND step = 1",
         r"^Row 1 has a score of a step that it does not forecast"),
        ("DELETE FROM scores WHERE number = 1 AND step = 1",
         r"^Rows of scores are missing, added or changed: 18 were counted in, 17 are"),
        ("DELETE FROM tallies", r"^Rows of scores are missing, .*: 0 were counted in"),
    ],
)  # fmt: skip
def test_tampering_is_seen(filled: Ledger, statement: str, found: str):
    """By row, with what was done to it."""
    tamper(filled, statement)

    wrong = filled.verify()

    assert wrong
    assert any(re.search(found, sentence) for sentence in wrong), wrong


def test_reordered_rows_are_seen(filled: Ledger):
    """Two rows that change places break the chain."""
    tamper(
        filled,
        "UPDATE forecasts SET number = 99 WHERE number = 7",
        "UPDATE forecasts SET number = 7 WHERE number = 8",
        "UPDATE forecasts SET number = 8 WHERE number = 99",
    )

    assert "Row 7 is not chained to the row before it" in filled.verify()[0]


def test_a_chain_that_was_made_anew_is_seen_by_a_receipt(filled: Ledger, market):
    """Whoever rewrites all hashes cannot rewrite the receipts of others."""
    kept = list(read_receipts(filled.receipts))
    tamper(filled, "DELETE FROM scores", "DELETE FROM forecasts", "DELETE FROM tallies")
    filled.receipts.unlink()
    market.run(filled, range(-4, 0))

    assert filled.verify() == ()
    assert "not the one that a receipt names" in filled.verify(kept)[0]


def test_a_receipt_of_another_ledger_is_told(filled: Ledger):
    """A file that lies in the wrong place proves nothing."""
    other = Head(ledger="0" * 32, number=1, hash="0" * 64)

    assert filled.verify([other]) == (f"A receipt is of another ledger ({'0' * 32}).",)


def test_a_receipt_that_a_crash_cut_off_is_passed_over(filled: Ledger):
    """The row is recorded; the next receipt names it."""
    with filled.receipts.open("a") as file:
        file.write('{"ledger": "')

    assert filled.verify() == ()
    assert len(list(read_receipts(filled.receipts))) == 3


def test_a_damaged_receipt_is_told(filled: Ledger):
    """A line that is no receipt was written by somebody else."""
    text = filled.receipts.read_text()
    filled.receipts.write_text("nothing\n" + text)

    with pytest.raises(LedgerError, match=r"Expected a receipt a line, got 'nothing'"):
        filled.verify()


def test_many_broken_rows_are_counted(filled: Ledger):
    """The first few are named."""
    tamper(filled, "UPDATE forecasts SET code = 'x'")

    wrong = filled.verify()

    assert len([one for one in wrong if "was changed" in one]) == 5
    assert "13 more rows are broken." in wrong


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE forecasts SET as_of = '2013-02-01T22800:00Z'", "Invalid"),
        ("UPDATE forecasts SET hash = 'q' || substr(hash, 2) WHERE number = 18",
         "non-hexadecimal number"),
    ],
)  # fmt: skip
def test_a_row_that_is_no_row_is_refused(filled: Ledger, statement: str, said: str):
    """A date or a hash that a flipped bit spoiled is one sentence."""
    tamper(filled, statement)

    with pytest.raises(LedgerError, match=f"rows as they were written, got {said}"):
        filled.verify()


@pytest.mark.parametrize("flipped", [-1, -9, 5])
def test_a_flipped_byte_of_the_receipts_is_refused(filled: Ledger, flipped: int):
    """Also the end of the last line, which a crash could have cut off."""
    content = bytearray(filled.receipts.read_bytes())
    content[flipped] ^= 0x80
    filled.receipts.write_bytes(content)

    with pytest.raises(LedgerError, match="a receipt a line"):
        filled.verify()


def flips_of(value: object) -> Iterator[object]:
    """Give every value that differs from a stored one by a bit."""
    if isinstance(value, str):
        for place, bit in product(range(len(value)), range(7)):
            other = chr(ord(value[place]) ^ 1 << bit)
            yield value[:place] + other + value[place + 1 :]
    elif isinstance(value, float):
        (number,) = struct.unpack("<Q", struct.pack("<d", value))
        for bit in range(64):
            yield struct.unpack("<d", struct.pack("<Q", number ^ 1 << bit))[0]
    else:
        for bit in range(1 if isinstance(value, bool) else 32):
            yield type(value)(int(value) ^ 1 << bit)


def is_found(row: dict[str, object], forecast_hash: str) -> bool:
    """Say whether a row is no row, or says another hash than its own."""
    try:
        score = score_of(SimpleNamespace(**row))
    except ValueError:
        return True
    return score.hash != score_hash(score, forecast_hash)


def test_every_bit_of_a_score_is_held_by_its_hash(filled: Ledger):
    """Also the low bits of a figure, its date, its volatility and the hash itself."""
    with filled.database.reading() as connection:
        query = "SELECT * FROM scores WHERE number = 1 AND step = 1"
        row = dict(connection.execute(sa.text(query)).mappings().one())
    row |= {name: bool(row[name]) for name in ("in_50", "in_80", "in_95")}
    forecast_hash = next(filled.entries()).entry.hash

    flipped = [
        row | {name: other} for name, value in row.items() for other in flips_of(value)
    ]

    assert not is_found(row, forecast_hash)
    assert len(flipped) > 1_300
    assert [one for one in flipped if not is_found(one, forecast_hash)] == []


def test_a_replaced_score_is_held_too(filled: Ledger, market):
    """What was said before a correction stays as it was said."""
    values = market.bars.values.copy()
    values[market.bars.dates == market.dates[-1], :4] *= 1.01
    other = replace(market.bars, values=values)
    assert filled.score(other, market.evening(-1)).corrected
    assert filled.verify() == ()

    tamper(filled, "UPDATE replaced_scores SET replaced_at = '2030-01-01T00:00:00Z'")

    assert re.search(
        r"^The replaced score of row \d+, step \d, was changed", filled.verify()[0]
    )


def test_a_promise_is_held_and_not_used_when_changed(filled: Ledger, market):
    """Intervals of tomorrow hang on it."""
    promise = Promise(coverage=np.full((5, MEDIAN), 0.5))
    with filled.database.writing() as connection:
        keep_promise(connection, "a" * 64, promise, market.evening(-1))
    assert filled.verify() == ()

    tamper(filled, "UPDATE promises SET horizon = 4")

    assert filled.verify() == ("Promise 1 was changed: its hash is another one.",)
    with (
        pytest.raises(LedgerError, match="a promise as it was written"),
        filled.database.reading() as connection,
    ):
        newest_promise(connection, "a" * 64)


def test_an_index_that_names_other_rows_is_seen(tmp_path, market):
    """SQLite looks through its own file."""
    place = tmp_path / "ledger.sqlite"
    with Ledger.open(place) as ledger:
        market.run(ledger, range(-2, 0))
    with closing(sqlite3.connect(place)) as connection, connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, '(cutoff)', '(as_of)') "
            "WHERE type = 'index' AND name = 'forecasts_by_cutoff'"
        )

    with Ledger.open(place) as ledger:
        assert any("SQLite finds the file damaged" in one for one in ledger.verify())


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, market) -> Path:
    """The file of a ledger with scores and a promise."""
    place = tmp_path_factory.mktemp("recorded") / "ledger.sqlite"
    with closing(Ledger.open(place)) as ledger:
        market.run(ledger, range(-3, 0))
        promise = Promise(coverage=np.full((5, MEDIAN), 0.5))
        with ledger.database.writing() as connection:
            keep_promise(connection, "a" * 64, promise, market.evening(-1))
    return place


DAMAGED = [
    (table.name, column.name, wrong)
    for table in (forecasts, scores, promises, tallies)
    for column in table.columns
    if not column.primary_key
    for wrong in ("NULL", "'text'" if column.type is BYTES else "x'ff00'")
]


@pytest.mark.parametrize(("table", "column", "wrong"), DAMAGED)
def test_a_cell_of_another_type_is_refused(
    recorded: Path, tmp_path: Path, table: str, column: str, wrong: str
):
    """SQLite gives what lies in a damaged file, whatever the column asks for."""
    place = tmp_path / "ledger.sqlite"
    shutil.copy(recorded, place)
    with closing(sqlite3.connect(place, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER append_only_update")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = replace(sql, 'NOT NULL', '')"
        )
    with closing(sqlite3.connect(place, isolation_level=None)) as connection:
        connection.execute(
            f"UPDATE {table} SET {column} = {wrong} "  # noqa: S608  of this file
            f"WHERE rowid = (SELECT max(rowid) FROM {table})"
        )

    with (
        closing(Ledger.open(place, create=False)) as ledger,
        pytest.raises(LedgerError, match=r"Expected rows as they were written, got"),
    ):
        ledger.verify()
