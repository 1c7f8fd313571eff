"""The Korea Exchange itself, read by pykrx: raw prices and the listings of any day.

pykrx logs in when it is imported, with KRX_ID and KRX_PW from the environment, prints
the name it logs in with, changes matplotlib's fonts, and needs pandas below 3. All of
that stays in this vendor's process. Its adjusted prices are Naver's, so that only raw
ones are asked of it.
"""

import datetime as dt
import os
import re
from functools import cache
from typing import Any

from closecast.market.vendors.http import Watch
from closecast.market.vendors.wire import Fault, Listing, Question, Table, at

CODE = re.compile(r"[0-9A-Z]{6}")

COLUMNS = {
    "open": "시가",
    "high": "고가",
    "low": "저가",
    "close": "종가",
    "volume": "거래량",
}

FIRST_DAY = "1990-01-03"

FINAL_HOUR = 18
"""Seoul: trading after hours has ended."""

LOGIN = "https://data.krx.co.kr/contents/MDC/COMS/client/MDCCOMS001D1.cmd"


def calendar(symbol: str) -> str:  # noqa: ARG001
    """Name the calendar of a symbol.

    Args:
        symbol: Any.

    Returns:
        The exchange's code.
    """
    return "XKRX"


def answer(question: Question) -> Table | Listing:
    """Answer a question, inside the exchange's process.

    Args:
        question: What is asked.

    Returns:
        Raw bars, or the symbols that were listed on a day.

    Raises:
        Fault: There are none.
    """
    _watch().timeout_s = question.timeout_s
    stock = _logged_in()
    if question.verb == "universe":
        return _listing(stock, question)
    if not CODE.fullmatch(question.symbol):
        message = f"{question.symbol} is no code of six digits such as 005930"
        raise Fault(kind="unknown", why=message)
    return _history(stock, question)


@cache
def _watch() -> Watch:
    watch = Watch()
    watch.install(strict=True)
    return watch


def _logged_in() -> Any:  # noqa: ANN401  pykrx.stock
    if not (os.environ.get("KRX_ID") and os.environ.get("KRX_PW")):
        message = "the environment variables KRX_ID and KRX_PW are not both set"
        raise Fault(kind="refused", why=message)
    from pykrx import stock
    from pykrx.website.comm import get_session

    if get_session() is None:
        message = "the login with KRX_ID and KRX_PW was refused"
        raise Fault(kind="refused", why=message)
    return stock


def _history(stock: Any, question: Question) -> Table:  # noqa: ANN401
    from pykrx.website.krx.market.ticker import StockTicker

    known = StockTicker()
    if known.listed.empty:  # pykrx keeps a listing that failed: ask again
        type(known)._instance = None
        raise Fault(kind="unavailable", why="a list of symbols without rows")
    if known.get(question.symbol) is None:
        message = f"{question.symbol} is not and was never listed"
        raise Fault(kind="unknown", why=message)
    frame = stock.get_market_ohlcv_by_date(
        _compact(question.start or FIRST_DAY),
        _compact(question.end),
        question.symbol,
        adjusted=False,
    )
    if frame.empty:
        message = "no row: no session between the dates, or an answer not understood"
        raise Fault(kind="empty", why=message)
    dates = [stamp.date() for stamp in frame.index]
    return Table(
        date=[str(date) for date in dates],
        columns={
            name: [float(value) for value in frame[theirs]]
            for name, theirs in COLUMNS.items()
        },
        last_final_at=at(dates[-1], FINAL_HOUR, "Asia/Seoul"),
    )


def _listing(stock: Any, question: Question) -> Listing:  # noqa: ANN401
    codes = stock.get_market_ticker_list(_compact(question.end), market="ALL")
    if not len(codes):
        message = f"no symbol on {question.end}: a holiday, or before 2000"
        raise Fault(kind="empty", why=message)
    return Listing(symbols=sorted(str(code) for code in codes))


def _compact(day: str) -> str:
    return dt.date.fromisoformat(day).strftime("%Y%m%d")
