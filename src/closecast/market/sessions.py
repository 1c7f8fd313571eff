"""A symbol's dates against its exchange: missing sessions and price limits."""

import numpy as np
from jaxtyping import Bool, Float, Shaped

from closecast.market.calendar import FEWEST, HOLIDAYS, exchange_sessions

ALIKE = 0.98
"""Share of the dates that must be sessions of an exchange to be held against it."""

PRESENT = 0.9
"""Share of the sessions that must be there: fewer is another rhythm."""

KRX_LIMITS = (("1998-12-07", 0.15), ("2015-06-15", 0.30))
"""What KRX lets a close move in a session, and from when on."""

NEAR_LIMIT = 0.005
"""The limit is rounded to a tick: a move so near below it is at the limit."""


def exchange_of(dates: Shaped[np.ndarray, " date"]) -> str | None:
    """Recognise the exchange of a symbol that may have gaps.

    Args:
        dates: Its dates, ascending.

    Returns:
        ``XNYS`` or ``XKRX``, or None where neither fits, or both.
    """
    if len(dates) < FEWEST or _weekends(dates):
        return None
    month_days = {str(date)[5:] for date in dates}
    likely = [code for code, days in HOLIDAYS.items() if not month_days & set(days)]
    fitting = [code for code in likely if _fits(dates, code)]
    return fitting[0] if len(fitting) == 1 else None


def missing_sessions(
    dates: Shaped[np.ndarray, " date"], code: str
) -> Shaped[np.ndarray, " session"]:
    """List the sessions without a bar.

    Args:
        dates: A symbol's dates, ascending.
        code: Its exchange.

    Returns:
        Sessions between its first date and its last that are not among them.
    """
    return np.setdiff1d(_sessions(dates, code), dates)


def krx_limit(dates: Shaped[np.ndarray, " date"]) -> Float[np.ndarray, " date"]:
    """Give KRX's limit of a session's move.

    Args:
        dates: Sessions.

    Returns:
        0.15 or 0.30; NaN before there was one of these.
    """
    limit = np.full(len(dates), np.nan)
    for since, share in KRX_LIMITS:
        limit[dates >= np.datetime64(since)] = share
    return limit


def at_limit(
    moves: Float[np.ndarray, " row"], limit: Float[np.ndarray, " row"]
) -> Bool[np.ndarray, " row"]:
    """Find moves that the exchange stopped.

    Args:
        moves: Simple returns from close to close.
        limit: As ``krx_limit`` gives it.

    Returns:
        True at the limit, not beyond it.
    """
    size = np.abs(moves)
    return np.asarray((size >= limit - NEAR_LIMIT) & (size <= limit + 1e-9))


def _weekends(dates: Shaped[np.ndarray, " date"]) -> bool:
    return bool(np.mean(np.is_busday(dates)) < ALIKE)


def _fits(dates: Shaped[np.ndarray, " date"], code: str) -> bool:
    sessions = _sessions(dates, code)
    if len(sessions) < FEWEST:
        return False
    known = np.isin(dates[dates >= sessions[0]], sessions)
    return bool(known.mean() >= ALIKE and known.sum() / len(sessions) >= PRESENT)


def _sessions(
    dates: Shaped[np.ndarray, " date"], code: str
) -> Shaped[np.ndarray, " session"]:
    # Those between first and last date, as far back as the calendar reaches.
    first, last = (int(str(date)[:4]) for date in dates[[0, -1]])
    known = exchange_sessions(code, first - 1, last + 1)
    return np.asarray(known[(known >= dates[0]) & (known <= dates[-1])])
