"""What a vendor's file looks like, and what its owner adds where a file is silent.

A format says how to know it and how it differs from a plain table. It converts no
cell: numbers and dates are read by ``numbers`` and ``dates`` alone.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from closecast.errors import SettingError

Lines = list[tuple[int, list[str]]]
"""Line number in the file, from 1, and the cells of the line."""

Head = list[list[str]]
"""Cells of the first lines, the header first."""

Decimal = Literal[".", ","]

COMMENTS = ("#", "//")

_NUMBERED = re.compile(r"\d+\. (?=\D)")
"""Alpha Vantage counts its columns: ``1. open``."""

NAMES = {
    "date": (
        *("date", "ds", "time", "timestamp", "datetime", "open_time", "unix"),
        *("trade_date", "trading_date", "window_start", "일자", "날짜", "일시"),
        *("datum", "fecha", "data", "日期", "日付"),
    ),
    "symbol": (
        *("symbol", "ticker", "unique_id", "code", "ts_code", "종목코드", "티커"),
        "name",
    ),
    "open": (
        *("open", "open_price", "px_open", "시가", "오픈", "eröffn", "eröffnung"),
        *("ouv", "ouverture", "apertura", "abertura", "otwarcie", "开盘", "始値"),
        *("erster",),
    ),
    "high": (
        *("high", "high_price", "px_high", "고가", "hoch", "plus_haut", "máximo"),
        *("máxima", "massimo", "najwyzszy", "最高", "高値"),
    ),
    "low": (
        *("low", "low_price", "px_low", "저가", "tief", "plus_bas", "mínimo"),
        *("mínima", "minimo", "najnizszy", "最低", "安値"),
    ),
    "close": (
        *("close", "y", "price", "last", "close/last", "close_price", "px_last"),
        *("종가", "zuletzt", "schluss", "schlusskurs", "dernier", "último"),
        *("ultimo", "zamkniecie", "收盘", "終値"),
    ),
    "volume": (
        *("volume", "vol", "px_volume", "거래량", "volumen", "wolumen", "stuecke"),
        *("no.of_shares", "成交量", "出来高"),
    ),
    "adj_close": (
        *("adj_close", "adj._close", "adjclose", "adjusted_close", "수정종가"),
    ),
}
"""What vendors call each column, in lower case with underscores."""


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
    """

    name: str
    sniff: Callable[[Head], bool]
    reshape: Callable[[Lines], Lines] = unchanged
    dayfirst: bool | None = None
    decimal: Decimal | None = None
    currency: str = ""
    units: bool = False
    blank_volume: bool = False


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
