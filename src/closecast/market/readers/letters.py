"""Aggregates of Polygon, OKX and others: a letter for each price, ``t`` for the time.

Single letters mean something only together, so they are no names of ``NAMES``.
"""

from closecast.market.readers.format import Format, Head, Lines, normal

_LETTERS = {
    "o": "open",
    "h": "high",
    "l": "low",
    "c": "close",
    "v": "volume",
    "t": "date",
    "ts": "date",
}
_NEEDED = {"o", "h", "l", "c"}


def _sniff(head: Head) -> bool:
    names = {normal(cell) for cell in head[0]}
    return names >= _NEEDED and bool(names & {"t", "ts", "date", "time"})


def _named(lines: Lines) -> Lines:
    (at, header), *rest = lines
    names = [normal(name) for name in header]
    return [(at, [_LETTERS.get(name, name) for name in names]), *rest]


LETTERS = Format(
    name="aggregates in letters", sniff=_sniff, reshape=_named, decimal="."
)
