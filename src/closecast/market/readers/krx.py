"""KRX, pykrx and Korean portals: Korean headers, commas between thousands.

Prices are in won, so 72,300 is seventy-two thousand.
"""

from closecast.market.readers.format import Format, Head, normal

_NEEDED = {"시가", "고가", "저가", "종가"}
_DATES = {"일자", "날짜", "일시", "date", ""}


def _sniff(head: Head) -> bool:
    names = [normal(cell) for cell in head[0]]
    return set(names) >= _NEEDED and bool(_DATES & set(names))


KRX = Format(name="KRX", sniff=_sniff, decimal=".", units=True)
