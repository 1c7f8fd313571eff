"""When the next sessions are: the dates that a forecast speaks of.

Inside a panel the symbol's own dates are its sessions. Beyond its end they come
from an exchange's calendar, or from the rhythm of the symbol itself.
"""

import difflib
import warnings
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped

from closecast.errors import SettingError
from closecast.market.bars import Bars

AUTO, WEEKDAYS, ALWAYS = "auto", "weekdays", "24/7"

RECENT = 250
"""Last dates of a symbol that tell its rhythm."""

FEWEST = 60
"""Fewer dates tell no exchange from another."""

WEEKEND_SHARE = 0.05
"""Share of Saturdays, and of Sundays, that makes a symbol trade around the clock."""

HOLIDAYS = {
    "XNYS": ("01-01", "07-04", "12-25"),
    "XKRX": ("01-01", "03-01", "05-05", "08-15", "10-03", "12-25"),
}
"""Exchanges that are recognised, with days on which they never trade.

A date on one of these days rules the exchange out without loading its calendar.
"""

CLOSING_HOURS = {"XKRX": 6.5, "XNYS": 21.0, ALWAYS: 24.0}
"""When a session is over, in hours of UTC from the start of its date; the later one of
summer and winter."""

_DAY = np.timedelta64(1, "D")
_SATURDAY, _SUNDAY = 5, 6


def target_sessions(
    bars: Bars,
    cutoffs: Int[np.ndarray, " window"],
    horizon: int,
    calendar: str = AUTO,
) -> Shaped[np.ndarray, "window horizon"]:
    """Find the sessions of the next closes.

    Args:
        bars: The panel.
        cutoffs: Row of the last known bar of each window.
        horizon: Sessions ahead.
        calendar: Where sessions beyond the panel come from: the code of an exchange
            (``XNYS``, ``XKRX``, any that exchange_calendars knows), ``24/7``,
            ``weekdays``, or ``auto``, the symbol's own rhythm.

    Returns:
        Session of each step, ``datetime64[D]``.

    Raises:
        SettingError: There is no such calendar.
    """
    _refuse_unknown(calendar)
    rows = cutoffs[:, None] + np.arange(1, horizon + 1)  # (window, horizon)
    beyond = rows - bars.ends[cutoffs][:, None]
    sessions = bars.dates[np.minimum(rows, len(bars) - 1)]
    ahead = beyond >= 0
    if ahead.any():
        ids = bars.symbol_ids[cutoffs]
        symbols = np.unique(ids[ahead[:, -1]])
        future = _futures(bars, symbols, horizon, calendar)
        place = np.broadcast_to(np.searchsorted(symbols, ids)[:, None], rows.shape)
        sessions[ahead] = future[place[ahead], beyond[ahead]]
    return np.asarray(sessions)


def _futures(
    bars: Bars, symbols: Int[np.ndarray, " symbol"], horizon: int, calendar: str
) -> Shaped[np.ndarray, "symbol horizon"]:
    # symbols of one exchange have the same dates: its calendar is asked once
    known: dict[bytes, Shaped[np.ndarray, " session"]] = {}
    futures = []
    for symbol in symbols:
        start, end = bars.offsets[symbol], bars.offsets[symbol + 1]
        recent = bars.dates[max(start, end - RECENT) : end]
        key = recent.tobytes()
        if key not in known:
            known[key] = next_sessions(recent, horizon, calendar)
        futures.append(known[key])
    return np.stack(futures)


