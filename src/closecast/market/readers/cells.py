"""From what vendors write in a cell to numbers, sessions and symbols.

Nothing is guessed: a cell is read in the one way it can mean, or named as bad.
"""

import datetime as dt
import re
from decimal import Decimal
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

Cells = list[Any] | np.ndarray
"""One column: a list of anything, or an array of numbers or datetime64."""

Bad = dict[int, str]
"""Position of each cell that cannot be read, and how to show it."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_NUMBER_CHARACTERS = frozenset("0123456789.+-eE ")
_DAY = re.compile(
    r"(\d{4})(?:([-/.])(\d{2})\2(\d{2})|(\d{2})(\d{2}))"
    r"(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?(?:Z|UTC|[+-]\d{2}:?\d{2}))?)?",
    re.ASCII,
)
_FIRST_YEAR, _LAST_YEAR = 1800, 2200
_MISSING = frozenset({"", "None", "nan", "NaN", "NaT", "<NA>"})
_LONGEST = 40

EMPTY = "an empty cell"


def to_numbers(cells: Cells) -> tuple[Float[np.ndarray, " row"], Bad]:
    """Read a column of prices or volumes.

    Args:
        cells: The column.

    Returns:
        Its numbers, NaN where there is none, and the cells that are no number. A
        NaN or infinity that a dataframe holds as a number is not among these.
    """
    if isinstance(cells, np.ndarray) and cells.dtype.kind in "iuf":
        return cells.astype(np.float64), {}
    texts = list(cells)
    fast = _numbers_at_once(texts)
    if fast is not None:
        return fast, {}
    read = [_number(cell) for cell in texts]
    bad = {row: _shown(texts[row]) for row, x in enumerate(read) if x is None}
    return np.array([np.nan if x is None else x for x in read], np.float64), bad


def _numbers_at_once(texts: list[Any]) -> Float[np.ndarray, " row"] | None:
    if not texts or not all(isinstance(text, str) for text in texts):
        return None
    if not _NUMBER_CHARACTERS.issuperset("".join(texts)):
        return None
    try:
        return np.array([float(text) for text in texts], np.float64)
    except ValueError:
        return None


def _number(cell: object) -> float | None:
    if isinstance(cell, str):
        text = cell.strip()
        return float(text) if _NUMBER.fullmatch(text) else None
    if isinstance(cell, bool | np.bool_):
        return None
    if isinstance(cell, int | float | Decimal | np.number):
        return float(cell)
    return None


def to_days(cells: Cells) -> tuple[Shaped[np.ndarray, " row"], Bad]:
    """Read a column of dates.

    A stamp with a time zone keeps the calendar day it is written in.

    Args:
        cells: The column.

    Returns:
        Sessions as ``datetime64[D]``, NaT where there is none, and the cells that
        are no date.
    """
    if isinstance(cells, np.ndarray) and cells.dtype.kind == "M":
        days = cells.astype("datetime64[D]")
        bad = {int(row): EMPTY for row in np.flatnonzero(np.isnat(days))}
        return days, bad
    entries = cells.tolist() if isinstance(cells, np.ndarray) else cells
    known: dict[Any, dt.date | None] = {}
    for cell in entries:
        if cell not in known:
            known[cell] = _day(cell)
    read = [known[cell] for cell in entries]
    bad = {row: _shown(entries[row]) for row, day in enumerate(read) if day is None}
    return np.array(read, dtype="datetime64[D]"), bad


def _day(cell: object) -> dt.date | None:
    if isinstance(cell, dt.date) and not _missing(cell):
        return cell.date() if isinstance(cell, dt.datetime) else cell
    if isinstance(cell, bool) or not isinstance(cell, str | int | np.integer):
        return None
    match = _DAY.fullmatch(str(cell).strip())
    return None if match is None else _date(match)


def _date(match: re.Match[str]) -> dt.date | None:
    year, _, *parts = match.groups()
    month, day = (int(part) for part in parts if part is not None)
    try:
        read = dt.date(int(year), month, day)
    except ValueError:
        return None
    return read if _FIRST_YEAR <= read.year <= _LAST_YEAR else None


def to_symbols(cells: Cells) -> tuple[list[str], Bad]:
    """Read a column of symbols.

    Args:
        cells: The column.

    Returns:
        Symbols as text, empty where there is none, and the cells that name none.
    """
    entries = cells.tolist() if isinstance(cells, np.ndarray) else cells
    read = [_symbol(cell) for cell in entries]
    bad = {row: _shown(entries[row]) for row, name in enumerate(read) if not name}
    return read, bad


def _symbol(cell: object) -> str:
    if isinstance(cell, str):
        name = cell.strip()
        return name if name.isprintable() else ""
    if isinstance(cell, int | np.integer) and not isinstance(cell, bool):
        return str(cell)
    return ""


def _missing(cell: object) -> bool:
    return not cell.strip() if isinstance(cell, str) else str(cell) in _MISSING


def _shown(cell: object) -> str:
    if _missing(cell):
        return EMPTY
    text = repr(cell) if isinstance(cell, str) else str(cell)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
