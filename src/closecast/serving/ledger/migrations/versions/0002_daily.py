"""What the daily job remembers: promises of intervals, and notices to be sent."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables of this version."""
    op.create_table(
        "promises",
        sa.Column("id", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("model_hash", sa.String(64), nullable=False, index=True),
        sa.Column("horizon", sa.Integer(), nullable=False),
        sa.Column("coverage", sa.LargeBinary(), nullable=False),
        sa.Column("as_of", sa.String(20), nullable=False),
    )
    op.create_table(
        "promise_windows",
        sa.Column(
            "number", NUMBER, sa.ForeignKey("forecasts.number"), primary_key=True
        ),
        sa.Column("promise", NUMBER, sa.ForeignKey("promises.id"), nullable=False),
    )
    op.create_table(
        "notices",
        sa.Column("head", sa.String(64), primary_key=True),
        sa.Column("channel", sa.String(20), primary_key=True),
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("made_at", sa.String(20), nullable=False),
        sa.Column("sent_at", sa.String(20), nullable=True),
    )
