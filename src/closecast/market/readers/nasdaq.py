"""nasdaq.com: a dollar sign before each price, the month first, newest bar first."""

from closecast.market.readers.format import Format, Head, normal


def _sniff(head: Head) -> bool:
    names = {normal(cell) for cell in head[0]}
    dollars = any(cell.strip().startswith("$") for line in head[1:] for cell in line)
    return "date" in names and ("close/last" in names or dollars)


NASDAQ = Format(
    name="nasdaq.com", sniff=_sniff, dayfirst=False, decimal=".", currency="$"
)
