"""From what vendors write to sessions: the day that stands there, never another.

Day and month are told apart by the whole column; where it cannot tell, the caller
must. A stamp with a time zone keeps the calendar day it is written in.
"""

import datetime as dt
import re
from typing import Any, Literal

import numpy as np
from jaxtyping import Int, Shaped

from closecast.market.readers.cells import (
    EMPTY,
    Bad,
    Cells,
    is_broken,
    is_missing,
    shown,
)

Order = Literal["day", "month", "either", "none"]
"""Whether a column writes the day or the month first; ``none``: it does neither."""

CLOCK = (
    r"(?:[T ]+(?:오[전후] )?\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[AP]M)?"
    r"(?: ?(?:Z|(?:UTC|GMT)?[+-]\d{2}:?\d{2}|UTC|GMT))?)?"
)
"""A time of day behind a date, perhaps with its zone: it never moves the day."""

_YEAR_FIRST = re.compile(
    r"(\d{4})(?:([-/.]) ?(\d{1,2})\2 ?(\d{1,2})\.?|(\d{2})(\d{2})"
    rf"|[년年] ?(\d{{1,2}})[월月] ?(\d{{1,2}})[일日]){CLOCK}",
    re.ASCII,
)
_YEAR_LAST = re.compile(rf"(\d{{1,2}})([-/.])(\d{{1,2}})\2(\d{{4}}){CLOCK}", re.ASCII)
_MONTH_NAMED = re.compile(
    r"(?:[A-Z][a-z]{2,8},? )?(?:(?P<month>[A-Za-z]{3,9})\.? (?P<day>\d{1,2}),? |"
    r"(?P<day2>\d{1,2})[- ]?(?P<month2>[A-Za-z]{3,9})\.?[- ,]*)"
    rf"(?P<year>\d{{4}}){CLOCK}",
    re.ASCII,
)
_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august"),
    *("september", "october", "november", "december"),
)
_FIRST_YEAR, _LAST_YEAR = 1800, 2200

_PER_DAY = {10: 86_400, 13: 86_400_000, 16: 86_400_000_000, 19: 86_400 * 10**9}
"""Seconds, milliseconds, micro- and nanoseconds of a day, by the digits of a time."""

_HOURLY = 10
_NOON = 0.5
_TELLING = np.array([13.5, 14.5, 20.0, 21.0]) / 24
"""New York's open and close in UTC, in days: afternoons of the same day."""
_MIDNIGHT = 1 - 61 / 86_400


def to_days(
    cells: Cells, *, dayfirst: bool | None = None
) -> tuple[Shaped[np.ndarray, " row"], Bad]:
    """Read a column of dates.

    Args:
        cells: The column.
        dayfirst: Order of day and month where they stand before the year; None
            lets the column decide, and what it leaves open is bad.

    Returns:
        Sessions as ``datetime64[D]``, NaT where there is none, and the cells that
        are no date.
    """
    if isinstance(cells, np.ndarray) and cells.dtype.kind == "M":
        days = cells.astype("datetime64[D]")
        return days, {int(row): EMPTY for row in np.flatnonzero(np.isnat(days))}
    fast = at_once(cells)
    if fast is not None:
        return fast, {}
    entries = cells.tolist() if isinstance(cells, np.ndarray) else cells
    if dayfirst is None:
        dayfirst = {"day": True, "month": False}.get(order_of(entries))
    known: dict[Any, dt.date | None] = {}
    for cell in entries:
        if cell not in known:
            known[cell] = _day(cell, dayfirst)
    read = [known[cell] for cell in entries]
    bad = {row: shown(entries[row]) for row, day in enumerate(read) if day is None}
    return np.array(read, dtype="datetime64[D]"), bad


def order_of(cells: Cells) -> Order:
    """Tell whether a column writes the day or the month first.

    Args:
        cells: The column.

    Returns:
        The order that makes every cell a date.
    """
    if isinstance(cells, np.ndarray):
        return "none"
    texts = {cell.strip() for cell in {c for c in cells if isinstance(c, str)}}
    found = [m for m in map(_YEAR_LAST.fullmatch, texts) if m is not None]
    if not found:
        return "none"
    allowed = {
        "day": all(_pick(match, dayfirst=True) for match in found),
        "month": all(_pick(match, dayfirst=False) for match in found),
    }
    if all(allowed.values()):
        same = all(int(match[1]) == int(match[3]) for match in found)
        return "day" if same else "either"
    return "day" if allowed["day"] else "month" if allowed["month"] else "none"


def first_undecided(cells: Cells) -> tuple[int, str]:
    """Find a date that two orders read as two days.

    Args:
        cells: A column whose order is ``either``.

    Returns:
        Its position and its text.

    Raises:
        ValueError: Every date of the column is decided.
    """
    for at, cell in enumerate(cells):
        text = cell.strip() if isinstance(cell, str) else ""
        match = _YEAR_LAST.fullmatch(text)
        if match is not None and int(match[1]) != int(match[3]):
            return at, text
    raise ValueError("Expected an undecided date, got none. Ask order_of first.")


