"""One row of the ledger, and the exact bytes that chain it to the row before.

The hash of a row is the SHA-256 of 32 bytes, the hash of the row before, followed by
the row as JSON: UTF-8, keys in ascending order, no space, every character beyond
ASCII escaped. ``docs/how-to/ledger.md`` says the same for whoever verifies a ledger
with other tools.
"""

import datetime as dt
import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32

from closecast.forecast import LEVELS, Forecast

FORMAT = "closecast ledger 1"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Entry:
    """A forecast of one model for one symbol from one cutoff.

    Attributes:
        number: Its place in the chain, from 1 on.
        model: Whose forecast it is: ``closecast`` or a baseline's name.
        symbol: The symbol.
        cutoff: Date of the last bar that was known.
        target_dates: Expected session of each step.
        last_close: Close at the cutoff in price units, as it was then.
        mean: Mean log return from the last close, of each step.
        quantiles: Quantiles of the log return at ``LEVELS``, of each step.
        as_of: When it was recorded, UTC, in whole seconds.
        data_hash: Fingerprint of the bars that it was made from.
        model_hash: SHA-256 of the model that made it.
        code: Version of closecast that made it.
        late: Whether its first answer could be known by then: it never counts as live.
        previous: Hash of the row before.
        hash: Hash of this row.
    """

    number: int
    model: str
    symbol: str
    cutoff: dt.date
    target_dates: tuple[dt.date, ...]
    last_close: float
    mean: Float32[np.ndarray, " horizon"]
    quantiles: Float32[np.ndarray, "horizon quantile"]
    as_of: dt.datetime
    data_hash: str
    model_hash: str
    code: str
    late: bool
    previous: str
    hash: str

    @property
    def horizon(self) -> int:
        """Steps forecast, in sessions."""
        return len(self.target_dates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where a chain ends.

    Attributes:
        ledger: Identity of the ledger, random.
        number: Rows in it.
        hash: Hash of the last row; of no row, what the first is chained to.
    """

    ledger: str
    number: int
    hash: str


def genesis(ledger: str) -> str:
    """Give what the first row is chained to.

    Args:
        ledger: Identity of the ledger.

    Returns:
        A SHA-256, in hexadecimal.
    """
    return hashlib.sha256(f"{FORMAT}\n{ledger}".encode()).hexdigest()


def hash_of(entry: Entry) -> str:
    """Hash a row from what it says, whatever hash it states.

    Args:
        entry: The row.

    Returns:
        Its SHA-256, in hexadecimal.
    """
    return hashlib.sha256(bytes.fromhex(entry.previous) + canonical(entry)).hexdigest()


def canonical(entry: Entry) -> bytes:
    """Write a row as the bytes that are hashed.

    Args:
        entry: The row.

    Returns:
        JSON of all but the two hashes. Numbers with a fraction are hexadecimal
        digits of their little-endian bytes: ``last_close`` in double precision,
        ``mean`` and ``quantiles`` in single precision, step after step.
    """
    values = {
        "number": entry.number,
        "model": entry.model,
        "symbol": entry.symbol,
        "cutoff": entry.cutoff.isoformat(),
        "target_dates": [date.isoformat() for date in entry.target_dates],
        "last_close": double_hex(entry.last_close),
        "mean": packed(entry.mean).hex(),
        "quantiles": packed(entry.quantiles).hex(),
        "as_of": written(entry.as_of),
        "data_hash": entry.data_hash,
        "model_hash": entry.model_hash,
        "code": entry.code,
        "late": entry.late,
    }
    return as_json(values)


def as_json(values: Mapping[str, Any]) -> bytes:
    """Write plain values as the bytes of them that are hashed."""
    return json.dumps(values, sort_keys=True, separators=(",", ":")).encode()


def double_hex(value: float) -> str:
    """Write a number in double precision as its little-endian bytes, in hexadecimal."""
    return struct.pack("<d", value).hex()


def packed(values: np.ndarray) -> bytes:
    """Give the little-endian bytes of an array in single precision."""
    return values.astype("<f4").tobytes()


def written(moment: dt.datetime) -> str:
    """Write a moment as the ledger does: UTC, to the second."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def forecast_of(entries: Sequence[Entry]) -> Forecast:
    """Make one forecast of some rows of the same horizon.

    Args:
        entries: At least one.

    Returns:
        A window for each, in the same order.
    """
    return Forecast(
        symbols=np.array([entry.symbol for entry in entries]),
        cutoffs=np.array([entry.cutoff for entry in entries], "datetime64[D]"),
        target_dates=np.array([e.target_dates for e in entries], "datetime64[D]"),
        last_close=np.array([entry.last_close for entry in entries]),
        mean=np.stack([entry.mean for entry in entries]).astype(np.float64),
        quantiles=np.stack([e.quantiles for e in entries]).astype(np.float64),
    )


def unpacked(
    mean: bytes, quantiles: bytes
) -> tuple[Float32[np.ndarray, " horizon"], Float32[np.ndarray, "horizon quantile"]]:
    """Read the arrays of a row.

    Args:
        mean: What ``packed`` wrote.
        quantiles: What ``packed`` wrote.

    Returns:
        Mean and quantiles of each step.
    """
    return (
        np.frombuffer(mean, "<f4").astype(np.float32),
        np.frombuffer(quantiles, "<f4").astype(np.float32).reshape(-1, len(LEVELS)),
    )
