"""From what vendors write to numbers: the one door that prices come in through.

A cell is read in the one way it can mean, or named as bad. Whether a comma ends the
whole part or groups it is decided by all numbers of a file together.
"""

import decimal
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from closecast.market.readers.cells import Bad, Cells, is_broken, is_nothing, shown

Reading = Literal["plain", "grouped", "indian", "comma", "either", "lost"]
"""How the numbers of a file are written.

``plain`` 1234.5, ``grouped`` 1,234.5, ``indian`` 12,34,567.8 by lakhs and crores,
``comma`` 1.234,5, ``either`` 1,234 with
nothing that tells, ``lost`` 1.234.567.890 without any decimals.
"""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_NUMBER_CHARACTERS = frozenset("0123456789.+-eE ")
_SPACES = " '\u2019\u00a0\u202f\u2009"
_GROUPED = re.compile(
    rf"[+-]?(?:\d+|[1-9]\d{{0,2}}(?P<sep>[,{_SPACES}])\d{{3}}(?:(?P=sep)\d{{3}})*)"
    r"(?:\.\d*)?|[+-]?\.\d+",
    re.ASCII,
)
_COMMA = re.compile(
    rf"[+-]?(?:\d+|[1-9]\d{{0,2}}(?P<sep>[.{_SPACES}])\d{{3}}(?:(?P=sep)\d{{3}})*)"
    r"(?:,\d*)?|[+-]?,\d+",
    re.ASCII,
)
_INDIAN = re.compile(r"[+-]?(?:\d+|[1-9]\d?(?:,\d{2})*,\d{3})(?:\.\d*)?", re.ASCII)
_LAKHS = 2
"""Fewer numbers grouped by lakhs may be a typing error."""

_THREE_DECIMALS = re.compile(r"[1-9]\d{0,2}\.\d{3}", re.ASCII)
_BEFORE = ("$", "€", "£", "¥", "₩", "￦")
_AFTER = ("€", "원", "円")
"""Currencies as they stand before and after a price."""

_UNITS = {"K": 3, "M": 6, "B": 9, "T": 12}
_NO_GROUPS = str.maketrans("", "", "," + _SPACES)
_NO_DOTS = str.maketrans(",", ".", "." + _SPACES)


@dataclass(frozen=True, kw_only=True)
class Style:
    """How the numbers of a file are written.

    Attributes:
        reading: What points and commas mean.
        currency: A sign before or after a price, or nothing.
        units: K, M, B and T may follow.
    """

    reading: Reading = "plain"
    currency: str = ""
    units: bool = False


PLAIN = Style()


def to_numbers(
    cells: Cells, style: Style = PLAIN
) -> tuple[Float[np.ndarray, " row"], Bad]:
    """Read a column of prices or volumes.

    Args:
        cells: The column.
        style: How its file writes numbers.

    Returns:
        Its numbers, NaN where there is none, and the cells that are no number. A
        NaN or infinity that a dataframe holds as a number is not among these.
    """
    if isinstance(cells, np.ndarray) and cells.dtype.kind in "iuf":
        return cells.astype(np.float64), {}
    texts = list(cells)
    if style.reading not in {"comma", "either"}:
        fast = _numbers_at_once(texts)
        if fast is not None:
            return fast, {}
    read = [_number(cell, style) for cell in texts]
    bad = {row: shown(texts[row]) for row, x in enumerate(read) if x is None}
    return np.array([np.nan if x is None else x for x in read], np.float64), bad


def decide(
    columns: Sequence[Cells],
    style: Style,
    decimal_sign: str | None,
    *,
    semicolons: bool,
) -> Style:
    """Find out how a file writes its numbers.

    Args:
        columns: Every column of numbers.
        style: What its format knows.
        decimal_sign: A comma or a point, where it is known.
        semicolons: Cells are divided by semicolons, so that commas are free.

    Returns:
        The style, with the reading that every number allows.
    """
    texts = _texts(columns)
    style = replace(style, currency=style.currency or _currency(texts))
    if decimal_sign is not None:
        return replace(style, reading="comma" if decimal_sign == "," else "grouped")
    if semicolons and _only_three_decimals(texts):
        return replace(style, reading="either")
    if all(_numbers_at_once(column) is not None for column in texts):
        return style
    if any(len(ours) < len(every) for ours, every in _typed(columns)):
        return style  # numbers among the text: whoever made them writes plain ones
    written = {_bare(text.strip(), style)[0] for column in texts for text in column}
    return replace(style, reading=_reading(written))


def at_once(columns: Sequence[Cells]) -> list[Cells] | None:
    """Read columns of plain numbers, if each cell of them is one.

    Args:
        columns: Columns of prices and volumes.

    Returns:
        The same numbers as ``to_numbers`` gives; None if one needs a closer look.
    """
    read: list[Cells] = []
    for cells in columns:
        is_array = isinstance(cells, np.ndarray)
        numbers = cells if is_array else _numbers_at_once(list(cells))
        if numbers is None:
            return None
        read.append(numbers)
    return read


