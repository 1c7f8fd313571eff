"""Which vendor wrote a file: the known formats, and where a table begins."""

import re
from dataclasses import dataclass

from closecast.market.readers.binance import KLINES
from closecast.market.readers.bloomberg import BLOOMBERG
from closecast.market.readers.crsp import CRSP
from closecast.market.readers.cryptodatadownload import CRYPTODATADOWNLOAD
from closecast.market.readers.format import Format, Head, Lines, normal, roles_in
from closecast.market.readers.investing import INVESTING
from closecast.market.readers.krx import KRX
from closecast.market.readers.letters import LETTERS
from closecast.market.readers.metatrader import METATRADER
from closecast.market.readers.nasdaq import NASDAQ
from closecast.market.readers.stooq import STOOQ
from closecast.market.readers.upbit import UPBIT
from closecast.market.readers.wsj import WSJ
from closecast.market.readers.yahoo import YFINANCE

PLAIN = Format(name="a plain table", sniff=lambda _: True)

FORMATS = (
    *(KLINES, YFINANCE, STOOQ, METATRADER, CRYPTODATADOWNLOAD, UPBIT, LETTERS),
    *(INVESTING, KRX, NASDAQ, WSJ, BLOOMBERG, CRSP),
    PLAIN,
)
"""Asked in this order; the last takes every file."""

DEEPEST = 30
"""A header comes within so many lines."""

_HEAD = 5
FIGURE = re.compile(r"[$+-]?\d[\d.,:/ -]*%?")
"""A number, a date or a time."""

_BAR = 4
"""A line with so many figures is a bar, or close to one."""


@dataclass(frozen=True, kw_only=True)
class Recognised:
    """A file whose vendor is known.

    Attributes:
        format: How the vendor writes.
        lines: Header, then one bar a line.
        headless: The first line is a bar, so that no column has a name.
        start: Line of the file that the table begins in.
    """

    format: Format
    lines: Lines
    headless: bool
    start: int


def recognise(lines: Lines) -> Recognised:
    """Find the vendor of a file.

    Args:
        lines: Its lines that are not blank, at least one.

    Returns:
        The format and the lines, as the format arranges them.
    """
    start = _header_at(lines)
    lines = lines[start:]
    head: Head = [cells for _, cells in lines[:_HEAD]]
    found = next(format_ for format_ in FORMATS if format_.sniff(head))
    return Recognised(
        format=found,
        lines=found.reshape(lines),
        headless=found is PLAIN and looks_like_bar(head[0]),
        start=lines[0][0],
    )


def _header_at(lines: Lines) -> int:
    # Titles and addresses may stand above a header, bars may not.
    for at, (_, cells) in enumerate(lines[:DEEPEST]):
        if looks_like_bar(cells):
            return 0
        if at and {"date", "close"} <= roles_in(cells):
            return at if not {"date", "close"} <= roles_in(lines[0][1]) else 0
    return 0


def looks_like_bar(cells: list[str]) -> bool:
    """Tell a line of figures from a header.

    Args:
        cells: Cells of the line.

    Returns:
        True if it holds dates and numbers and names no column.
    """
    figures = sum(FIGURE.fullmatch(cell.strip()) is not None for cell in cells)
    return figures >= _BAR and not roles_in([normal(cell) for cell in cells])
