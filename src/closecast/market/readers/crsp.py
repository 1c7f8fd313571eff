"""CRSP, as WRDS exports it: a day without a trade has minus the mean of bid and ask.

BIDLO and ASKHI are low and high of the trades, and on such a day the closing quotes.
"""

from closecast.market.readers.format import Format, Head, normal

_MARKS = {"prc", "bidlo", "askhi"}


def _sniff(head: Head) -> bool:
    return {normal(cell) for cell in head[0]} >= _MARKS


CRSP = Format(name="CRSP", sniff=_sniff, decimal=".", quotes=True)
