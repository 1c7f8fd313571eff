"""The ledger: what was forecast, before it happened.

Forecasts are appended and never changed. A second forecast of the same model, symbol
and cutoff is not recorded: the first one was published. One whose answer could be
known by then is recorded as late, and counts in no figure of the live record.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import sqlalchemy as sa
from sqlalchemy import Connection

from closecast.errors import LedgerError
from closecast.forecast import Forecast
from closecast.market.bars import Bars
from closecast.serving.ledger import chain, rows
from closecast.serving.ledger.board import BoardRow, Table, board_of, table_of
from closecast.serving.ledger.chain import Entry, Head
from closecast.serving.ledger.database import Database, connect
from closecast.serving.ledger.monitors import Monitor, monitors_of
from closecast.serving.ledger.publication import Publication
from closecast.serving.ledger.receipts import append_receipt, read_receipts
from closecast.serving.ledger.seals import (
    keep_tally,
    made_tally,
    score_hash,
    stated_tally,
)
from closecast.serving.ledger.tables import (
    forecasts,
    ledgers,
    promises,
    replaced_scores,
    scores,
)
from closecast.serving.ledger.truth import (
    Matured,
    Past,
    Score,
    outcome_of,
    scores_of,
)
from closecast.serving.ledger.verifying import (
    broken_links,
    broken_promises,
    broken_replaced,
    broken_scores,
    broken_tally,
    missing_rows,
)

MODEL = "closecast"
"""Name of the judged model."""

RECEIPTS = ".receipts"
"""Added to the name of a ledger's file."""

REVISITED_DAYS = 60
"""Scores of cutoffs that old at most are held against corrected prices."""

SAME_RETURN = 1e-9
"""Truths closer than that are the same: rounding of an adjusted series."""

CHUNK = 2_000
"""Forecasts that are scored at a time, to bound the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What became of a publication.

    Attributes:
        added: Forecasts that are new in the ledger, baselines' included.
        late: Those among them that are late.
        known: Forecasts that were recorded before, and stay as they were.
        differing: Those among the known that say something else now.
        head: Where the chain ends.
    """

    added: int
    late: int
    known: int
    differing: int
    head: Head


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """A symbol in the ledger.

    Attributes:
        symbol: Its name.
        forecasts: Forecasts of the judged model.
        late: Those among them that are late.
        first: Oldest cutoff.
        last: Newest cutoff.
    """

    symbol: str
    forecasts: int
    late: int
    first: dt.date
    last: dt.date


