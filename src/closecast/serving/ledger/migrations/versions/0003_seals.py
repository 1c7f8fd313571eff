"""A hash of each score and promise, and tallies, so that none changes or goes missing.

Rows that are there already are sealed as they are found. The bytes that are hashed are
written out here, as they were when this version was made.
"""

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

HASH = sa.String(64)
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
KEYS = {
    "scores": ["number", "step"],
    "replaced_scores": ["number", "step", "replaced_at"],
}
TEXTS = ("number", "step", "date", "scored_at", "data_hash")
DOUBLES = ("truth", "factor", "scale", "crps", "pit")
HITS = ("in_50", "in_80", "in_95")


def upgrade() -> None:
    """Add the columns of this version and seal what is there."""
    op.create_table(
        "tallies",
        sa.Column("name", sa.String(20), primary_key=True),
        sa.Column("rows", NUMBER, nullable=False),
        sa.Column("sum", HASH, nullable=False),
    )
    for table in ("scores", "replaced_scores", "promises"):
        column = sa.Column("hash", HASH, nullable=False, server_default="")
        op.add_column(table, column)
    for table, keys in KEYS.items():
        hashes = list(_sealed_scores(table, keys))
        total = sum(int(one, 16) for one in hashes) % 2**256
        op.execute(
            sa.text("INSERT INTO tallies VALUES (:name, :rows, :sum)").bindparams(
                name=table, rows=len(hashes), sum=f"{total:064x}"
            )
        )
    _seal_promises()


def _sealed_scores(table: str, keys: list[str]) -> Iterator[str]:
    connection = op.get_bind()
    rows = connection.execute(
        sa.text(
            f"SELECT s.*, f.hash AS forecast_hash FROM {table} s "  # noqa: S608
            "JOIN forecasts f ON f.number = s.number"
        )
    ).mappings()
    for row in rows.all():
        values = {name: row[name] for name in TEXTS}
        values |= {name: struct.pack("<d", row[name]).hex() for name in DOUBLES}
        values |= {name: bool(row[name]) for name in HITS}
        if table == "replaced_scores":
            values["replaced_at"] = row["replaced_at"]
        sealed = _hash(values, bytes.fromhex(row["forecast_hash"]))
        _set_hash(table, sealed, {key: row[key] for key in keys})
        yield sealed


def _seal_promises() -> None:
    rows = op.get_bind().execute(sa.text("SELECT * FROM promises")).mappings()
    for row in rows.all():
        names = ("id", "model_hash", "horizon", "as_of")
        values = {name: row[name] for name in names}
        sealed = _hash(values | {"coverage": bytes(row["coverage"]).hex()})
        _set_hash("promises", sealed, {"id": row["id"]})


def _set_hash(table: str, sealed: str, keys: Mapping[str, Any]) -> None:
    where = " AND ".join(f"{key} = :{key}" for key in keys)
    query = sa.text(f"UPDATE {table} SET hash = :sealed WHERE {where}")  # noqa: S608
    op.get_bind().execute(query, {"sealed": sealed, **keys})


def _hash(values: Mapping[str, Any], before: bytes = b"") -> str:
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(before + text.encode()).hexdigest()
