"""investing.com: the close is called price, volumes end in K, M or B.

Its editions write 1,234.5 or 1.234,5 and their own names of columns; the numbers of
the file tell which.
"""

from closecast.market.readers.format import Format, Head, normal, roles_in

_CHANGES = {
    *("change_%", "변동_%", "変化率_%", "涨跌幅", "更改%", "+/__%", "variation_%"),
    *("%_var", "var._%", "var%", "изм._%", "fark_%", "zmiana%", "perubahan%"),
    "%_thay_đổi",
}
"""What its editions call the change of the day."""


def _sniff(head: Head) -> bool:
    names = {normal(cell) for cell in head[0]}
    return bool(names & _CHANGES) and {"date", "close"} <= roles_in(head[0])


INVESTING = Format(name="investing.com", sniff=_sniff, units=True, blank_volume=True)
