"""The first tables: forecasts that can only be appended, and scores beside them."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

DATE, MOMENT, HASH, NAME = (sa.String(size) for size in (10, 20, 64, 200))
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
SCORE: tuple[tuple[str, sa.types.TypeEngine[Any]], ...] = (
    ("date", DATE),
    ("truth", sa.Double()),
    ("factor", sa.Double()),
    ("scale", sa.Double()),
    ("crps", sa.Double()),
    ("pit", sa.Double()),
    ("in_50", sa.Boolean()),
    ("in_80", sa.Boolean()),
    ("in_95", sa.Boolean()),
    ("scored_at", MOMENT),
    ("data_hash", HASH),
)
REFUSAL = "a recorded forecast is never changed"


def upgrade() -> None:
    """Make the tables of this version."""
    op.create_table(
        "ledgers",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("created_at", MOMENT, nullable=False),
    )
    op.create_table(
        "forecasts",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("model", NAME, nullable=False),
        sa.Column("symbol", NAME, nullable=False),
        sa.Column("cutoff", DATE, nullable=False),
        sa.Column("horizon", sa.Integer(), nullable=False),
        sa.Column("target_dates", sa.Text(), nullable=False),
        sa.Column("last_close", sa.Double(), nullable=False),
        sa.Column("mean", sa.LargeBinary(), nullable=False),
        sa.Column("quantiles", sa.LargeBinary(), nullable=False),
        sa.Column("as_of", MOMENT, nullable=False),
        sa.Column("data_hash", HASH, nullable=False),
        sa.Column("model_hash", HASH, nullable=False),
        sa.Column("code", NAME, nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("previous", HASH, nullable=False, unique=True),
        sa.Column("hash", HASH, nullable=False, unique=True),
    )
    keys = ["symbol", "model", "cutoff"]
    op.create_index("one_forecast", "forecasts", keys, unique=True)
    op.create_index("forecasts_by_cutoff", "forecasts", ["cutoff"])
    for table in ("scores", "replaced_scores"):
        when = [sa.Column("replaced_at", MOMENT, primary_key=True)]
        op.create_table(
            table,
            sa.Column(
                "number", NUMBER, sa.ForeignKey("forecasts.number"), primary_key=True
            ),
            sa.Column("step", sa.Integer(), primary_key=True),
            *(when if table == "replaced_scores" else []),
            *(sa.Column(name, kind, nullable=False) for name, kind in SCORE),
        )
    _refuse_changes()


def _refuse_changes() -> None:
    # A guard against mistakes; who owns the database can remove it: the chain tells.
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION refuse_change() RETURNS trigger AS $$ BEGIN "
            f"RAISE EXCEPTION '{REFUSAL}'; END $$ LANGUAGE plpgsql"
        )
        op.execute(
            "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON "
            "forecasts FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        return
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER append_only_{verb.lower()} BEFORE {verb} ON forecasts "
            f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        )