class Ledger:
    """Recorded forecasts and their scores. Use it in a ``with``, or close it.

    Args:
        database: Where they are.
        receipts: The file of receipts; None writes none.
    """

    def __init__(self, database: Database, receipts: Path | None) -> None:
        self.database = database
        self.receipts = receipts

    @classmethod
    def open(
        cls,
        place: str | Path,
        *,
        receipts: str | Path | None = None,
        create: bool = True,
    ) -> Self:
        """Open a ledger.

        Args:
            place: A file of SQLite, ``sqlite:///FILE`` or
                ``postgresql://USER@HOST/NAME``.
            receipts: The file of receipts; by default beside the file of SQLite, and
                none for a server.
            create: Whether a new ledger is begun where there is none, and an older
                one brought to the newest version; a reader says False.

        Returns:
            The ledger.

        Raises:
            LedgerError: It is missing, does not answer, or is of another version.
        """
        opened = connect(place, create=create)
        file = opened.file
        beside = None if file is None else file.with_name(file.name + RECEIPTS)
        return cls(opened, beside if receipts is None else Path(receipts))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self.database.close()

    @property
    def name(self) -> str:
        """Where it is; no password is in it."""
        return self.database.name

    @property
    def head(self) -> Head:
        """Where the chain ends; it changes with every recording and with nothing else.

        Raises:
            LedgerError: The database does not answer.
        """
        with self.database.reading() as connection:
            return _head(connection)

    @property
    def scored(self) -> str:
        """A word that changes whenever a close is scored or corrected.

        Raises:
            LedgerError: The database does not answer.
        """
        with self.database.reading() as connection:
            counts = [
                connection.execute(sa.select(sa.func.count()).select_from(one)).scalar()
                for one in (scores, replaced_scores)
            ]
        return "/".join(map(str, counts))

    def record(
        self, publication: Publication, as_of: dt.datetime | None = None
    ) -> Recorded:
        """Append forecasts, all or none.

        Args:
            publication: The forecasts.
            as_of: The time now, with its zone; the clock's by default.

        Returns:
            What became of them, once it is on the disk.

        Raises:
            LedgerError: The clock went back behind what is recorded, a cutoff lies
                in its future, or the database does not answer.
        """
        now = _moment(as_of)
        with self.database.writing() as connection:
            head = _head(connection)
            _require_forward(connection, head, now)
            _require_past(publication, now)
            there = _recorded(connection, publication)
            fresh = list(_entries(publication, now, head, there))
            if fresh:
                connection.execute(forecasts.insert(), [rows.row_of(e) for e in fresh])
                head = replace(head, number=fresh[-1].number, hash=fresh[-1].hash)
        if self.receipts is not None and head.number:
            append_receipt(self.receipts, head)
        return Recorded(
            added=len(fresh),
            late=sum(entry.late for entry in fresh),
            known=len(there),
            differing=_differing(publication, there),
            head=head,
        )

    def score(self, bars: Bars, as_of: dt.datetime | None = None) -> Matured:
        """Score what has come true, and again what was corrected since.

        Args:
            bars: Prices that hold the cutoffs and what followed.
            as_of: The time now; the clock's by default.

        Returns:
            What became of it, once it is on the disk.

        Raises:
            LedgerError: The database does not answer.
        """
        now = _moment(as_of)
        with self.database.writing() as connection:
            parts = [
                _score(connection, chunk, bars, now)
                for chunk in _open_entries(connection, bars)
            ]
        return Matured(
            scored=sum(part.scored for part in parts),
            corrected=sum(part.corrected for part in parts),
            held_back=sum(part.held_back for part in parts),
            waiting=sum(part.waiting for part in parts),
        )

    def latest(self, symbol: str, model: str = MODEL) -> Past | None:
        """Give the newest forecast of a symbol.

        Args:
            symbol: The symbol.
            model: Whose forecast.

        Returns:
            The forecast with its scores, if any; None where nothing is recorded.

        Raises:
            LedgerError: The database does not answer.
        """
        return next(iter(self.history(symbol, model, limit=1)), None)

    def history(
        self,
        symbol: str,
        model: str = MODEL,
        *,
        limit: int | None = None,
        before: dt.date | None = None,
    ) -> tuple[Past, ...]:
        """Give past forecasts of a symbol, the newest cutoff first.

        Args:
            symbol: The symbol.
            model: Whose forecasts.
            limit: At most so many.
            before: Cutoffs before this date only.

        Returns:
            Forecasts with the scores of the steps that came true.

        Raises:
            LedgerError: The database does not answer.
        """
        own = forecasts.c
        query = (
            sa.select(forecasts)
            .where(own.symbol == symbol, own.model == model)
            .order_by(own.cutoff.desc())
            .limit(limit)
        )
        if before is not None:
            query = query.where(own.cutoff < before.isoformat())
        with self.database.reading() as connection:
            entries = [rows.entry_of(row) for row in connection.execute(query)]
            known = _scores(connection, [entry.number for entry in entries])
        return tuple(Past(entry=e, scores=known.get(e.number, ())) for e in entries)

    def entries(self, after: int = 0, model: str | None = None) -> Iterator[Past]:
        """Go through the ledger in the order of the chain.

        Args:
            after: Rows of a higher number only.
            model: Whose forecasts; all by default.

        Yields:
            Forecasts with the scores of the steps that came true.

        Raises:
            LedgerError: The database does not answer.
        """
        query = sa.select(forecasts).where(forecasts.c.number > after)
        if model is not None:
            query = query.where(forecasts.c.model == model)
        with self.database.reading() as connection:
            for entries in _chunks(connection, query.order_by(forecasts.c.number)):
                known = _scores(connection, [entry.number for entry in entries])
                for entry in entries:
                    yield Past(entry=entry, scores=known.get(entry.number, ()))

    def symbols(
        self, model: str = MODEL, *, symbol: str | None = None
    ) -> tuple[Tracked, ...]:
        """List the symbols that were forecast, by name.

        Args:
            model: Whose forecasts are counted.
            symbol: One symbol; all by default.

        Returns:
            A line for each symbol.

        Raises:
            LedgerError: The database does not answer.
        """
        own = forecasts.c
        query = (
            sa.select(
                own.symbol,
                sa.func.count(),
                sa.func.sum(sa.case((own.late, 1), else_=0)),
                sa.func.min(own.cutoff),
                sa.func.max(own.cutoff),
            )
            .where(own.model == model)
            .group_by(own.symbol)
            .order_by(own.symbol)
        )
        if symbol is not None:
            query = query.where(own.symbol == symbol)
        with self.database.reading() as connection:
            found = connection.execute(query).all()
        return tuple(
            Tracked(
                symbol=symbol,
                forecasts=count,
                late=int(late),
                first=dt.date.fromisoformat(first),
                last=dt.date.fromisoformat(last),
            )
            for symbol, count, late, first, last in found
        )

    def table(self, symbol: str) -> Table:
        """Give the live scores of a symbol.

        Args:
            symbol: The symbol.

        Returns:
            Those of all models, as columns.

        Raises:
            LedgerError: The database does not answer.
        """
        return self._table(symbol=symbol, late=False)

    def scoreboard(
        self, model: str = MODEL, *, symbol: str | None = None, late: bool = False
    ) -> tuple[BoardRow, ...]:
        """Sum up the record so far, beside the baselines recorded at the same time.

        Args:
            model: Who is judged.
            symbol: One symbol; all by default.
            late: The late forecasts instead of the live ones.

        Returns:
            A row for each model and step with a scored forecast, the judged model
            first; nothing where none came true.

        Raises:
            LedgerError: The database does not answer.
        """
        return board_of(self._table(symbol=symbol, late=late), model)

    def monitors(self, model: str = MODEL) -> tuple[Monitor, ...]:
        """Say whether the live record is still as it was meant.

        Returns:
            The state of each monitor, with the figures behind it.

        Raises:
            LedgerError: The database does not answer.
        """
        with self.database.reading() as connection:
            since = _newest_version(connection, model)
        return monitors_of(self._table(symbol=None, late=False), model, since)

    def matured(self, since: str = "", model: str = MODEL) -> tuple[Past, ...]:
        """Give what was scored after a moment.

        Args:
            since: The moment, as the ledger writes it; "" is before everything.
            model: Whose forecasts.

        Returns:
            Forecasts with these scores alone, by number.

        Raises:
            LedgerError: The database does not answer.
        """
        fresh = (
            sa.select(scores)
            .join(forecasts, forecasts.c.number == scores.c.number)
            .where(forecasts.c.model == model, scores.c.scored_at > since)
            .order_by(scores.c.number, scores.c.step)
        )
        with self.database.reading() as connection:
            known = rows.scores_by_number(connection.execute(fresh))
            entries = _by_number(connection, list(known))
        return tuple(Past(entry=one, scores=known[one.number]) for one in entries)

    def require_forward(self, as_of: dt.datetime) -> None:
        """Refuse a clock that went back behind what is recorded.

        Args:
            as_of: The time now, with its zone.

        Raises:
            LedgerError: It is earlier than the newest recording.
        """
        with self.database.reading() as connection:
            _require_forward(connection, _head(connection), _moment(as_of))

    def keep_receipt(self) -> None:
        """Write the receipt of the head, if a crash came before it was written.

        Raises:
            LedgerError: The database does not answer, or the file is damaged.
        """
        head = self.head
        if self.receipts is not None and head.number:
            append_receipt(self.receipts, head)

    def verify(
        self, receipts: Sequence[Head] | None = None, *, newest: int | None = None
    ) -> tuple[str, ...]:
        """Read the chain and make every hash and every score again.

        Args:
            receipts: What must be in the chain; those in the file by default.
            newest: Only from so many receipts back on; all by default.

        Returns:
            A sentence for each thing that is wrong; nothing if the ledger is whole.

        Raises:
            LedgerError: The database does not answer, or the file of receipts is
                damaged.
        """
        kept = receipts
        if kept is None:
            kept = [] if self.receipts is None else list(read_receipts(self.receipts))
        old = [] if newest is None else kept[:-newest]
        recent, after = kept[len(old) :], old[-1].number if old else 0
        with self.database.reading() as connection:
            start = _start(connection, after)
            found = _hashes(connection, [receipt.number for receipt in recent])
            head = _head(connection)
        links = broken_links((past.entry for past in self.entries(after)), start)
        missing = missing_rows(recent, head, found)
        whole = () if after else self._broken_beside()
        return (*links, *missing, *broken_scores(self.entries(after)), *whole)

    def _broken_beside(self) -> tuple[str, ...]:
        # what is wrong with all that no forecast leads to
        replaced = sa.select(
            *replaced_scores.c, forecasts.c.hash.label("forecast_hash")
        ).join(forecasts, forecasts.c.number == replaced_scores.c.number)
        with self.database.reading() as connection:
            promised = [
                dict(row) for row in connection.execute(sa.select(promises)).mappings()
            ]
            tallies = [
                sentence
                for table in (scores, replaced_scores)
                for sentence in broken_tally(
                    table.name,
                    stated_tally(connection, table),
                    made_tally(connection, table),
                )
            ]
            return (
                *self.database.broken_pages(connection),
                *broken_replaced(connection.execute(replaced)),
                *broken_promises(promised),
                *tallies,
            )

    def _table(self, *, symbol: str | None, late: bool) -> Table:
        own = forecasts.c
        query = (
            sa.select(own.model, own.symbol, own.cutoff, *scores.c)
            .join(scores, scores.c.number == own.number)
            .where(own.late == late)
        )
        if symbol is not None:
            query = query.where(own.symbol == symbol)
        with self.database.reading() as connection:
            return table_of(connection.execute(query).all())


