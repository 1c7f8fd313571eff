"""WSJ: the month first, years of two digits; a blank after each comma of the header."""

from closecast.market.readers.format import Format, Head

_HEADER = ["Date", " Open", " High", " Low", " Close", " Volume"]


def _sniff(head: Head) -> bool:
    return head[0] in (_HEADER, _HEADER[:-1])


WSJ = Format(name="WSJ", sniff=_sniff, dayfirst=False, decimal=".")
