"""MetaTrader: days with points, ``<TICKVOL>`` beside ``<VOL>``, in version 4 bare.

Where the exchange tells no volume, ``<VOL>`` is 0 in every row and the count of
ticks is the volume.
"""

import re

from closecast.market.readers.format import Format, Head, Lines, normal

_BARE = ("date", "clock", "open", "high", "low", "close", "volume")
_DAY = re.compile(r"\d{4}\.\d{2}\.\d{2}", re.ASCII)
_CLOCK = re.compile(r"\d{2}:\d{2}", re.ASCII)


def _sniff(head: Head) -> bool:
    return _is_bare(head[0]) or {"tickvol", "vol"} <= set(map(normal, head[0]))


def _is_bare(cells: list[str]) -> bool:
    day, clock = (*cells[:2], "", "")[:2]
    return (
        len(cells) == len(_BARE)
        and _DAY.fullmatch(day) is not None
        and _CLOCK.fullmatch(clock) is not None
    )


def _named(lines: Lines) -> Lines:
    if _is_bare(lines[0][1]):
        return [(0, list(_BARE)), *lines]
    (at, header), *rest = lines
    names = [normal(name) for name in header]
    real = names.index("vol")
    if any(cells[real : real + 1] not in (["0"], []) for _, cells in rest):
        return lines
    names[real], names[names.index("tickvol")] = "real_volume", "volume"
    return [(at, names), *rest]


METATRADER = Format(name="MetaTrader", sniff=_sniff, reshape=_named, decimal=".")
