"""What the model's intervals are asked to hold, kept with the ledger.

Adaptive conformal inference moves the promise by the misses of what was published. A
window counts once, when its last close has come; windows whose last closes are of one
date count together. Each state is a row of its own: the newest one is in force.

Source: Gibbs and Candes (2021), Adaptive conformal inference under distribution shift,
arXiv:2106.00170, equation 2.
"""

import datetime as dt
from collections.abc import Iterator

import numpy as np
import sqlalchemy as sa
from sqlalchemy import Connection

from closecast.errors import LedgerError
from closecast.evaluation.conformal import Promise, missed
from closecast.forecast import MEDIAN
from closecast.serving.ledger.chain import Entry, forecast_of, written
from closecast.serving.ledger.rows import entry_of
from closecast.serving.ledger.seals import promise_hash
from closecast.serving.ledger.tables import (
    forecasts,
    promise_windows,
    promises,
    scores,
)

CHUNK = 5_000
"""Windows that are counted at a time, to bound the memory."""


def newest_promise(connection: Connection, model_hash: str) -> Promise | None:
    """Read the promise in force.

    Args:
        connection: The database.
        model_hash: The model whose intervals they are.

    Returns:
        The promise; None where none was made for this model.

    Raises:
        LedgerError: It is not as it was written.
    """
    own = promises.c
    query = sa.select(promises).where(own.model_hash == model_hash)
    found = connection.execute(query.order_by(own.id.desc()).limit(1))
    first = found.mappings().first()
    if first is None:
        return None
    row = dict(first)
    if row["hash"] != promise_hash(row):
        raise LedgerError(
            f"Expected a promise as it was written, got another one (promise "
            f"{row['id']}). Restore the ledger from a copy."
        )
    values = np.frombuffer(bytes(row["coverage"]), "<f8").astype(np.float64)
    return Promise(coverage=values.reshape(row["horizon"], MEDIAN))


def keep_promise(
    connection: Connection, model_hash: str, promise: Promise, now: dt.datetime
) -> int:
    """Write a promise down; it is in force from then on.

    Args:
        connection: The database, in a writer's transaction.
        model_hash: The model whose intervals they are.
        promise: The promise.
        now: The time.

    Returns:
        Its number.
    """
    number = (
        connection.execute(sa.select(sa.func.max(promises.c.id))).scalar() or 0
    ) + 1
    row = {
        "id": number,
        "model_hash": model_hash,
        "horizon": len(promise.coverage),
        "coverage": promise.coverage.astype("<f8").tobytes(),
        "as_of": written(now),
    }
    connection.execute(promises.insert(), [row | {"hash": promise_hash(row)}])
    return number


def adapted(
    connection: Connection, model: str, model_hash: str, now: dt.datetime
) -> int:
    """Move the promise by all windows that came true and were not counted yet.

    Args:
        connection: The database, in a writer's transaction.
        model: Name of the model.
        model_hash: The model whose intervals they are; it has a promise.
        now: The time.

    Returns:
        Windows that were counted.
    """
    promise = newest_promise(connection, model_hash)
    numbers = _uncounted(connection, model, model_hash)
    if promise is None or not numbers:
        return 0
    totals: dict[str, tuple[np.ndarray, int]] = {}
    for at in range(0, len(numbers), CHUNK):
        for date, misses in _misses(connection, numbers[at : at + CHUNK]):
            total, count = totals.get(date, (np.zeros(promise.coverage.shape), 0))
            totals[date] = total + misses, count + 1
    for date in sorted(totals):
        total, count = totals[date]
        promise = promise.after(total / count)
    number = keep_promise(connection, model_hash, promise, now)
    counted = [{"number": one, "promise": number} for one in numbers]
    connection.execute(promise_windows.insert(), counted)
    return len(numbers)


def _uncounted(connection: Connection, model: str, model_hash: str) -> list[int]:
    own = forecasts.c
    query = (
        sa.select(own.number)
        .join(
            scores,
            sa.and_(scores.c.number == own.number, scores.c.step == own.horizon),
        )
        .outerjoin(promise_windows, promise_windows.c.number == own.number)
        .where(
            own.model == model,
            own.model_hash == model_hash,
            promise_windows.c.number.is_(None),
        )
        .order_by(own.number)
    )
    return list(connection.execute(query).scalars())


def _misses(
    connection: Connection, numbers: list[int]
) -> Iterator[tuple[str, np.ndarray]]:
    # the date of each window's last close, and which intervals missed, (H, interval)
    own = scores.c
    query = (
        sa.select(own.number, own.step, own.truth, own.date)
        .where(own.number.in_(numbers))
        .order_by(own.number, own.step)
    )
    came: dict[int, list[tuple[float, str]]] = {}
    for row in connection.execute(query):
        came.setdefault(row.number, []).append((row.truth, row.date))
    found = sa.select(forecasts).where(forecasts.c.number.in_(numbers))
    for row in connection.execute(found):
        entry: Entry = entry_of(row)
        truth = np.array([[value for value, _ in came[entry.number]]])
        yield came[entry.number][-1][1], missed(forecast_of([entry]), truth)[0]
