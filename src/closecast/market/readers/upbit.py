"""Upbit's candles: the market is the symbol, the day is the one in UTC."""

from closecast.market.readers.format import Format, Head, Lines, normal

_NAMES = {
    "market": "symbol",
    "candle_date_time_utc": "date",
    "opening_price": "open",
    "high_price": "high",
    "low_price": "low",
    "trade_price": "close",
    "candle_acc_trade_volume": "volume",
}


def _sniff(head: Head) -> bool:
    return {normal(cell) for cell in head[0]} >= set(_NAMES)


def _named(lines: Lines) -> Lines:
    (at, header), *rest = lines
    names = [normal(name) for name in header]
    return [(at, [_NAMES.get(name, name) for name in names]), *rest]


UPBIT = Format(name="Upbit", sniff=_sniff, reshape=_named, decimal=".")
