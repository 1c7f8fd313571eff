"""What a vendor's file looks like, and what its owner adds where a file is silent.

A format says how to know it and how it differs from a plain table. It converts no
cell: numbers and dates are read by ``numbers`` and ``dates`` alone.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from closecast.errors import SettingError
from closecast.market.readers.names import NAMES

Line = tuple[int, list[str]]
"""Line number in the file, from 1, and the cells of the line."""

Lines = list[Line]

Head = list[list[str]]
"""Cells of the first lines, the header first."""

Decimal = Literal[".", ","]

COMMENTS = ("#", "//")

_NUMBERED = re.compile(r"\d+\. (?=\D)")
"""Alpha Vantage counts its columns: ``1. open``."""


@dataclass(frozen=True, kw_only=True)
class Hints:
    """What a file cannot say of itself, and what is wanted of it.

    Attributes:
        dayfirst: 02/01/2024 is the second of January (True) or the first of
            February (False); None lets the whole column decide.
        decimal: Sign before the decimals; None lets all numbers of the file decide.
        columns: Names of the columns of a text file without a header, in order.
        adjust: Multiply open, high, low and close by adj_close / close and divide
            volume by it.
    """

    dayfirst: bool | None = None
    decimal: Decimal | None = None
    columns: tuple[str, ...] | None = None
    adjust: bool = False

    def __post_init__(self) -> None:
        if self.decimal not in {None, *get_args(Decimal)}:
            raise SettingError(
                f"Expected a decimal sign '.' or ',', got {self.decimal!r}. "
                "Choose one of these."
            )


NO_HINTS = Hints()


def hints_from(
    *,
    dayfirst: bool | None,
    decimal: str | None,
    columns: str | None,
    adjust: bool = False,
) -> Hints:
    """Take hints as a command line gives them.

    Args:
        dayfirst: As in ``Hints``.
        decimal: As in ``Hints``.
        columns: Names of columns with commas between them.
        adjust: As in ``Hints``.

    Returns:
        The hints.

    Raises:
        SettingError: There is no such decimal sign.
    """
    names = None if columns is None else tuple(n.strip() for n in columns.split(","))
    return Hints(
        dayfirst=dayfirst,
        decimal=cast("Any", decimal),
        columns=names,
        adjust=adjust,
    )


def unchanged(lines: Lines) -> Lines:
    """Leave a table as it is.

    Args:
        lines: Its lines, the header first.

    Returns:
        The same lines.
    """
    return lines


@dataclass(frozen=True, kw_only=True)
class Format:
    """How one vendor writes prices.

    Attributes:
        name: The vendor.
        sniff: Knows the format by the first lines of a file.
        reshape: Brings its lines to one header and one bar a line.
        dayfirst: The order of day and month, where the vendor always keeps to one.
        decimal: The sign before the decimals, where the vendor always keeps to one.
        currency: A sign before each price.
        units: Volumes end in K, M, B or T for thousands up to trillions.
        blank_volume: It leaves the volume blank where it knows none.
        quotes: A negative close is the mean of bid and ask of a day without trade.
    """

    name: str
    sniff: Callable[[Head], bool]
    reshape: Callable[[Lines], Lines] = unchanged
    dayfirst: bool | None = None
    decimal: Decimal | None = None
    currency: str = ""
    units: bool = False
    blank_volume: bool = False
    quotes: bool = False


def normal(name: str) -> str:
    """Write the name of a column as ``NAMES`` does.

    Args:
        name: A name as in a header.

    Returns:
        It in lower case, with underscores, without brackets, stars and dots around.
    """
    bare = _NUMBERED.sub("", name.strip(" <>\t*.\ufeff"))
    return bare.lower().replace(" ", "_").replace("-", "_")


def roles_in(cells: list[str]) -> set[str]:
    """Tell which columns a line names.

    Args:
        cells: Cells of a line.

    Returns:
        Keys of ``NAMES``.
    """
    names = {normal(cell) for cell in cells}
    return {role for role, known in NAMES.items() if names & set(known)}