def choice(cell: object, style: Style) -> str:
    """Say what to do about a number that has no one meaning in its file.

    Args:
        cell: The cell.
        style: How its file writes numbers.

    Returns:
        Both numbers with the option that chooses each, or how to mend a file that
        lost its decimals; empty if the cell is no number at all.
    """
    if not isinstance(cell, str) or style.reading not in {"either", "lost"}:
        return ""
    point = _number(cell, replace(style, reading="grouped"))
    comma = _number(cell, replace(style, reading="comma"))
    if point is not None and comma is not None:
        return (
            f"Choose: {point:.10g} with decimal='.' (--decimal .), "
            f"{comma:.10g} with decimal=',' (--decimal ,)."
        )
    if comma is None:
        return ""
    return (
        "The decimals of this file seem lost: export it again, or read "
        f"{comma:.10g} with decimal=',' (--decimal ,)."
    )


def _texts(columns: Sequence[Cells]) -> list[list[str]]:
    lists = [column for column in columns if not isinstance(column, np.ndarray)]
    return [[cell for cell in column if isinstance(cell, str)] for column in lists]


def _currency(texts: list[list[str]]) -> str:
    # The one sign that prices carry; of two, neither is taken away.
    cells = [text.strip() for column in texts for text in column]
    before = {sign for sign in _BEFORE if any(c.startswith(sign) for c in cells)}
    after = {sign for sign in _AFTER if any(c.endswith(sign) for c in cells)}
    return "".join(before | after) if len(before | after) == 1 else ""


def _typed(columns: Sequence[Cells]) -> Iterator[tuple[list[str], list[Any]]]:
    # The text of each column of text, and all of it that is a value.
    for column in columns:
        if not isinstance(column, np.ndarray):
            values = [cell for cell in column if not is_nothing(cell)]
            yield [cell for cell in values if isinstance(cell, str)], values


def _reading(written: set[str]) -> Reading:
    point = {text for text in written if _GROUPED.fullmatch(text)}
    comma = {text for text in written if _COMMA.fullmatch(text)}
    only_point, only_comma = point - comma, comma - point
    if _is_indian(written, point):
        return "indian"
    if only_point:
        return "plain" if only_comma else "grouped"
    if only_comma:
        return "comma" if any("," in text for text in comma) else "lost"
    undecided = any(not _NUMBER.fullmatch(text) for text in point)
    return "either" if undecided else "plain"


def _is_indian(written: set[str], point: set[str]) -> bool:
    grouped = {text for text in written if "," in text}
    fits = all(_INDIAN.fullmatch(text) for text in grouped)
    return fits and len(grouped - point) >= _LAKHS


def _only_three_decimals(texts: list[list[str]]) -> bool:
    pointed = {text for column in texts for text in column if "." in text}
    return bool(pointed) and all(_THREE_DECIMALS.fullmatch(t.strip()) for t in pointed)


def _numbers_at_once(texts: list[Any]) -> Float[np.ndarray, " row"] | None:
    try:
        if not _NUMBER_CHARACTERS.issuperset("".join(texts)):
            return None
        return np.array(list(map(float, texts)), np.float64)
    except (ValueError, TypeError):
        return None


def _number(cell: object, style: Style) -> float | None:
    if isinstance(cell, str):
        return None if is_broken(cell) else _from_text(cell.strip(), style)
    if isinstance(cell, bool | np.bool_):
        return None
    if isinstance(cell, int | float | decimal.Decimal | np.number):
        return float(cell)
    return None


def _from_text(text: str, style: Style) -> float | None:
    bare, power = _bare(text, style)
    if style.reading == "either" and not bare.isdecimal():
        return None
    if style.reading == "grouped" and _GROUPED.fullmatch(bare):
        bare = bare.translate(_NO_GROUPS)
    elif style.reading == "indian" and _INDIAN.fullmatch(bare):
        bare = bare.replace(",", "")
    elif style.reading == "comma":
        bare = bare.translate(_NO_DOTS) if _COMMA.fullmatch(bare) else ""
    if not _NUMBER.fullmatch(bare):
        return None
    return float(decimal.Decimal(bare).scaleb(power)) if power else float(bare)


def _bare(text: str, style: Style) -> tuple[str, int]:
    # The digits and signs of a number, and the power of ten that follows them.
    if style.currency and text.startswith(style.currency):
        text = text.removeprefix(style.currency).lstrip()
    elif style.currency in _AFTER:
        text = text.removesuffix(style.currency).rstrip()
    power = _UNITS.get(text[-1:].upper(), 0) if style.units else 0
    return (text[:-1], power) if power else (text, 0)