def readings(text: str) -> str:
    """Say which days an undecided date may be.

    Args:
        text: The cell.

    Returns:
        Both days, each with the option that chooses it.
    """
    day, month = _day(text, True), _day(text, False)  # noqa: FBT003
    return (
        f"{day} with dayfirst=True (--dayfirst), "
        f"{month} with dayfirst=False (--monthfirst)"
    )


def at_once(cells: Cells) -> Shaped[np.ndarray, " row"] | None:
    """Read a column that can mean one thing only: ISO dates, or times since 1970.

    Args:
        cells: The column.

    Returns:
        Sessions as ``datetime64[D]``; None if a cell needs a closer look.
    """
    entries = cells.tolist() if isinstance(cells, np.ndarray) else cells
    if not entries or not set(map(type, entries)) <= {str, int}:
        return None
    texts = np.array(entries, dtype=str)
    if texts[0].endswith(".0") and np.char.endswith(texts, ".0").all():
        whole = np.char.rpartition(texts, ".0")[:, 0]
        return _from_epoch(whole)  # a time that a dataframe took for a fraction
    if texts.dtype.itemsize == 4 * 10 and isinstance(entries[0], str):
        days = _iso_at_once(texts)
        if days is not None:
            return days
    return _from_epoch(texts)


def _iso_at_once(
    texts: Shaped[np.ndarray, " row"],
) -> Shaped[np.ndarray, " row"] | None:
    signs = texts.view(np.uint32).reshape(len(texts), -1)  # (row, 10)
    dashes = [4, 7]
    digits = np.delete(signs, dashes, axis=1)
    is_iso = (signs[:, dashes] == ord("-")).all() and (
        (digits >= ord("0")) & (digits <= ord("9"))
    ).all()
    if not is_iso:
        return None
    try:
        days = texts.astype("datetime64[D]")
    except ValueError:
        return None
    return days if _in_range(days) else None


def _from_epoch(texts: Shaped[np.ndarray, " row"]) -> Shaped[np.ndarray, " row"] | None:
    longest = int(np.char.str_len(texts).max())
    shortest = int(np.char.str_len(texts).min())
    if longest not in _PER_DAY or shortest < longest - 1 or not _ascii_digits(texts):
        return None
    try:
        count: Int[np.ndarray, " row"] = texts.astype(np.int64)
    except OverflowError:
        return None
    if longest == _HOURLY and all(_day(text[:8], None) for text in texts.tolist()):
        return None  # 2024013116 is an hour of a day as well as a second
    per_day = _PER_DAY[longest]
    days = (count // per_day).astype("datetime64[D]")
    clock = (count % per_day) / per_day
    afternoon = (clock > _NOON) & (clock < _MIDNIGHT)
    told = np.abs(clock[:, None] - _TELLING).min(axis=1) < 1 / 86_400
    sound = _in_range(days) and not np.any(afternoon & ~told)
    return days if sound else None


def _ascii_digits(texts: Shaped[np.ndarray, " row"]) -> bool:
    joined = "".join(texts.tolist())
    return joined.isascii() and joined.isdecimal()


def _in_range(days: Shaped[np.ndarray, " row"]) -> bool:
    years = days.astype("datetime64[Y]").astype(int) + 1970
    return bool(np.all((years >= _FIRST_YEAR) & (years <= _LAST_YEAR)))


def _day(cell: object, dayfirst: bool | None) -> dt.date | None:  # noqa: FBT001
    if isinstance(cell, dt.date) and not is_missing(cell):
        return cell.date() if isinstance(cell, dt.datetime) else cell
    if isinstance(cell, bool) or not isinstance(cell, str | int | np.integer):
        return None
    text = "" if is_broken(str(cell)) else str(cell).strip()
    match = _YEAR_FIRST.fullmatch(text)
    if match is not None:
        year, _, *parts = match.groups()
        month, day = (part for part in parts if part is not None)
        return from_parts(year, month, day)
    match = _YEAR_LAST.fullmatch(text)
    if match is not None:
        return None if dayfirst is None else _pick(match, dayfirst=dayfirst)
    return _named(text)


def _pick(match: re.Match[str], *, dayfirst: bool) -> dt.date | None:
    first, _, second, year = match.groups()
    day, month = (first, second) if dayfirst else (second, first)
    return from_parts(year, month, day)


def _named(text: str) -> dt.date | None:
    match = _MONTH_NAMED.fullmatch(text)
    if match is None:
        return None
    month, day = match["month"] or match["month2"], match["day"] or match["day2"]
    return from_parts(match["year"], month, day)


def from_parts(year: str, month: str, day: str) -> dt.date | None:
    """Make a date of its parts.

    Args:
        year: Four digits.
        month: Its number, or its English name, perhaps shortened.
        day: One or two digits.

    Returns:
        The date; None if there is none.
    """
    name = month.lower()
    named = [i for i, known in enumerate(_MONTHS, 1) if name in {known, known[:3]}]
    number = 9 if name == "sept" else named[0] if named else month
    try:
        read = dt.date(int(year), int(number), int(day))
    except ValueError:
        return None
    return read if _FIRST_YEAR <= read.year <= _LAST_YEAR else None
