"""Coin exchanges, read by ccxt: any exchange that gives daily candles.

A day is a day of UTC, and a candle carries the time at which it opens. The running one
is final at the next midnight, whether an exchange sends it or not.
"""

import datetime as dt
from functools import cache
from typing import Any

from closecast.market.vendors.http import Watch
from closecast.market.vendors.wire import Fault, Listing, Question, Table

DAY_MS = 86_400_000

FIRST_DAY = "2010-07-17"
"""No exchange traded coins before."""

FEW, MANY = 100, 1000
"""Candles of one request: where ccxt knows no limit, and at most."""

COLUMNS = ("open", "high", "low", "close", "volume")


def calendar(symbol: str) -> str:  # noqa: ARG001
    """Name the calendar of a symbol.

    Args:
        symbol: Any.

    Returns:
        Coins trade around the clock.
    """
    return "24/7"


def answer(question: Question) -> Table | Listing:
    """Answer a question, inside the exchange's process.

    Args:
        question: What is asked.

    Returns:
        Candles of whole days, or today's symbols.

    Raises:
        Fault: There are none.
    """
    import ccxt

    watch = _watch()
    watch.last, watch.timeout_s = None, question.timeout_s
    try:
        exchange = _exchange(question.market)
        exchange.timeout = int(question.timeout_s * 1000)
        exchange.load_markets()
        if question.verb == "universe":
            return _listing(exchange, question)
        return _history(exchange, question)
    except (ccxt.RateLimitExceeded, ccxt.DDoSProtection) as error:
        raise Fault(
            kind="limited", why=_words(error), retry_after_s=watch.retry_after_s()
        ) from error
    except (ccxt.BadSymbol, ccxt.NotSupported) as error:
        raise Fault(kind="unknown", why=_words(error)) from error
    except (ccxt.PermissionDenied, ccxt.AuthenticationError) as error:
        raise Fault(kind="refused", why=_words(error)) from error
    except ccxt.BaseError as error:
        raise Fault(kind="unavailable", why=_words(error)) from error


@cache
def _watch() -> Watch:
    watch = Watch()
    watch.install(strict=False)
    return watch


@cache
def _exchange(name: str) -> Any:  # noqa: ANN401  ccxt's exchange
    import ccxt

    if name not in ccxt.exchanges:
        message = f"ccxt has no exchange {name!r}"
        raise Fault(kind="unknown", why=message)
    return getattr(ccxt, name)(
        {
            "enableRateLimit": True,
            "requests_trust_env": True,  # a proxy of the user's counts here too
            "options": {"fetchMarkets": {"types": ["spot"]}},
        }
    )


def _history(exchange: Any, question: Question) -> Table:  # noqa: ANN401
    candles = {moment: values for moment, *values in _pages(exchange, question)}
    if not candles:
        raise Fault(kind="empty", why="no candle between the dates")
    moments = sorted(candles)
    odd = [moment for moment in moments if moment % DAY_MS]
    if odd:
        message = f"candles that open at {_utc(odd[0]).time()} UTC and not at midnight"
        raise Fault(kind="refused", why=message)
    rows = [candles[moment] for moment in moments]
    return Table(
        date=[str(_utc(moment).date()) for moment in moments],
        columns={
            name: [_number(row[at]) for row in rows] for at, name in enumerate(COLUMNS)
        },
        last_final_at=_utc(moments[-1] + DAY_MS).isoformat(),
    )


def _pages(exchange: Any, question: Question) -> Any:  # noqa: ANN401  candles
    """Go through the candles; an empty page may only mean: not listed yet."""
    cursor = _ms(question.start or FIRST_DAY)
    last = _ms(question.end)
    limit = _limit(exchange)
    while cursor <= last:
        page = exchange.fetch_ohlcv(question.symbol, "1d", since=cursor, limit=limit)
        _refuse_broken()
        fresh = [candle for candle in page if cursor <= candle[0] <= last]
        yield from fresh
        newest = max((candle[0] for candle in fresh), default=None)
        cursor = cursor + limit * DAY_MS if newest is None else newest + DAY_MS


def _limit(exchange: Any) -> int:  # noqa: ANN401
    spot = (exchange.features or {}).get("spot") or {}
    return min((spot.get("fetchOHLCV") or {}).get("limit") or FEW, MANY)


def _refuse_broken() -> None:
    # ccxt makes an empty page of an answer that breaks off: a gap without a word.
    try:
        _watch().last.json()
    except ValueError as error:
        raise Fault(kind="unavailable", why="an answer that breaks off") from error


def _listing(exchange: Any, question: Question) -> Listing:  # noqa: ANN401
    today = _utc(int(exchange.milliseconds())).date()
    if abs((today - dt.date.fromisoformat(question.end)).days) > 1:
        message = f"exchanges list today's symbols alone, not those of {question.end}"
        raise Fault(kind="refused", why=message)
    markets = exchange.markets.values()
    return Listing(
        symbols=sorted(
            market["symbol"]
            for market in markets
            if market.get("spot") and market.get("active") is not False
        )
    )


def _number(value: Any) -> float | None:  # noqa: ANN401
    return None if value is None else float(value)


def _utc(moment_ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(moment_ms / 1000, dt.UTC)


def _ms(day: str) -> int:
    midnight = dt.datetime.combine(dt.date.fromisoformat(day), dt.time(), dt.UTC)
    return int(midnight.timestamp()) * 1000


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
