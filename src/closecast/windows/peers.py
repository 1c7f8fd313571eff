"""What other symbols showed by the time of a close: the market's own state.

Seoul closes before New York opens, and a coin's day ends after both. So a row sees
the same date only of symbols that share its market, and of all others the last
date before its own. A market is recognised from a symbol's past alone: it trades on
weekends, on American holidays but not on Korean ones, or the other way round. A
symbol that has not shown its market yet, or is of any other, sees earlier dates only.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from closecast.market.bars import Bars

OTHER, ALWAYS, NEW_YORK, KOREA = range(4)

NUM_MARKETS = 4
"""Codes of ``markets``."""

FEWEST_PEERS = 5
"""Symbols of one date that make a market; fewer leave its state at 0."""

HALF_LIVES = (2, 10, 60)
"""Of the market's average squared return, in its sessions."""

NORMAL_RANGE = 2.563
"""Between the tenth and the ninetieth percentile of a standard normal."""

_SATURDAY, _SUNDAY, _MONDAY, _THURSDAY = 5, 6, 0, 3

INDEPENDENCE = (7, 4)
"""Month and day on which New York never trades."""

NEW_YORK_SHUT = (
    (_MONDAY, 2, 14),
    (_MONDAY, 5, 24),
    (_MONDAY, 9, 0),
    (_THURSDAY, 11, 21),
)
"""Nor in these weeks: weekday, month and the day after which the week begins.
Presidents' Day, Memorial Day, Labor Day and Thanksgiving, since 1971."""

KOREA_SHUT = ((3, 1), (5, 5), (8, 15), (10, 3), (12, 31))
"""Months and days on which Seoul never trades."""


def markets(bars: Bars) -> Int[np.ndarray, " row"]:
    """Recognise the market of each row's symbol from its dates so far.

    Args:
        bars: The panel.

    Returns:
        ``ALWAYS``, ``NEW_YORK``, ``KOREA`` or ``OTHER``.
    """
    days = bars.dates.astype("datetime64[D]")
    weekday = (days.astype(np.int64) + 3) % 7
    around = _so_far(weekday == _SATURDAY, bars) & _so_far(weekday == _SUNDAY, bars)
    not_new_york = _so_far(_shut_in_new_york(days, weekday), bars)
    not_korea = _so_far(_shut_in_korea(days), bars)
    market = np.where(not_korea & ~not_new_york, NEW_YORK, OTHER)
    market = np.where(not_new_york & ~not_korea, KOREA, market)
    return np.where(around, ALWAYS, market)


def own_market(
    bars: Bars,
    counted: Bool[np.ndarray, " row"],
    surprise: Float[np.ndarray, " row"],
    active: Float[np.ndarray, " row"],
) -> Float[np.ndarray, "row state"]:
    """Describe the row's own market on the row's date.

    Args:
        bars: The panel.
        counted: Rows that take part.
        surprise: Return in units of the scale known before it.
        active: Log ratio of the session's range to that scale.

    Returns:
        Six states; 0 where the market is not known or has too few symbols.
    """
    market = markets(bars)
    days = bars.dates.astype("datetime64[D]").astype(np.int64)
    states = np.zeros((len(bars), 3 + len(HALF_LIVES)))
    for code in (ALWAYS, NEW_YORK, KOREA):
        here = np.flatnonzero(market == code)
        part = here[counted[here]]
        if len(part):
            dates, table = _by_date(days[part], surprise[part], active[part])
            at = np.searchsorted(dates, days[here])
            found = dates[np.minimum(at, len(dates) - 1)] == days[here]
            states[here[found]] = table[at[found]]
    return states


def world_before(
    bars: Bars,
    counted: Bool[np.ndarray, " row"],
    surprise: Float[np.ndarray, " row"],
    active: Float[np.ndarray, " row"],
) -> Float[np.ndarray, "row state"]:
    """Describe all symbols together on the last date before the row's.

    Args:
        bars: The panel.
        counted: Rows that take part.
        surprise: Return in units of the scale known before it.
        active: Log ratio of the session's range to that scale.

    Returns:
        Six states; 0 before the first date or with too few symbols.
    """
    days = bars.dates.astype("datetime64[D]").astype(np.int64)
    states = np.zeros((len(bars), 3 + len(HALF_LIVES)))
    if counted.any():
        dates, table = _by_date(days[counted], surprise[counted], active[counted])
        at = np.searchsorted(dates, days) - 1
        states[at >= 0] = table[at[at >= 0]]
    return states


def _by_date(
    days: Int[np.ndarray, " row"],
    surprise: Float[np.ndarray, " row"],
    active: Float[np.ndarray, " row"],
) -> tuple[Int[np.ndarray, " date"], Float[np.ndarray, "date state"]]:
    from scipy.signal import lfilter

    dates, first, count = np.unique(
        np.sort(days), return_index=True, return_counts=True
    )
    ordered = surprise[np.lexsort((surprise, days))]
    middle = _quantile(ordered, first, count, 0.5)
    low, high = (_quantile(ordered, first, count, share) for share in (0.1, 0.9))
    busy = _quantile(active[np.lexsort((active, days))], first, count, 0.5)
    square = np.add.reduceat(ordered**2, first) / count
    enough = count >= FEWEST_PEERS
    columns = [middle, np.log((0.1 + (high - low) / NORMAL_RANGE) / 1.1), busy]
    for half_life in HALF_LIVES:
        decay = 0.5 ** (1 / half_life)
        total = lfilter([1.0], [1.0, -decay], np.where(enough, square, 0.0))
        weight = lfilter([1.0], [1.0, -decay], enough.astype(float))
        mean = np.where(weight > 0, total / np.maximum(weight, 1e-9), 1.0)
        columns.append(0.5 * np.log(0.01 + mean))
    return dates, np.where(enough[:, None], np.column_stack(columns), 0.0)


def _quantile(
    ordered: Float[np.ndarray, " row"],
    first: Int[np.ndarray, " date"],
    count: Int[np.ndarray, " date"],
    share: float,
) -> Float[np.ndarray, " date"]:
    return np.asarray(ordered[first + np.round(share * (count - 1)).astype(np.int64)])


def _so_far(happened: Bool[np.ndarray, " row"], bars: Bars) -> Bool[np.ndarray, " row"]:
    rows = np.where(happened, np.arange(len(bars)), -1)
    return np.asarray(np.maximum.accumulate(rows) >= bars.starts)


def _shut_in_new_york(
    days: Shaped[np.ndarray, " row"], weekday: Int[np.ndarray, " row"]
) -> Bool[np.ndarray, " row"]:
    month, day = _month_day(days)
    movable = [
        (weekday == on) & (month == m) & (day > after) & (day <= after + 7)
        for on, m, after in NEW_YORK_SHUT
    ]
    return np.asarray(
        np.logical_or.reduce(
            [(month == INDEPENDENCE[0]) & (day == INDEPENDENCE[1]), *movable]
        )
    )


def _shut_in_korea(days: Shaped[np.ndarray, " row"]) -> Bool[np.ndarray, " row"]:
    month, day = _month_day(days)
    fixed = [(month == m) & (day == d) for m, d in KOREA_SHUT]
    return np.asarray(np.logical_or.reduce(fixed))


def _month_day(days: Shaped[np.ndarray, " row"]) -> tuple[Any, Any]:
    months = days.astype("datetime64[M]")
    month = months.astype(np.int64) % 12 + 1
    day = (days - months.astype("datetime64[D]")).astype(np.int64) + 1
    return month, day
