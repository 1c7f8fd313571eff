"""What holds the rows beside the chain: a hash of each, and a tally of all of them.

Scores may be corrected, so they are no chain. Each states the hash of what it says,
chained to the forecast that it scores; a tally beside them counts the rows and adds up
their hashes, so that a row that went missing is missed. ``docs/how-to/ledger.md`` says
the bytes for whoever verifies a ledger with other tools.
"""

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from closecast.serving.ledger.chain import as_json, double_hex, written
from closecast.serving.ledger.rows import require_full
from closecast.serving.ledger.tables import forecasts, tallies
from closecast.serving.ledger.truth import Score

MODULUS = 2**256
"""Sums of hashes are taken modulo this."""

DOUBLES = ("truth", "factor", "scale", "crps", "pit")
"""Columns of a score in double precision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many rows a table has, and the sum of their hashes.

    Attributes:
        rows: The number of rows.
        sum: Sum of their hashes as numbers, modulo 2^256.
    """

    rows: int = 0
    sum: int = 0

    def plus(self, hashes: Iterable[str], sign: int = 1) -> "Tally":
        """Count rows in, or out.

        Args:
            hashes: Their hashes, in hexadecimal.
            sign: 1 where they were added, -1 where they were taken away.

        Returns:
            The tally with them.
        """
        numbers = [int(one, 16) for one in hashes]
        return Tally(
            rows=self.rows + sign * len(numbers),
            sum=(self.sum + sign * sum(numbers)) % MODULUS,
        )


def score_hash(
    score: Score, forecast_hash: str, replaced_at: dt.datetime | None = None
) -> str:
    """Hash a score from what it says, whatever hash it states.

    Args:
        score: The score.
        forecast_hash: Hash of the forecast that it scores.
        replaced_at: When a later score took its place; None while it stands.

    Returns:
        Its SHA-256, in hexadecimal: of the 32 bytes of the forecast's hash, then JSON
        of all other columns as in ``chain``, doubles as their little-endian bytes.
    """
    values = {
        "number": score.number,
        "step": score.step,
        "date": score.date.isoformat(),
        **{name: double_hex(getattr(score, name)) for name in DOUBLES},
        "in_50": score.in_50,
        "in_80": score.in_80,
        "in_95": score.in_95,
        "scored_at": written(score.scored_at),
        "data_hash": score.data_hash,
    }
    if replaced_at is not None:
        values["replaced_at"] = written(replaced_at)
    return _hash(values, bytes.fromhex(forecast_hash))


def promise_hash(row: Mapping[str, Any]) -> str:
    """Hash a promise from what it says, whatever hash it states.

    Args:
        row: Its columns.

    Returns:
        SHA-256 of JSON of all but the hash, ``coverage`` in hexadecimal.

    Raises:
        ValueError: A cell is empty.
    """
    require_full(row.values())
    names = ("id", "model_hash", "horizon", "as_of")
    values = {name: row[name] for name in names}
    return _hash(values | {"coverage": bytes(row["coverage"]).hex()})


def stated_tally(connection: Connection, table: sa.Table) -> Tally:
    """Read the tally that was kept of a table.

    Args:
        connection: The database.
        table: ``scores`` or ``replaced_scores``.

    Returns:
        The tally; of a table without one, that of no rows.
    """
    own = tallies.c
    query = sa.select(own.rows, own.sum).where(own.name == table.name)
    row = connection.execute(query).first()
    if row is None:
        return Tally()
    require_full(row)
    return Tally(rows=row.rows, sum=int(row.sum, 16))


def made_tally(connection: Connection, table: sa.Table) -> Tally:
    """Count the rows of a table that belong to a forecast.

    Args:
        connection: The database.
        table: ``scores`` or ``replaced_scores``.

    Returns:
        Their tally, by the hashes that they state.
    """
    query = sa.select(table.c.hash).join(
        forecasts, forecasts.c.number == table.c.number
    )
    hashes = connection.execute(query).scalars().all()
    require_full(hashes)
    return Tally().plus(hashes)


def keep_tally(connection: Connection, table: sa.Table, tally: Tally) -> None:
    """Write the tally of a table down.

    Args:
        connection: The database, in a writer's transaction.
        table: ``scores`` or ``replaced_scores``.
        tally: The tally.
    """
    row = {"name": table.name, "rows": tally.rows, "sum": f"{tally.sum:064x}"}
    own = tallies.c
    connection.execute(tallies.delete().where(own.name == table.name))
    connection.execute(tallies.insert(), [row])


def _hash(values: Mapping[str, Any], before: bytes = b"") -> str:
    return hashlib.sha256(before + as_json(values)).hexdigest()
