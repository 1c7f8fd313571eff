"""Naver Finance, read by FinanceDataReader: shares of the Korea Exchange.

Naver adjusts prices for splits and gives whole won, so that old prices of a share
that was split often are coarse. FinanceDataReader's road to Yahoo is not taken: it
takes the UTC date, which is yesterday for exchanges that open before 00:00 UTC.
"""

import datetime as dt
import re
from functools import cache

from closecast.market.vendors.http import Watch
from closecast.market.vendors.wire import Fault, Listing, Question, Table, at

CODE = re.compile(r"\d{4}[0-9A-Z]{2}")

COLUMNS = ("Open", "High", "Low", "Close", "Volume")

FINAL_HOUR = 18
"""Seoul: trading after hours has ended."""

COUNT = 6000
"""Sessions that Naver gives at most, as FinanceDataReader asks."""


def calendar(symbol: str) -> str:  # noqa: ARG001
    """Name the calendar of a symbol.

    Args:
        symbol: Any.

    Returns:
        The Korea Exchange's code.
    """
    return "XKRX"


def answer(question: Question) -> Table | Listing:
    """Answer a question, inside Naver's process.

    Args:
        question: What is asked.

    Returns:
        Bars, or today's symbols.

    Raises:
        Fault: There are none.
    """
    watch = _watch()
    watch.timeout_s = question.timeout_s
    if question.verb == "universe":
        return _listing(question)
    if not CODE.fullmatch(question.symbol):
        message = f"{question.symbol} is no code of six digits such as 005930"
        raise Fault(kind="unknown", why=message)
    return _history(question, watch)


@cache
def _watch() -> Watch:
    watch = Watch()
    watch.install(strict=True)
    return watch


def _history(question: Question, watch: Watch) -> Table:
    import FinanceDataReader as Reader

    frame = Reader.DataReader(f"NAVER:{question.symbol}", question.start, question.end)
    if "</chartdata>" not in watch.last.text:
        raise Fault(kind="unavailable", why="an answer that breaks off")
    if frame.empty:
        message = "no row: no such code, or no session between the dates"
        raise Fault(kind="empty", why=message)
    dates = [stamp.date() for stamp in frame.index]
    remarks = []
    if watch.last.text.count("<item ") >= COUNT:
        remarks = [f"Naver gives the newest {COUNT} sessions; older ones are missing."]
    return Table(
        date=[str(date) for date in dates],
        columns={
            name.lower(): [float(value) for value in frame[name]] for name in COLUMNS
        },
        last_final_at=at(dates[-1], FINAL_HOUR, "Asia/Seoul"),
        remarks=remarks,
    )


def _listing(question: Question) -> Listing:
    import FinanceDataReader as Reader

    today = dt.datetime.now(dt.UTC).date()
    if abs((today - dt.date.fromisoformat(question.end)).days) > 1:
        message = f"Naver lists today's symbols alone, not those of {question.end}"
        raise Fault(kind="refused", why=message)
    frame = Reader.StockListing("KRX")
    return Listing(symbols=sorted(str(code) for code in frame["Code"]))
