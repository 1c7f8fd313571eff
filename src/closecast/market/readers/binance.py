"""Binance klines: twelve columns that begin with a time in milliseconds, often bare."""

from closecast.market.readers.format import Format, Head, Lines

COLUMNS = (
    *("open_time", "open", "high", "low", "close", "volume", "close_time"),
    *("quote_volume", "trades", "taker_base_volume", "taker_quote_volume", "ignore"),
)
_DIGITS = (13, 16)
"""Of a time in milliseconds and in microseconds."""


def _sniff(head: Head) -> bool:
    first = head[0]
    return len(first) == len(COLUMNS) and all(
        first[at].isdecimal() and len(first[at]) in _DIGITS for at in (0, 6)
    )


def _headed(lines: Lines) -> Lines:
    return [(0, list(COLUMNS)), *lines]


KLINES = Format(name="Binance", sniff=_sniff, reshape=_headed, decimal=".")
