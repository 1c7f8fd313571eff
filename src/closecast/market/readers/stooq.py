"""Stooq, whose bulk files name columns in angle brackets and days as 20240131."""

from closecast.market.readers.format import Format, Head

_MARKS = {"<TICKER>", "<PER>", "<DATE>"}


def _sniff(head: Head) -> bool:
    return {cell.strip().upper() for cell in head[0]} >= _MARKS


STOOQ = Format(name="Stooq", sniff=_sniff, decimal=".")
