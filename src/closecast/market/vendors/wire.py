"""What passes between closecast and the process that holds a vendor's library.

A question and its answer are one line of JSON each. Only the standard library is used
here: the vendor's process may run under a Python that has nothing else of ours.
"""

import datetime as dt
import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

FaultKind = Literal["limited", "unavailable", "refused", "unknown", "empty", "missing"]

PASSING: frozenset[str] = frozenset({"limited", "unavailable"})
"""Faults that another attempt may not meet."""


class Fault(Exception):  # noqa: N818  it becomes a VendorError on our side
    """A vendor did not give what was asked for.

    Attributes:
        kind: ``limited`` (too many requests), ``unavailable`` (errors of the server or
            the network, answers that break off), ``refused`` (not allowed), ``unknown``
            (no such symbol), ``empty`` (no data), ``missing`` (no library).
        why: What happened, without a full stop.
        retry_after_s: Seconds that the vendor asks to wait.
    """

    def __init__(
        self, *, kind: FaultKind, why: str, retry_after_s: float | None = None
    ) -> None:
        super().__init__(why)
        self.kind: FaultKind = kind
        self.why = why
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a vendor is asked.

    Attributes:
        verb: ``history`` of a symbol or the ``universe`` of symbols.
        market: The exchange, for a vendor of many.
        symbol: As the vendor writes it.
        start: First session, YYYY-MM-DD.
        end: Last session, included.
        timeout_s: Seconds for one request over the network.
    """

    verb: str
    market: str = ""
    symbol: str = ""
    start: str | None = None
    end: str
    timeout_s: float


@dataclass(frozen=True, kw_only=True)
class Table:
    """A vendor's daily bars, oldest first, as it gave them.

    Attributes:
        date: Session of each bar in the exchange's own calendar, YYYY-MM-DD.
        columns: Open, high, low, close, volume, perhaps adj_close, dividend and split;
            None where the vendor gave no number.
        last_final_at: When the last bar can change no more, ISO 8601 in UTC.
        remarks: What the vendor's file did or saw.
    """

    date: list[str]
    columns: dict[str, list[float | None]]
    last_final_at: str
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Symbols of a vendor.

    Attributes:
        symbols: As the vendor writes them.
        remarks: What the vendor's file did or saw.
    """

    symbols: list[str]
    remarks: list[str] = field(default_factory=list)


def encoded(question: Question) -> str:
    """Write a question.

    Args:
        question: What is asked.

    Returns:
        One line.
    """
    return json.dumps(asdict(question)) + "\n"


def answered(answer: Table | Listing | Fault) -> str:
    """Write an answer.

    Args:
        answer: Data, or why there are none.

    Returns:
        One line.
    """
    if isinstance(answer, Fault):
        words: dict[str, Any] = {"kind": answer.kind, "why": answer.why}
        return _line("Fault", words | {"retry_after_s": answer.retry_after_s})
    return _line(type(answer).__name__, asdict(answer))


def decoded(line: str) -> Table | Listing:
    """Read an answer.

    Args:
        line: As ``answered`` wrote it.

    Returns:
        The data.

    Raises:
        Fault: The vendor gave none.
    """
    document = json.loads(line)
    what, content = document["what"], document["content"]
    if what == "Fault":
        raise Fault(**content)
    return Table(**content) if what == "Table" else Listing(**content)


def at(day: dt.date, hour: int, zone: str) -> str:
    """Write a moment of an exchange's day.

    Args:
        day: The day there.
        hour: The hour there.
        zone: Its time zone, as in ``Asia/Seoul``.

    Returns:
        ISO 8601 in UTC.
    """
    from zoneinfo import ZoneInfo

    there = dt.datetime.combine(day, dt.time(hour), ZoneInfo(zone))
    return there.astimezone(dt.UTC).isoformat()


def _line(what: str, content: dict[str, Any]) -> str:
    return json.dumps({"what": what, "content": content}) + "\n"
