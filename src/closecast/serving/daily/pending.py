"""Which forecasts are due: every cutoff since the last recorded one, oldest first."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from closecast.errors import SettingError
from closecast.market.bars import Bars
from closecast.serving.ledger.publication import closes_of
from closecast.windows.spec import WindowSpec


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Due:
    """Cutoffs of one date.

    Attributes:
        date: The date.
        known: The panel as it was then: nothing after the date.
        rows: Rows of ``known`` to forecast from.
    """

    date: dt.date
    known: Bars
    rows: Int[np.ndarray, " window"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """The sessions of a panel that are over.

    Attributes:
        bars: The panel without sessions that still go on.
        notes: What was left out, a sentence each.
    """

    bars: Bars
    notes: tuple[str, ...]


def finished(bars: Bars, now: dt.datetime, calendar: str) -> Sessions:
    """Leave out what cannot be forecast from: open sessions, unknown markets.

    Args:
        bars: The panel.
        now: The time.
        calendar: Exchange of all; ``auto`` recognises each symbol's.

    Returns:
        The rest.

    Raises:
        SettingError: Nothing is left.
    """
    keep, notes = np.ones(len(bars), bool), []
    moment = np.datetime64(now.astimezone(dt.UTC).replace(tzinfo=None))
    for symbol, start, end in bars:
        last = slice(end - 1, end)
        try:
            closes = closes_of(bars, np.array([symbol]), bars.dates[last], calendar)
        except SettingError as error:
            keep[start:end] = False
            notes.append(f"{symbol} is left out. {error}")
            continue
        still = bars.dates[start:end] > moment.astype("datetime64[D]")
        still[-1] |= closes[0] > moment
        if still.any():
            keep[start:end] = ~still
            notes.append(
                f"{symbol}: the session of {bars.dates[start:end][still][0]} is not "
                "over and is left out."
            )
    if not keep.any():
        raise SettingError(
            f"Expected sessions that are over, got none: {' '.join(notes[:3])} Look "
            "at the prices, the calendar and this machine's clock."
        )
    return Sessions(bars=bars.select(keep), notes=tuple(notes))


def due(bars: Bars, recorded: Mapping[str, dt.date], spec: WindowSpec) -> Iterator[Due]:
    """Go through the cutoffs that are not recorded yet.

    Args:
        bars: Finished sessions.
        recorded: Newest recorded cutoff of each symbol. One without any begins with
            its newest session: what it would have said before is no record.
        spec: Shape of a window: a cutoff needs a whole context.

    Yields:
        Dates in order, with what was known then.
    """
    wanted = np.zeros(len(bars), bool)
    for symbol, start, end in bars:
        last = recorded.get(symbol)
        since = bars.dates[end - 1] if last is None else np.datetime64(last) + 1
        wanted[start:end] = bars.dates[start:end] >= since
        wanted[start : start + spec.context_length - 1] = False
    for date in np.unique(bars.dates[wanted]):
        known = bars.select(bars.dates <= date)
        names = bars.names(np.flatnonzero(wanted & (bars.dates == date)))
        ends = known.offsets[1:] - 1
        rows = ends[np.isin(known.symbols, names)]
        yield Due(date=date.item(), known=known, rows=rows)
