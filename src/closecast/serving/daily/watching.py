"""``--watch``: the daily job again after each close, until it is stopped."""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from closecast.errors import ClosecastError, IntegrityError
from closecast.market.calendar import (
    ALWAYS,
    AUTO,
    exchange_sessions,
    market_of,
    session_closes,
)
from closecast.market.panels import bars_of
from closecast.serving.daily.clock import WallClock
from closecast.serving.daily.config import DailyConfig
from closecast.serving.daily.job import Done, daily

NAP_S = 60.0
"""Longest sleep: a machine that was suspended wakes up to a new time."""

AHEAD = 15
"""Days that are looked ahead: no exchange rests longer."""

MOST_RETRIES = 12
"""Runs that find no new bar before the next close is waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Whom the watch tells what it does.

    Attributes:
        done: Told of every run.
        failed: Told of a run that ended with an error.
        waiting: Told until when it waits.
    """

    done: Callable[[Done], None]
    failed: Callable[[Exception], None]
    waiting: Callable[[dt.datetime], None]


def watch(
    config: DailyConfig,
    told: Told,
    clock: WallClock | None = None,
    *,
    runs: int | None = None,
) -> None:
    """Run the job now, and again after each close.

    Args:
        config: The settings.
        told: Whom to tell.
        clock: Where time comes from.
        runs: Runs at most; for ever by default.

    Raises:
        IntegrityError: The ledger is not as it was written: that mends itself never.
    """
    clock = clock or WallClock()
    expected, retries, made = False, 0, 0
    while runs is None or made < runs:
        made += 1
        done = _once(config, told, clock)
        missing = done is None or (expected and not done.cutoffs)
        retries = retries + 1 if missing else 0
        now = clock.now()
        close = next_run(_markets(config), now, config.watch.delay_minutes)
        soon = now + dt.timedelta(minutes=config.watch.retry_minutes)
        patient = missing and retries <= MOST_RETRIES
        until = min(soon, close) if patient else close
        expected = expected or until == close
        told.waiting(until)
        _sleep_until(until, clock)


def next_run(
    markets: Iterable[str], now: dt.datetime, delay_minutes: float
) -> dt.datetime:
    """Say when the next session is over for long enough.

    Args:
        markets: Codes of exchanges, or ``24/7``.
        now: The time.
        delay_minutes: How long after a close.

    Returns:
        The first close of any market, with the delay, after now, UTC.
    """
    delay = dt.timedelta(minutes=delay_minutes)
    today = np.datetime64(now.astimezone(dt.UTC).date(), "D")
    found: list[dt.datetime] = []
    for market in markets:
        days = _sessions(market, today)
        closes: list[dt.datetime] = session_closes(market, days).tolist()
        found += [close.replace(tzinfo=dt.UTC) + delay for close in closes]
    return min(moment for moment in found if moment > now)


def _once(config: DailyConfig, told: Told, clock: WallClock) -> Done | None:
    try:
        done = daily(config, clock)
    except IntegrityError:
        raise
    except (ClosecastError, OSError) as error:
        told.failed(error)
        return None
    told.done(done)
    return done


def _markets(config: DailyConfig) -> list[str]:
    if config.calendar != AUTO:
        return [config.calendar]
    try:
        bars = bars_of(config.prices)
    except (ClosecastError, OSError):  # told by the run; look again after any close
        return [ALWAYS]
    found = {market_of(bars.dates[start:end]) for _, start, end in bars} - {""}
    return sorted(found) or [ALWAYS]


def _sessions(market: str, today: np.datetime64) -> np.ndarray:
    days = today + np.arange(-1, AHEAD)
    if market == ALWAYS:
        return days
    year = int(today.astype("datetime64[Y]").astype(int)) + 1970
    return np.intersect1d(exchange_sessions(market, year - 1, year + 1), days)


def _sleep_until(moment: dt.datetime, clock: WallClock) -> None:
    while (left := (moment - clock.now()).total_seconds()) > 0:
        clock.sleep(min(left, NAP_S))
