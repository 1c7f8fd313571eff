"""Yahoo Finance, as the site and yfinance write it.

The site's file is a plain table. A yfinance frame written to CSV has two or three
lines of header, with the price's name and the ticker above each column; it becomes
one bar a line.
"""

from closecast.market.readers.format import Format, Head, Lines, roles_in

_CORNERS = {"", "price", "ticker", "attributes", "symbols"}
_DATES = {"date", "datetime"}


def _stacked(head: Head) -> bool:
    if len(head) < 3 or len(head[0]) < 2:  # noqa: PLR2004  two lines and a bar
        return False
    corners = [line[0].strip().lower() for line in head[:2]]
    above, below = (roles_in(line[1:]) for line in head[:2])
    return (
        corners[0] in _CORNERS
        and corners[1] in _CORNERS | _DATES
        and len(head[0]) == len(head[1])
        and ("close" in above) != ("close" in below)
        and all(cell.strip() for line in head[:2] for cell in line[1:])
    )


def _unstacked(lines: Lines) -> Lines:
    (first, above), (_, below), *rest = lines
    prices, tickers = (
        (above, below) if "close" in roles_in(above[1:]) else (below, above)
    )
    if rest and rest[0][1][0].strip().lower() in _DATES and not any(rest[0][1][1:]):
        rest = rest[1:]
    fields = list(dict.fromkeys(prices[1:]))
    at = {(t, p): i for i, (t, p) in enumerate(zip(tickers, prices, strict=True)) if i}
    long: Lines = [(first, ["Date", "Symbol", *fields])]
    bars = [(line, cells) for line, cells in rest if len(cells) == len(above)]
    for ticker in dict.fromkeys(tickers[1:]):
        where = [at.get((ticker, name)) for name in fields]
        long += [(line, _cut(cells, ticker, where)) for line, cells in bars]
    return long + [
        (line, _unfitting(cells, len(long[0][1])))
        for line, cells in rest
        if len(cells) != len(above)
    ]


def _unfitting(cells: list[str], width: int) -> list[str]:
    # A row of another length than its header stays one, so that it is reported.
    return cells if len(cells) != width else [*cells, ""]


def _cut(cells: list[str], ticker: str, where: list[int | None]) -> list[str]:
    return [cells[0], ticker, *("" if at is None else cells[at] for at in where)]


YFINANCE = Format(name="yfinance", sniff=_stacked, reshape=_unstacked)
