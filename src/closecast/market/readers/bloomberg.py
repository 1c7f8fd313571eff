"""Bloomberg: PX_LAST and its like, ``#N/A N/A`` where a volume is not known."""

from closecast.market.readers.format import Format, Head, normal


def _sniff(head: Head) -> bool:
    return "px_last" in {normal(cell) for cell in head[0]}


BLOOMBERG = Format(name="Bloomberg", sniff=_sniff, blank_volume=True)