def next_sessions(
    dates: Shaped[np.ndarray, " date"], count: int, calendar: str = AUTO
) -> Shaped[np.ndarray, " session"]:
    """Find the sessions after a symbol's last date.

    Args:
        dates: The symbol's dates, ascending.
        count: Sessions to find.
        calendar: As in ``target_sessions``.

    Returns:
        The next sessions, ``datetime64[D]``; weekdays where the exchange's calendar
        does not reach.

    Raises:
        SettingError: There is no such calendar.
    """
    _refuse_unknown(calendar)
    name = rhythm(dates) if calendar == AUTO else calendar
    last = dates[-1].astype("datetime64[D]")
    if name == ALWAYS:
        return np.asarray(last + np.arange(1, count + 1) * _DAY)
    if name == WEEKDAYS:
        return _weekdays(last, count)
    year = int(last.astype("datetime64[Y]").astype(int)) + 1970
    known = exchange_sessions(name, year - 1, year + 1 + count // 200)
    if not len(known) or last < known[0]:
        return _weekdays(last, count)
    ahead = known[known > last][:count]
    rest = _weekdays(max(last, known[-1]), count - len(ahead))
    return np.concatenate([ahead, rest])


def closing_hours(bars: Bars) -> dict[str, float]:
    """Say when each symbol's sessions are over, as far as its dates tell.

    Args:
        bars: The panel.

    Returns:
        Hours of UTC from the start of a session's date, by symbol; NaN where its
        market is not recognised.
    """
    return {
        symbol: CLOSING_HOURS.get(market_of(bars.dates[start:end]), np.nan)
        for symbol, start, end in bars
    }


def market_of(dates: Shaped[np.ndarray, " date"]) -> str:
    """Recognise a market by holidays alone, without loading a calendar.

    Args:
        dates: A symbol's dates, ascending.

    Returns:
        ``24/7``, ``XNYS`` or ``XKRX``: rested on all holidays of the one, traded on
        one of the other's; "" where that is not so.
    """
    recent = dates[-RECENT:].astype("datetime64[D]")
    if _trades_always(recent):
        return ALWAYS
    month_days = {str(date)[5:] for date in recent}
    rested = [code for code in HOLIDAYS if not month_days & set(HOLIDAYS[code])]
    return rested[0] if len(rested) == 1 and len(recent) >= FEWEST else ""


def rhythm(dates: Shaped[np.ndarray, " date"]) -> str:
    """Recognise when a symbol trades.

    Args:
        dates: Its dates, ascending.

    Returns:
        ``24/7`` if it regularly trades on Saturdays and on Sundays; ``XNYS`` or
        ``XKRX`` if its last dates are exactly that exchange's sessions; else
        ``weekdays``.
    """
    recent = dates[-RECENT:].astype("datetime64[D]")
    if _trades_always(recent):
        return ALWAYS
    matching = (code for code in HOLIDAYS if _trades_at(recent, code))
    return next(matching, WEEKDAYS)


def _trades_always(recent: Shaped[np.ndarray, " date"]) -> bool:
    weekday = (recent.astype(int) + 3) % 7
    shares = [np.mean(weekday == day) for day in (_SATURDAY, _SUNDAY)]
    return bool(min(shares) > WEEKEND_SHARE)


def _trades_at(recent: Shaped[np.ndarray, " date"], code: str) -> bool:
    month_days = {str(date)[5:] for date in recent}
    if len(recent) < FEWEST or month_days & set(HOLIDAYS[code]):
        return False
    first, last = (int(str(date)[:4]) for date in recent[[0, -1]])
    known = exchange_sessions(code, first - 1, last + 1)
    sessions = known[(known >= recent[0]) & (known <= recent[-1])]
    return np.array_equal(sessions, recent)


def _weekdays(
    last: Any,  # noqa: ANN401
    count: int,
) -> Shaped[np.ndarray, " session"]:
    steps: Any = np.arange(1, count + 1)
    return np.asarray(np.busday_offset(last, steps, roll="backward"))


@cache
def exchange_sessions(
    code: str, first_year: int, last_year: int
) -> Shaped[np.ndarray, " session"]:
    """List the sessions of an exchange, as far as its calendar reaches.

    Args:
        code: An exchange that exchange_calendars knows.
        first_year: First year that is asked for.
        last_year: Last year that is asked for.

    Returns:
        Sessions, ascending, ``datetime64[D]``.
    """
    sessions, _ = _exchange(code, first_year, last_year)
    return sessions


def session_closes(
    calendar: str, dates: Shaped[np.ndarray, " *date"]
) -> Shaped[np.ndarray, " *date"]:
    """Say when sessions end.

    Args:
        calendar: The code of an exchange, or ``24/7``.
        dates: Their dates.

    Returns:
        Moments in UTC, ``datetime64[s]``. A date that is no session of the exchange,
        or beyond its calendar, ends as it begins: nobody could know less.

    Raises:
        SettingError: There is no such calendar, or it has no closing time.
    """
    _refuse_unknown(calendar)
    if calendar in {AUTO, WEEKDAYS}:
        raise SettingError(
            f"Expected a calendar with a closing time, got {calendar!r}. Name the "
            f"exchange, such as XNYS or XKRX, or {ALWAYS}."
        )
    days = dates.astype("datetime64[D]")
    if calendar == ALWAYS or not days.size:
        return np.asarray((days + _DAY).astype("datetime64[s]"))
    years = days.astype("datetime64[Y]").astype(int) + 1970
    sessions, closes = _exchange(calendar, int(years.min()) - 1, int(years.max()) + 1)
    place = np.minimum(np.searchsorted(sessions, days), len(sessions) - 1)
    known = sessions[place] == days
    return np.where(known, closes[place], days.astype("datetime64[s]"))


@cache
def _exchange(
    code: str, first_year: int, last_year: int
) -> tuple[Shaped[np.ndarray, " session"], Shaped[np.ndarray, " session"]]:
    # sessions of an exchange, and when each of them ends, UTC
    import exchange_calendars  # type: ignore[import-untyped]

    with warnings.catch_warnings():
        # Deprecations inside exchange_calendars are not the caller's to act on.
        warnings.simplefilter("ignore")
        try:
            calendar = exchange_calendars.get_calendar(
                code, start=f"{first_year}-01-01", end=f"{last_year}-12-31"
            )
        except ValueError:  # beyond the calendar's bounds: what it has by default
            calendar = exchange_calendars.get_calendar(code)
        closes = calendar.closes.dt.tz_localize(None)
        return (
            np.asarray(calendar.sessions.to_numpy(), dtype="datetime64[D]"),
            np.asarray(closes.to_numpy(), dtype="datetime64[s]"),
        )


def _refuse_unknown(calendar: str) -> None:
    if calendar in {AUTO, WEEKDAYS, ALWAYS, *HOLIDAYS}:
        return
    import exchange_calendars

    codes = exchange_calendars.get_calendar_names(include_aliases=True)
    if calendar in codes:
        return
    names = {name.upper(): name for name in (AUTO, WEEKDAYS, ALWAYS, *codes)}
    near = difflib.get_close_matches(calendar.upper(), names, n=3, cutoff=0.5)
    hint = f"Did you mean {', '.join(names[name] for name in near)}?" if near else ""
    raise SettingError(
        f"Expected a calendar: {AUTO}, {WEEKDAYS}, {ALWAYS} or an exchange's code like "
        f"XNYS or XKRX, got {calendar!r}. {hint or 'Choose one of these.'}"
    )
