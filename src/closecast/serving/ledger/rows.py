"""Rows of the database as objects, and back."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from closecast.serving.ledger.chain import Entry, packed, unpacked, written
from closecast.serving.ledger.truth import Score

SCORE_NAMES = tuple(field.name for field in fields(Score))


def row_of(entry: Entry) -> dict[str, Any]:
    """Lay an entry out as a row of ``forecasts``."""
    return {
        "number": entry.number,
        "model": entry.model,
        "symbol": entry.symbol,
        "cutoff": entry.cutoff.isoformat(),
        "horizon": entry.horizon,
        "target_dates": " ".join(date.isoformat() for date in entry.target_dates),
        "last_close": entry.last_close,
        "mean": packed(entry.mean),
        "quantiles": packed(entry.quantiles),
        "as_of": written(entry.as_of),
        "data_hash": entry.data_hash,
        "model_hash": entry.model_hash,
        "code": entry.code,
        "late": entry.late,
        "previous": entry.previous,
        "hash": entry.hash,
    }


def entry_of(row: Any) -> Entry:  # noqa: ANN401  its columns are not typed
    """Read an entry from a row of ``forecasts``.

    Args:
        row: The row.

    Returns:
        The entry.

    Raises:
        ValueError: A cell is empty, or a date, a moment or a hash is none.
    """
    require_full(row)
    for written_hash in (row.previous, row.hash):
        bytes.fromhex(written_hash)  # what is chained to it takes it for bytes
    mean, quantiles = unpacked(bytes(row.mean), bytes(row.quantiles))
    return Entry(
        number=row.number,
        model=row.model,
        symbol=row.symbol,
        cutoff=dt.date.fromisoformat(row.cutoff),
        target_dates=tuple(map(dt.date.fromisoformat, row.target_dates.split())),
        last_close=row.last_close,
        mean=mean,
        quantiles=quantiles,
        as_of=moment_of(row.as_of),
        data_hash=row.data_hash,
        model_hash=row.model_hash,
        code=row.code,
        late=bool(row.late),
        previous=row.previous,
        hash=row.hash,
    )


def score_row_of(score: Score) -> dict[str, Any]:
    """Lay a score out as a row of ``scores``."""
    row = {name: getattr(score, name) for name in SCORE_NAMES}
    return row | {
        "date": score.date.isoformat(),
        "scored_at": written(score.scored_at),
    }


def score_of(row: Any) -> Score:  # noqa: ANN401  its columns are not typed
    """Read a score from a row of ``scores``, as ``entry_of`` reads an entry."""
    values = {name: getattr(row, name) for name in SCORE_NAMES}
    require_full(values.values())
    values |= {name: bool(values[name]) for name in ("in_50", "in_80", "in_95")}
    values["date"] = dt.date.fromisoformat(row.date)
    values["scored_at"] = moment_of(row.scored_at)
    return Score(**values)


def scores_by_number(rows: Iterable[Any]) -> dict[int, tuple[Score, ...]]:
    """Gather scores by the forecast that they belong to, in the order of the rows."""
    found: dict[int, list[Score]] = {}
    for row in rows:
        found.setdefault(row.number, []).append(score_of(row))
    return {number: tuple(scores) for number, scores in found.items()}


def require_full(cells: Iterable[Any]) -> None:
    """Raise ValueError where a cell of a row is empty: none is written so."""
    if any(cell is None for cell in cells):
        raise ValueError("an empty cell")


def moment_of(text: str) -> dt.datetime:
    """Read a moment as the ledger writes it.

    Args:
        text: The moment.

    Returns:
        The same, in UTC.

    Raises:
        ValueError: It is written otherwise.
    """
    moment = dt.datetime.fromisoformat(text)
    if written(moment) != text:
        raise ValueError(f"the moment {text!r}")
    return moment