def _moment(as_of: dt.datetime | None) -> dt.datetime:
    now = dt.datetime.now(dt.UTC) if as_of is None else as_of
    return now.astimezone(dt.UTC).replace(microsecond=0)


def _head(connection: Connection) -> Head:
    identity = connection.execute(sa.select(ledgers.c.id)).scalar_one()
    own = forecasts.c
    last = connection.execute(
        sa.select(own.number, own.hash).order_by(own.number.desc()).limit(1)
    ).first()
    if last is None:
        return Head(ledger=identity, number=0, hash=chain.genesis(identity))
    return Head(ledger=identity, number=last.number, hash=last.hash)


def _newest_version(connection: Connection, model: str) -> str:
    # first cutoff of the model that forecast last
    own = forecasts.c
    mine = sa.select(own.model_hash).where(own.model == model)
    newest = mine.order_by(own.number.desc()).limit(1).scalar_subquery()
    query = sa.select(sa.func.min(own.cutoff)).where(
        own.model == model, own.model_hash == newest
    )
    return connection.execute(query).scalar() or "0001-01-01"


def _start(connection: Connection, number: int) -> Head:
    # the row after which a chain is followed
    identity = connection.execute(sa.select(ledgers.c.id)).scalar_one()
    own = _hashes(connection, [number]).get(number, chain.genesis(identity))
    return Head(ledger=identity, number=number, hash=own)


