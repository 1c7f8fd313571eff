"""Yahoo Finance, read by yfinance: shares, funds, indices and coins of the world.

Yahoo's open, high, low and close are adjusted for splits and not for dividends;
that is what is kept. The close that is adjusted for both comes beside it. Prices are
never repaired: yfinance's repair can invent splits. There is no list of symbols.
"""

import datetime as dt
from functools import cache
from typing import Any

from closecast.market.vendors.http import kind_of, retry_after_s
from closecast.market.vendors.wire import Fault, FaultKind, Listing, Question, Table

DELAY = dt.timedelta(minutes=30)
"""After the end of a session, until Yahoo has its last price for certain."""

COLUMNS = {
    "open": "Open",
    "high": "High",
    "low": "Low",
    "close": "Close",
    "volume": "Volume",
    "adj_close": "Adj Close",
    "dividend": "Dividends",
    "split": "Stock Splits",
}

FIRST_DAY = dt.date(1900, 1, 1)

EXCHANGES = {
    "": "XNYS",
    "KS": "XKRX",
    "KQ": "XKRX",
    "T": "XTKS",
    "L": "XLON",
    "HK": "XHKG",
    "PA": "XPAR",
    "DE": "XETR",
    "SS": "XSHG",
    "SZ": "XSHG",
    "TO": "XTSE",
    "AX": "XASX",
}


def calendar(symbol: str) -> str:
    """Name the calendar of a symbol.

    Args:
        symbol: As Yahoo writes it: AAPL, 005930.KS, BTC-USD.

    Returns:
        An exchange's code, ``24/7`` for coins, ``auto`` where the symbol says nothing.
    """
    if symbol.endswith("-USD"):
        return "24/7"
    _, _, suffix = symbol.partition(".")
    return EXCHANGES.get(suffix, "auto") if symbol[:1] != "^" else "auto"


def answer(question: Question) -> Table | Listing:
    """Answer a question, inside Yahoo's process.

    Args:
        question: What is asked.

    Returns:
        The bars.

    Raises:
        Fault: There are none.
    """
    if question.verb != "history":
        raise Fault(kind="refused", why="Yahoo has no list of symbols")
    session = _session()
    session.last = None
    frame, period = _asked(question, session)
    dates = [stamp.date() for stamp in frame.index]  # in the exchange's time zone
    columns = {
        name: [None if value != value else float(value) for value in frame[theirs]]  # noqa: PLR0124  NaN
        for name, theirs in COLUMNS.items()
    }
    columns["split"] = [ratio or 1.0 for ratio in columns["split"]]
    return Table(
        date=[str(date) for date in dates],
        columns=columns,
        last_final_at=_final_at(dates[-1], period),
    )


@cache
def _session() -> Any:  # noqa: ANN401  yfinance's kind of session
    import yfinance
    from curl_cffi import requests

    yfinance.config.debug.hide_exceptions = False

    class Session(requests.Session):  # type: ignore[misc]
        """Yahoo's session, which remembers its last answer."""

        last: Any = None

        def request(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401
            self.last = super().request(*args, **options)
            return self.last

    return Session(impersonate="chrome")


def _asked(question: Question, session: Any) -> tuple[Any, Any]:  # noqa: ANN401
    import yfinance
    from curl_cffi.requests.exceptions import HTTPError
    from yfinance.exceptions import YFException, YFRateLimitError, YFTickerMissingError

    ticker = yfinance.Ticker(question.symbol, session=session)
    end = dt.date.fromisoformat(question.end) + dt.timedelta(days=1)  # theirs excludes
    try:
        frame = ticker.history(
            start=question.start or str(FIRST_DAY),
            end=str(end),
            auto_adjust=False,
            actions=True,
            keepna=True,
            timeout=question.timeout_s,
        )
    except YFRateLimitError as error:
        wait = session.last and retry_after_s(session.last.headers)
        raise Fault(kind="limited", why=str(error), retry_after_s=wait) from error
    except YFTickerMissingError as error:
        raise Fault(kind=_why(session, "unknown"), why=str(error)) from error
    except HTTPError as error:
        raise Fault(kind=_why(session, "unavailable"), why=str(error)) from error
    except (YFException, ValueError, KeyError, TypeError) as error:
        message = f"{type(error).__name__}: {error}"
        raise Fault(kind="unavailable", why=message) from error
    if frame.empty:
        raise Fault(kind="empty", why="a table without rows")
    # Only this key: another one makes yfinance ask once more.
    return frame, ticker.history_metadata.get("currentTradingPeriod")


def _why(session: Any, otherwise: FaultKind) -> FaultKind:  # noqa: ANN401
    status = getattr(session.last, "status_code", 0)
    return kind_of(status) or otherwise


def _final_at(last: dt.date, period: dict[str, Any] | None) -> str:
    """Say when the last bar is final: after its session, if it is the running one."""
    end = ((period or {}).get("regular") or {}).get("end")
    if end is None:
        noon_after = dt.datetime.combine(last, dt.time(12), dt.UTC)
        return (noon_after + dt.timedelta(days=1)).isoformat()
    moment = end if isinstance(end, dt.datetime) else None
    moment = moment or dt.datetime.fromtimestamp(float(end), dt.UTC)
    there = moment - dt.timedelta(seconds=1)  # 24/7: midnight ends the day before
    if there.date() > last:
        return dt.datetime.combine(last, dt.time(), dt.UTC).isoformat()
    return (moment + DELAY).astimezone(dt.UTC).isoformat()
