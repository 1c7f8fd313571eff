"""One run of the daily job: each step is done once, in order, and stays done.

Killed at any moment, the next run goes on where this one stopped: prices are stored
whole or not at all, a date's forecasts are one transaction, scores and promises follow
from what is stored, and a notice is written down before it is sent.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from closecast.durable import write_durably
from closecast.errors import IntegrityError, SettingError
from closecast.market.bars import Bars
from closecast.market.checkup import Checkup
from closecast.market.panels import bars_of
from closecast.market.pulling import Pulled, pull_into
from closecast.market.store import Store
from closecast.market.store.lock import writing
from closecast.reports.daily import daily_page, notice_text
from closecast.reports.language import words_of
from closecast.serving.daily.clock import WallClock
from closecast.serving.daily.config import DailyConfig
from closecast.serving.daily.notify import Failure, send
from closecast.serving.daily.patience import Tell, until_it_answers
from closecast.serving.daily.pending import Due, due, finished
from closecast.serving.daily.summary import summary_of, told_of
from closecast.serving.daily.voices import Voices
from closecast.serving.ledger import Ledger, Matured, Publication, Recorded
from closecast.serving.ledger.adaptation import (
    adapted,
    keep_promise,
    newest_promise,
)
from closecast.serving.ledger.ledger import MODEL
from closecast.serving.ledger.outbox import last_told, tick_off, unsent, write_notices

PAGE, RECEIPTS = "daily.html", "receipts.jsonl"

WAIT_S = 0.5
"""Seconds to wait for another run: it may be about to end."""

LATEST = 60
"""Receipts back from which a run follows the chain; ``ledger verify`` follows all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a run did.

    Attributes:
        as_of: When.
        model_hash: SHA-256 that stands for the model that forecast.
        version: Its number on the shelf; None for a model that is on none.
        dry: Whether nothing was written.
        pulled: What came from the vendor; None where nothing was asked for.
        cutoffs: Dates that were forecast, oldest first.
        recorded: What became of each.
        matured: Steps that were scored, corrected, held back and waiting.
        adapted: Windows by which the intervals were adapted.
        summary: What page and notices say, plain values.
        failures: Notices that could not be sent; the next run tries again.
        notes: What was left out, and what to know.
    """

    as_of: dt.datetime
    model_hash: str
    version: int | None
    dry: bool
    pulled: Pulled | None
    cutoffs: tuple[dt.date, ...]
    recorded: tuple[Recorded, ...]
    matured: Matured
    adapted: int
    summary: Mapping[str, Any]
    failures: tuple[Failure, ...]
    notes: tuple[str, ...]


def daily(
    config: DailyConfig, clock: WallClock | None = None, *, tell: Tell | None = None
) -> Done:
    """Run the job once.

    Args:
        config: The settings.
        clock: Where time comes from.
        tell: Told what a vendor did not give, and of a database that is away.

    Returns:
        What was done.

    Raises:
        BarsError: The prices cannot be read.
        IntegrityError: The newest part of the ledger, or the shelf, is not as it was
            written.
        LedgerError: The ledger does not answer for minutes, or the clock went back.
        ModelError: The model is missing or damaged.
        SettingError: A setting does not fit.
        StoreBusyError: Another run goes on.
    """
    clock = clock or WallClock()
    words_of(config.language)  # an unknown one is told before the work, not after it
    return until_it_answers(lambda: _attempt(config, clock, tell), clock, tell)


def rehearse(config: DailyConfig, clock: WallClock | None = None) -> Done:
    """Say what a run would forecast, and write nothing.

    Args:
        config: The settings. No vendor is asked: the prices are read as they are.
        clock: Where time comes from.

    Returns:
        What would be recorded, as in ``daily``.

    Raises:
        BarsError: The prices cannot be read.
        LedgerError: There is a ledger that cannot be read.
        ModelError: The model is missing or damaged.
        SettingError: A setting does not fit.
    """
    now = (clock or WallClock()).now()
    voices = Voices.of(config)
    bars, notes = _prices(config, now)
    known = _recorded(config)
    cutoffs, shown = [], []
    for one in due(bars, known, voices.forecaster.spec):
        forecasts, hashes = voices.forecasts(
            one.known, one.rows, voices.first_promise(one.known)
        )
        publication = Publication.of(
            forecasts,
            one.known,
            model_hashes=hashes,
            calendar=config.calendar,
            seen=bars,
        )
        cutoffs.append(one.date)
        shown += _previewed(publication, now)
    return Done(
        as_of=now,
        model_hash=voices.model_hash,
        version=voices.version,
        dry=True,
        pulled=None,
        cutoffs=tuple(cutoffs),
        recorded=(),
        matured=Matured(),
        adapted=0,
        summary={"forecasts": shown},
        failures=(),
        notes=notes,
    )


def _attempt(config: DailyConfig, clock: WallClock, tell: Tell | None) -> Done:
    voices = Voices.of(config)
    config.home.mkdir(parents=True, exist_ok=True)
    receipts = config.home / RECEIPTS if "://" in config.ledger else None
    with (
        writing(config.home, WAIT_S),
        Ledger.open(config.ledger, receipts=receipts) as ledger,
    ):
        _require_whole(ledger)
        ledger.keep_receipt()
        return _run(config, clock, voices, ledger, tell)


def _run(
    config: DailyConfig,
    clock: WallClock,
    voices: Voices,
    ledger: Ledger,
    tell: Tell | None,
) -> Done:
    now = clock.now()
    ledger.require_forward(now)
    pulled = _pulled(config, tell)
    bars, notes = _prices(config, now)
    known = {one.symbol: one.last for one in ledger.symbols()}
    cutoffs, recorded, matured, counted = [], [], [], 0
    for one in due(bars, known, voices.forecaster.spec):
        matured.append(ledger.score(one.known, now))
        counted += _adapt(ledger, voices, one.known, now)
        cutoffs.append(one.date)
        recorded.append(_record(config, voices, ledger, one, bars, now))
    matured.append(ledger.score(bars, now))
    counted += _adapt(ledger, voices, bars, now)
    checkup = Checkup.of(bars)
    summary = summary_of(ledger, _last_told(ledger), checkup, now)
    _publish(config, ledger, summary, now)
    return Done(
        as_of=now,
        model_hash=voices.model_hash,
        version=voices.version,
        dry=False,
        pulled=pulled,
        cutoffs=tuple(cutoffs),
        recorded=tuple(recorded),
        matured=_total(matured),
        adapted=counted,
        summary=summary,
        failures=_sent(config, clock, ledger),
        notes=(*notes, *(pulled.notes if pulled else ())),
    )


def _previewed(publication: Publication, now: dt.datetime) -> list[dict[str, Any]]:
    forecast, late = publication.forecasts[MODEL], publication.late(now)
    return [
        told_of(forecast.take(np.array([at])), late=bool(late[at]))
        for at in range(len(forecast))
    ]


def _require_whole(ledger: Ledger) -> None:
    wrong = ledger.verify(newest=LATEST)
    if wrong:
        raise IntegrityError(
            f"Expected a ledger as it was written, got: {' '.join(wrong[:3])} "
            f"({ledger.name}). Nothing was recorded. Look who changed it, and restore "
            "it from a copy."
        )


def _pulled(config: DailyConfig, tell: Tell | None) -> Pulled | None:
    if config.pull is None:
        return None

    def failed(error: Exception) -> None:
        if tell is not None:
            tell(str(error))

    store = Store(config.pull.store or None)
    return pull_into(store, config.pull.vendor, config.pull.symbols, on_failure=failed)


def _prices(config: DailyConfig, now: dt.datetime) -> tuple[Bars, tuple[str, ...]]:
    sessions = finished(bars_of(config.prices), now, config.calendar)
    return sessions.bars, sessions.notes


def _recorded(config: DailyConfig) -> dict[str, dt.date]:
    # newest recorded cutoffs, without making a ledger where there is none
    if "://" not in config.ledger and not Path(config.ledger).is_file():
        return {}
    with Ledger.open(config.ledger, create=False) as ledger:
        return {one.symbol: one.last for one in ledger.symbols()}


def _adapt(ledger: Ledger, voices: Voices, bars: Bars, now: dt.datetime) -> int:
    # the first time, begin with what the bars say; from then on count what is recorded
    if not voices.adapts:
        return 0
    with ledger.database.reading() as connection:
        there = newest_promise(connection, voices.model_hash) is not None
    first = None if there else voices.first_promise(bars)
    with ledger.database.writing() as connection:
        if first is not None:
            keep_promise(connection, voices.model_hash, first, now)
        return adapted(connection, MODEL, voices.model_hash, now)


def _record(
    config: DailyConfig,
    voices: Voices,
    ledger: Ledger,
    one: Due,
    bars: Bars,
    now: dt.datetime,
) -> Recorded:
    with ledger.database.reading() as connection:
        promise = newest_promise(connection, voices.model_hash)
    if promise is None:
        promise = voices.first_promise(one.known)
    forecasts, hashes = voices.forecasts(one.known, one.rows, promise)
    publication = Publication.of(
        forecasts,
        one.known,
        model_hashes=hashes,
        calendar=config.calendar,
        seen=bars,
    )
    return ledger.record(publication, now)


def _last_told(ledger: Ledger) -> tuple[int, str]:
    with ledger.database.reading() as connection:
        return last_told(connection)


def _publish(
    config: DailyConfig, ledger: Ledger, summary: Mapping[str, Any], now: dt.datetime
) -> None:
    # page and file where there are news; a notice of each new head
    words, page = words_of(config.language), config.home / PAGE
    text = notice_text(summary, words)
    news = summary["forecasts"] or summary["matured"]["steps"]
    if news or not page.is_file():
        write_durably(page, daily_page(summary, words).encode())
        if config.notice:
            write_durably(_made(config.notice), (text + "\n").encode())
    head = ledger.head
    channels = [name for name in ("webhook", "mail") if getattr(config, name)]
    with ledger.database.writing() as connection:
        if head.number > last_told(connection)[0]:
            body = {**summary, "text": text}
            write_notices(connection, head, channels or [""], body, now)


def _made(path: str) -> Path:
    place = Path(path)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(
            f"Expected a place for the notice, got {error.strerror} ({place}). Choose "
            "another."
        ) from error
    return place


def _sent(config: DailyConfig, clock: WallClock, ledger: Ledger) -> tuple[Failure, ...]:
    with ledger.database.reading() as connection:
        waiting = unsent(connection)
    failures = []
    for notice in waiting:
        failure = send(notice, config, clock)
        if failure is not None:
            failures.append(failure)
            continue
        with ledger.database.writing() as connection:
            tick_off(connection, notice, clock.now())
    return tuple(failures)


def _total(parts: list[Matured]) -> Matured:
    last = parts[-1]
    return Matured(
        scored=sum(part.scored for part in parts),
        corrected=sum(part.corrected for part in parts),
        held_back=last.held_back,
        waiting=last.waiting,
    )