def _hashes(connection: Connection, numbers: Sequence[int]) -> dict[int, str]:
    own, found = forecasts.c, dict[int, str]()
    for at in range(0, len(numbers), CHUNK):
        query = sa.select(own.number, own.hash)
        part = connection.execute(query.where(own.number.in_(numbers[at : at + CHUNK])))
        found |= {row.number: row.hash for row in part}
    return found


def _by_number(connection: Connection, numbers: Sequence[int]) -> list[Entry]:
    found = []
    for at in range(0, len(numbers), CHUNK):
        query = sa.select(forecasts).where(
            forecasts.c.number.in_(numbers[at : at + CHUNK])
        )
        part = connection.execute(query.order_by(forecasts.c.number))
        found += [rows.entry_of(row) for row in part]
    return found


def _require_forward(connection: Connection, head: Head, now: dt.datetime) -> None:
    newest = connection.execute(
        sa.select(forecasts.c.as_of).where(forecasts.c.number == head.number)
    ).scalar()
    if newest is not None and now < rows.moment_of(newest):
        raise LedgerError(
            f"Expected a clock that goes forward, got {chain.written(now)} after a "
            f"forecast recorded at {newest}. Set this machine's clock right; if the "
            "recorded time was the wrong one, begin a new ledger."
        )


