"""The tables of a ledger; ``migrations`` makes them, and a test holds both together.

Dates and moments are text as ISO writes them, so that a row reads the same in every
database and in the bytes that are hashed.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.types import TypeEngine


class Exact(TypeDecorator[Any]):
    """A column's type that lets no value of another type out of the database.

    SQLite keeps a type beside each value and holds no column to its own, so a damaged
    file may give bytes where text was written. Then reading raises ValueError.

    Args:
        kind: The type.
    """

    impl: TypeEngine[Any] | type[TypeEngine[Any]] = TypeEngine
    cache_ok = True

    def __init__(self, kind: TypeEngine[Any]) -> None:
        self.kind = kind
        super().__init__()
        self.impl = kind

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[Any], Any]:
        """Check a value as it comes, then read it as the type does."""
        read = super().result_processor(dialect, coltype)
        # SQLite has no type for yes and no
        wanted = int if isinstance(self.kind, Boolean) else self.kind.python_type

        def exact(value: Any) -> Any:  # noqa: ANN401  whatever lies there
            if value is not None and not isinstance(value, wanted):
                raise ValueError(f"{value!r:.40} where {wanted.__name__} was written")
            return value if read is None else read(value)

        return exact


DATE, MOMENT, HASH, NAME = (Exact(String(size)) for size in (10, 20, 64, 200))
TEXT, BYTES = Exact(Text()), Exact(LargeBinary())
NUMBER = Exact(BigInteger().with_variant(Integer, "sqlite"))
COUNT, REAL, FLAG = Exact(Integer()), Exact(Double()), Exact(Boolean())

metadata = MetaData()

ledgers = Table(
    "ledgers",
    metadata,
    Column("id", Exact(String(32)), primary_key=True),
    Column("created_at", MOMENT, nullable=False),
)

forecasts = Table(
    "forecasts",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=False),
    Column("model", NAME, nullable=False),
    Column("symbol", NAME, nullable=False),
    Column("cutoff", DATE, nullable=False),
    Column("horizon", COUNT, nullable=False),
    Column("target_dates", TEXT, nullable=False),
    Column("last_close", REAL, nullable=False),
    Column("mean", BYTES, nullable=False),
    Column("quantiles", BYTES, nullable=False),
    Column("as_of", MOMENT, nullable=False),
    Column("data_hash", HASH, nullable=False),
    Column("model_hash", HASH, nullable=False),
    Column("code", NAME, nullable=False),
    Column("late", FLAG, nullable=False),
    Column("previous", HASH, nullable=False, unique=True),
    Column("hash", HASH, nullable=False, unique=True),
    Index("one_forecast", "symbol", "model", "cutoff", unique=True),
    Index("forecasts_by_cutoff", "cutoff"),
)

_SCORE = (
    ("date", DATE),
    ("truth", REAL),
    ("factor", REAL),
    ("scale", REAL),
    ("crps", REAL),
    ("pit", REAL),
    ("in_50", FLAG),
    ("in_80", FLAG),
    ("in_95", FLAG),
    ("scored_at", MOMENT),
    ("data_hash", HASH),
    ("hash", HASH),
)

scores = Table(
    "scores",
    metadata,
    Column("number", NUMBER, ForeignKey("forecasts.number"), primary_key=True),
    Column("step", COUNT, primary_key=True),
    *(Column(name, kind, nullable=False) for name, kind in _SCORE),
)

replaced_scores = Table(
    "replaced_scores",
    metadata,
    Column("number", NUMBER, ForeignKey("forecasts.number"), primary_key=True),
    Column("step", COUNT, primary_key=True),
    Column("replaced_at", MOMENT, primary_key=True),
    *(Column(name, kind, nullable=False) for name, kind in _SCORE),
)

tallies = Table(
    "tallies",
    metadata,
    Column("name", Exact(String(20)), primary_key=True),
    Column("rows", NUMBER, nullable=False),
    Column("sum", HASH, nullable=False),
)

promises = Table(
    "promises",
    metadata,
    Column("id", NUMBER, primary_key=True, autoincrement=False),
    Column("model_hash", HASH, nullable=False, index=True),
    Column("horizon", COUNT, nullable=False),
    Column("coverage", BYTES, nullable=False),
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
    Column("channel", Exact(String(20)), primary_key=True),
    Column("number", NUMBER, nullable=False),
    Column("body", TEXT, nullable=False),
    Column("made_at", MOMENT, nullable=False),
    Column("sent_at", MOMENT, nullable=True),
)
