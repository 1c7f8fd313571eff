"""Years of two digits: 01/02/03 may be any of three days, the whole column decides.

Every cell must be a date in the order of the column, and most sessions must lie within
a week of the next: read in another order, days turn into years. Years are those from
1969 to 2068. What stays open is refused with each reading.
"""

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np

from closecast.market.readers.cells import Cells
from closecast.market.readers.dates import CLOCK, from_parts

YearOrder = Literal["day first", "month first", "year first"]

ORDERS: tuple[YearOrder, ...] = ("day first", "month first", "year first")

_SHORT = re.compile(
    rf"(\d{{1,2}})([-/. ]) ?(\d{{1,2}}|[A-Za-z]{{3,9}})\2 ?(\d{{2}}){CLOCK}", re.ASCII
)
_FIRST = 69
"""Of two digits, the earliest year of the last century."""

_WEEK = 7


def is_short(cells: Cells) -> bool:
    """Tell a column whose years have two digits.

    Args:
        cells: The column.

    Returns:
        True if every cell is written so.
    """
    if isinstance(cells, np.ndarray) or not len(cells):
        return False
    first = cells[0]
    if not isinstance(first, str) or not _SHORT.fullmatch(first.strip()):
        return False
    texts = set(cells)
    return all(isinstance(t, str) and _SHORT.fullmatch(t.strip()) for t in texts)


def orders_of(cells: Sequence[str], dayfirst: bool | None) -> list[YearOrder]:  # noqa: FBT001
    """Find the orders that a column can have.

    Args:
        cells: A column whose years have two digits.
        dayfirst: Day or month first, where it is known.

    Returns:
        Those in which every cell is a date. Of several, those in which sessions
        follow each other, if there is one.
    """
    known = {True: ORDERS[:1], False: ORDERS[1:2], None: ORDERS}[dayfirst]
    valid = [order for order in known if None not in _days(cells, order)]
    rhythmic = [order for order in valid if _is_rhythmic(cells, order)]
    return rhythmic or valid


def written_out(cells: Sequence[str], order: YearOrder) -> list[str]:
    """Write every year with four digits.

    Args:
        cells: A column whose years have two digits.
        order: Its order.

    Returns:
        Dates as YYYY-MM-DD; a cell that is none in this order as it stands.
    """
    read = {cell: _day(cell, order) for cell in set(cells)}
    return [str(read[cell] or cell) for cell in cells]


def readings(cell: str, orders: Sequence[YearOrder]) -> str:
    """Say which days a cell may be.

    Args:
        cell: The cell.
        orders: Orders that its column can have.

    Returns:
        Each day, with the option that chooses it if there is one.
    """
    options = {
        "day first": " with dayfirst=True (--dayfirst)",
        "month first": " with dayfirst=False (--monthfirst)",
        "year first": " if the year stands first: write it with four digits",
    }
    return ", ".join(f"{_day(cell, order)}{options[order]}" for order in orders)


def _is_rhythmic(cells: Sequence[str], order: YearOrder) -> bool:
    days = np.unique(np.array(_days(cells, order), dtype="datetime64[D]"))
    steps = np.diff(days).astype(int)
    return bool(len(steps) and np.median(steps) <= _WEEK)


def _days(cells: Sequence[str], order: YearOrder) -> list[object]:
    return [_day(cell, order) for cell in set(cells)]


def _day(cell: str, order: YearOrder) -> object:
    match = _SHORT.fullmatch(cell.strip())
    if match is None:
        return None
    first, _, second, third = match.groups()
    places = {
        "day first": (third, second, first),
        "month first": (third, first, second),
        "year first": (first, second, third),
    }
    year, month, day = places[order]
    if order == "month first" and not second.isdecimal():
        return None
    return from_parts(_long(year), month, day)


def _long(year: str) -> str:
    return f"{'19' if int(year) >= _FIRST else '20'}{year:0>2}"