def _require_past(publication: Publication, now: dt.datetime) -> None:
    first = next(iter(publication.forecasts.values()))
    newest = first.cutoffs.max().astype("datetime64[D]").item()
    if newest > now.date():
        raise LedgerError(
            f"Expected cutoffs that are over, got {newest} on {chain.written(now)}. "
            "Look for a wrong clock or for bars of the future."
        )


def _recorded(
    connection: Connection, publication: Publication
) -> dict[tuple[str, str, str], bytes]:
    # quantiles of what is there already, by symbol, model and cutoff
    first = next(iter(publication.forecasts.values()))
    cutoffs = np.unique(first.cutoffs).astype("datetime64[D]").astype(str).tolist()
    own = forecasts.c
    query = sa.select(own.symbol, own.model, own.cutoff, own.quantiles).where(
        own.cutoff.in_(cutoffs), own.model.in_(list(publication.forecasts))
    )
    asked = {
        (str(symbol), model, str(cutoff))
        for model in publication.forecasts
        for symbol, cutoff in zip(
            first.symbols, first.cutoffs.astype("datetime64[D]"), strict=True
        )
    }
    found = connection.execute(query)
    return {
        (row.symbol, row.model, row.cutoff): bytes(row.quantiles)
        for row in found
        if (row.symbol, row.model, row.cutoff) in asked
    }


def _entries(
    publication: Publication,
    now: dt.datetime,
    head: Head,
    there: dict[tuple[str, str, str], bytes],
) -> Iterator[Entry]:
    # new rows, each chained to the one before: symbol after symbol, model after model
    first = next(iter(publication.forecasts.values()))
    late = publication.late(now)
    number, previous = head.number, head.hash
    for at in range(len(first)):
        for model, forecast in publication.forecasts.items():
            cutoff = forecast.cutoffs[at].astype("datetime64[D]").item()
            if (str(forecast.symbols[at]), model, cutoff.isoformat()) in there:
                continue
            number += 1
            entry = _entry(publication, model, forecast, at)
            entry = replace(
                entry, number=number, as_of=now, late=bool(late[at]), previous=previous
            )
            entry = replace(entry, hash=chain.hash_of(entry))
            previous = entry.hash
            yield entry


def _entry(publication: Publication, model: str, forecast: Forecast, at: int) -> Entry:
    return Entry(
        number=0,
        model=model,
        symbol=str(forecast.symbols[at]),
        cutoff=forecast.cutoffs[at].astype("datetime64[D]").item(),
        target_dates=tuple(forecast.target_dates[at].astype("datetime64[D]").tolist()),
        last_close=float(forecast.last_close[at]),
        mean=forecast.mean[at].astype(np.float32),
        quantiles=forecast.quantiles[at].astype(np.float32),
        as_of=dt.datetime.min,
        data_hash=publication.data_hash,
        model_hash=publication.model_hashes[model],
        code=publication.code,
        late=False,
        previous="",
        hash="",
    )


