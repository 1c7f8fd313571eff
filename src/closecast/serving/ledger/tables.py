"""The tables of a ledger; ``migrations`` makes them, and a test holds both together.

Dates and moments are text as ISO writes them, so that a row reads the same in every
database and in the bytes that are hashed.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

DATE, MOMENT, HASH, NAME = String(10), String(20), String(64), String(200)
NUMBER = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()

ledgers = Table(
    "ledgers",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("created_at", MOMENT, nullable=False),
)

forecasts = Table(
    "forecasts",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=False),
    Column("model", NAME, nullable=False),
    Column("symbol", NAME, nullable=False),
    Column("cutoff", DATE, nullable=False),
    Column("horizon", Integer, nullable=False),
    Column("target_dates", Text, nullable=False),
    Column("last_close", Double, nullable=False),
    Column("mean", LargeBinary, nullable=False),
    Column("quantiles", LargeBinary, nullable=False),
    Column("as_of", MOMENT, nullable=False),
    Column("data_hash", HASH, nullable=False),
    Column("model_hash", HASH, nullable=False),
    Column("code", NAME, nullable=False),
    Column("late", Boolean, nullable=False),
    Column("previous", HASH, nullable=False, unique=True),
    Column("hash", HASH, nullable=False, unique=True),
    Index("one_forecast", "symbol", "model", "cutoff", unique=True),
    Index("forecasts_by_cutoff", "cutoff"),
)

_SCORE = (
    ("date", DATE),
    ("truth", Double),
    ("factor", Double),
    ("scale", Double),
    ("crps", Double),
    ("pit", Double),
    ("in_50", Boolean),
    ("in_80", Boolean),
    ("in_95", Boolean),
    ("scored_at", MOMENT),
    ("data_hash", HASH),
    ("hash", HASH),
)

scores = Table(
    "scores",
    metadata,
    Column("number", NUMBER, ForeignKey("forecasts.number"), primary_key=True),
    Column("step", Integer, primary_key=True),
    *(Column(name, kind, nullable=False) for name, kind in _SCORE),
)

replaced_scores = Table(
    "replaced_scores",
    metadata,
    Column("number", NUMBER, ForeignKey("forecasts.number"), primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("replaced_at", MOMENT, primary_key=True),
    *(Column(name, kind, nullable=False) for name, kind in _SCORE),
)

tallies = Table(
    "tallies",
    metadata,
    Column("name", String(20), primary_key=True),
    Column("rows", NUMBER, nullable=False),
    Column("sum", HASH, nullable=False),
)

promises = Table(
    "promises",
    metadata,
    Column("id", NUMBER, primary_key=True, autoincrement=False),
    Column("model_hash", HASH, nullable=False, index=True),
    Column("horizon", Integer, nullable=False),
    Column("coverage", LargeBinary, nullable=False),
    Column("as_of", MOMENT, nullable=False),
    Column("hash", HASH, nullable=False),
)

promise_windows = Table(
    "promise_windows",
    metadata,
    Column("number", NUMBER, ForeignKey("forecasts.number"), primary_key=True),
    Column("promise", NUMBER, ForeignKey("promises.id"), nullable=False),
)

notices = Table(
    "notices",
    metadata,
    Column("head", HASH, primary_key=True),
    Column("channel", String(20), primary_key=True),
    Column("number", NUMBER, nullable=False),
    Column("body", Text, nullable=False),
    Column("made_at", MOMENT, nullable=False),
    Column("sent_at", MOMENT, nullable=True),
)
