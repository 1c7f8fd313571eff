"""WSJ and Google Finance: years of two digits, in files that can be told apart.

Elsewhere a year of two digits is refused: 01/02/03 may be any of three days. These
two write one order each, 01/31/24 and 31-Jan-24, with years from 1969 to 2068.
"""

import re

from closecast.market.readers.format import Format, Head, Lines

_HEADER = ["Date", "Open", "High", "Low", "Close", "Volume"]
_WSJ_DAY = re.compile(r"(\d{2}/\d{2}/)(\d{2})", re.ASCII)
_GOOGLE_DAY = re.compile(r"(\d{1,2}-[A-Z][a-z]{2}-)(\d{2})", re.ASCII)
_FIRST = 69
"""Of two digits, the earliest year of the last century."""


def _is_wsj(head: Head) -> bool:
    # A blank after each comma of the header is WSJ's alone.
    spaced = [_HEADER[0], *(f" {name}" for name in _HEADER[1:])]
    return head[0] in (spaced, spaced[:-1]) and _all_days(head, _WSJ_DAY)


def _is_google(head: Head) -> bool:
    return head[0] == _HEADER and _all_days(head, _GOOGLE_DAY)


def _all_days(head: Head, day: re.Pattern[str]) -> bool:
    return len(head) > 1 and all(day.fullmatch(cells[0]) for cells in head[1:])


def _written_out(lines: Lines) -> Lines:
    return [lines[0], *((at, [_long(c[0]), *c[1:]]) for at, c in lines[1:])]


def _long(day: str) -> str:
    match = _WSJ_DAY.fullmatch(day) or _GOOGLE_DAY.fullmatch(day)
    if match is None:
        return day
    century = "19" if int(match[2]) >= _FIRST else "20"
    return f"{match[1]}{century}{match[2]}"


WSJ = Format(
    name="WSJ", sniff=_is_wsj, reshape=_written_out, dayfirst=False, decimal="."
)
GOOGLE = Format(
    name="Google Finance", sniff=_is_google, reshape=_written_out, decimal="."
)