def _differing(
    publication: Publication, there: dict[tuple[str, str, str], bytes]
) -> int:
    differing = 0
    for model, forecast in publication.forecasts.items():
        for at in range(len(forecast)):
            cutoff = str(forecast.cutoffs[at].astype("datetime64[D]"))
            stored = there.get((str(forecast.symbols[at]), model, cutoff))
            differing += stored not in {None, chain.packed(forecast.quantiles[at])}
    return differing


def _open_entries(connection: Connection, bars: Bars) -> Iterator[list[Entry]]:
    # Forecasts whose last step is not scored yet, and the newest, that may be
    # corrected: those of one horizon together.
    own = forecasts.c
    since = bars.dates.max() - np.timedelta64(REVISITED_DAYS, "D")
    done = (
        sa.select(scores.c.number)
        .where(scores.c.number == own.number, scores.c.step == own.horizon)
        .exists()
    )
    query = sa.select(own.number, own.horizon, own.symbol).where(
        own.cutoff >= str(bars.dates.min()), sa.or_(own.cutoff >= str(since), ~done)
    )
    known, numbers = set(bars.symbols), dict[int, list[int]]()
    for row in connection.execute(query.order_by(own.number)):
        if row.symbol in known:
            numbers.setdefault(row.horizon, []).append(row.number)
    for of_horizon in numbers.values():
        for at in range(0, len(of_horizon), CHUNK):
            yield _by_number(connection, of_horizon[at : at + CHUNK])


def _score(
    connection: Connection, entries: list[Entry], bars: Bars, now: dt.datetime
) -> Matured:
    outcome = outcome_of(entries, bars)
    known = {
        (score.number, score.step): score
        for scored in _scores(connection, [entry.number for entry in entries]).values()
        for score in scored
    }
    hashes = {entry.number: entry.hash for entry in entries}
    found = [
        replace(one, hash=score_hash(one, hashes[one.number]))
        for one in scores_of(entries, outcome, now, bars.fingerprint)
    ]
    fresh = [one for one in found if (one.number, one.step) not in known]
    moved = [
        one
        for one in found
        if (one.number, one.step) in known
        and abs(one.truth - known[one.number, one.step].truth) > SAME_RETURN
    ]
    old = [known[one.number, one.step] for one in moved]
    for before, after in zip(old, moved, strict=True):
        _replace(connection, before, after, hashes[after.number], now)
    if fresh:
        connection.execute(scores.insert(), [rows.score_row_of(one) for one in fresh])
    tally = stated_tally(connection, scores).plus((one.hash for one in old), sign=-1)
    keep_tally(connection, scores, tally.plus(one.hash for one in fresh + moved))
    held_back = int(outcome.held_back.sum())
    waiting = outcome.truth.size - len(found) - held_back
    return Matured(
        scored=len(fresh), corrected=len(moved), held_back=held_back, waiting=waiting
    )


def _replace(
    connection: Connection,
    old: Score,
    new: Score,
    forecast_hash: str,
    now: dt.datetime,
) -> None:
    kept = rows.score_row_of(old) | {
        "replaced_at": chain.written(now),
        "hash": score_hash(old, forecast_hash, now),
    }
    connection.execute(replaced_scores.insert(), [kept])
    tally = stated_tally(connection, replaced_scores).plus([kept["hash"]])
    keep_tally(connection, replaced_scores, tally)
    own = scores.c
    connection.execute(
        scores.update()
        .where(own.number == old.number, own.step == old.step)
        .values(**rows.score_row_of(new))
    )


def _scores(
    connection: Connection, numbers: Sequence[int]
) -> dict[int, tuple[Score, ...]]:
    found: dict[int, tuple[Score, ...]] = {}
    for at in range(0, len(numbers), CHUNK):
        query = (
            sa.select(scores)
            .where(scores.c.number.in_(numbers[at : at + CHUNK]))
            .order_by(scores.c.number, scores.c.step)
        )
        found |= rows.scores_by_number(connection.execute(query))
    return found


def _chunks(connection: Connection, query: sa.Select[Any]) -> Iterator[list[Entry]]:
    with connection.execute(query.execution_options(yield_per=CHUNK)) as result:
        for part in result.partitions():
            yield [rows.entry_of(row) for row in part]
