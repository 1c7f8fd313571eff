"""What to do with new bars: add, replace, leave, refuse. Nothing is written here."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from closecast.market.store import overlap
from closecast.market.store.adjusting import adjusted, factors
from closecast.market.store.metadata import Adjustment, Conflict
from closecast.market.store.rows import Rows
from closecast.market.store.symbols import SymbolTable

_LONG_AGO = np.datetime64("0001-01-01", "D")


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """What becomes of new bars.

    Attributes:
        added: Rows to write: new sessions and new versions.
        removed: Stored versions that they replace.
        known: Sessions that were stored already, the same.
        adjustments: Factors that were found.
        conflicts: Symbols of which nothing is taken.
    """

    added: Rows
    removed: Rows
    known: int
    adjustments: tuple[Adjustment, ...] = ()
    conflicts: tuple[Conflict, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Meeting:
    """New rows beside the stored rows of the same sessions.

    Attributes:
        new: New rows.
        stored: Stored rows of their symbols.
        at: Row of ``stored`` for each new row, -1 without one.
        open_stored: Stored rows whose session was not over when they came.
        open_new: The same of new rows.
        whole: Symbols whose new rows reach back to the first stored session.
    """

    new: Rows
    stored: Rows
    at: Int[np.ndarray, " new_row"]
    open_stored: Bool[np.ndarray, " stored_row"]
    open_new: Bool[np.ndarray, " new_row"]
    whole: Bool[np.ndarray, " new_name"]

    @property
    def met(self) -> Bool[np.ndarray, " new_row"]:
        """True where the session is stored."""
        return self.at >= 0


def overlapping(new: Rows, table: SymbolTable) -> Bool[np.ndarray, " new_name"]:
    """Find the symbols whose new sessions reach into the stored ones.

    Args:
        new: New rows, some of each name.
        table: What is stored.

    Returns:
        True for each such name.
    """
    at = table.find(new.names)
    offsets = new.offsets
    reach = at >= 0
    first, last = new.dates[offsets[:-1]], new.dates[offsets[1:] - 1]
    known = at[reach]
    reach[reach] = (first[reach] <= table.last[known]) & (
        last[reach] >= table.first[known]
    )
    return reach


def meet(
    new: Rows,
    stored: Rows,
    table: SymbolTable,
    final_before: Mapping[int, dt.date],
    new_final_before: dt.date,
) -> Meeting:
    """Put new rows beside stored ones.

    Args:
        new: New rows.
        stored: Stored rows of the symbols that overlap.
        table: What is stored.
        final_before: Of each stored batch.
        new_final_before: Of the new one.

    Returns:
        Both, joined by symbol and session.
    """
    names = np.unique(np.concatenate([stored.names, new.names]))
    old_keys, new_keys = (_keys(rows, names) for rows in (stored, new))
    at = np.full(len(new), -1)
    if len(stored):
        near = np.minimum(np.searchsorted(old_keys, new_keys), len(stored) - 1)
        at = np.where(old_keys[near] == new_keys, near, -1)
    numbers, which = np.unique(stored.batches, return_inverse=True)
    limits = np.array(
        [final_before[int(n)] for n in numbers] or [dt.date.max], dtype="datetime64[D]"
    )
    limit = np.datetime64(new_final_before, "D")
    begins = new.dates[new.offsets[:-1]]
    return Meeting(
        new=new,
        stored=stored,
        at=at,
        open_stored=stored.dates >= limits[which],
        open_new=new.dates >= limit,
        whole=begins <= table.first[table.find(new.names)]
        if len(new)
        else begins > limit,
    )


def plan_append(meeting: Meeting, *, replace: bool) -> Plan:
    """Take new bars as they are: equal ones are known, others must be new.

    Args:
        meeting: New and stored rows.
        replace: New bars win over final ones.

    Returns:
        The plan; a symbol that contradicts a final bar is left out.
    """
    same = _same(meeting)
    open_stored = _at(meeting, meeting.open_stored)
    clash = meeting.met & ~same & ~open_stored & (not replace)
    settles = same & open_stored & ~meeting.open_new
    conflicts = [_contradiction(meeting, row) for row in _first_rows(meeting, clash)]
    refused = np.isin(meeting.new.names, [c.symbol for c in conflicts])[meeting.new.ids]
    return _plan(meeting, ~meeting.met | ~same | settles, refused, (), conflicts)


def plan_refresh(meeting: Meeting, adjustments: Sequence[Adjustment]) -> Plan:
    """Take a vendor's new view of old sessions: the same, one factor, or a conflict.

    Args:
        meeting: New rows, and all stored rows of their symbols since the first of them.
        adjustments: Factors of the stored symbols.

    Returns:
        The plan; a symbol in conflict is left out.
    """
    found: list[Adjustment] = []
    conflicts: list[Conflict] = []
    current = adjusted(meeting.stored, adjustments).values
    rounded = factors(meeting.stored, adjustments)[:, 0] != 1
    for name in _changed(meeting, current):
        answer = _judged(meeting, int(name), current, rounded)
        if isinstance(answer, Conflict):
            conflicts.append(answer)
        elif answer is not None:
            found.append(answer)
    refused = np.isin(meeting.new.names, [c.symbol for c in conflicts])[meeting.new.ids]
    take = ~meeting.met | _at(meeting, meeting.open_stored)
    take &= ~(_same(meeting) & meeting.open_new)
    return _plan(meeting, take, refused, tuple(found), conflicts)


def _changed(
    meeting: Meeting, current: Float[np.ndarray, "stored_row column"]
) -> Int[np.ndarray, " name"]:
    # Stored symbols, but for those whose every final session came again, unchanged.
    new, stored, met = meeting.new, meeting.stored, meeting.met
    home = np.searchsorted(new.names, stored.names)[stored.ids]
    final = ~meeting.open_stored
    expected = np.bincount(home[final], minlength=len(new.names))
    again = met.copy()
    again[met] = final[meeting.at[met]]
    again[again] = (new.values[again] == current[meeting.at[again]]).all(axis=1)
    unchanged = np.bincount(new.ids[again], minlength=len(new.names))
    last = np.full(len(new.names), _LONG_AGO)
    np.maximum.at(last, home[final], stored.dates[final])
    inserted = np.bincount(
        new.ids[~met & (new.dates < last[new.ids])], minlength=len(new.names)
    )
    return np.flatnonzero((expected != unchanged) | (inserted > 0) | (expected == 0))


def _judged(
    meeting: Meeting,
    name: int,
    current: Float[np.ndarray, "stored_row column"],
    rounded: Bool[np.ndarray, " stored_row"],
) -> Adjustment | Conflict | None:
    new, stored = meeting.new, meeting.stored
    symbol = str(new.names[name])
    mine = np.arange(*np.searchsorted(new.ids, [name, name + 1]))
    first, at = new.dates[mine[0]], meeting.at[mine]
    place = int(np.searchsorted(stored.names, symbol))
    theirs = np.arange(*np.searchsorted(stored.ids, [place, place + 1]))
    settled = theirs[~meeting.open_stored[theirs]]
    if not len(settled) and meeting.whole[name]:
        return None
    differs = _sessions_differ(meeting, mine, settled)
    if differs is not None:
        date, what = differs
        return Conflict(symbol=symbol, date=date.item(), what=what)
    rows = mine[np.isin(at, settled)]
    places = meeting.at[rows]
    answer = overlap.compare(current[places], new.values[rows], rounded[places])
    if isinstance(answer, str):
        return Conflict(symbol=symbol, date=first.item(), what=answer)
    if answer.is_one:
        return None
    return Adjustment(
        symbol=symbol,
        date=stored.dates[settled[-1]].item() + dt.timedelta(days=1),
        price_factor=answer.price,
        volume_factor=answer.volume,
    )


def _sessions_differ(
    meeting: Meeting,
    mine: Int[np.ndarray, " new"],
    settled: Int[np.ndarray, " stored"],
) -> tuple[Any, str] | None:
    # First session that only one side has, between the first new and the last final.
    dates = meeting.new.dates[mine]
    if not len(settled):
        what = f"Expected some stored sessions again, got prices from {dates[0]} on"
        return dates[0], what
    at = meeting.at[mine]
    lost = meeting.stored.dates[settled[~np.isin(settled, at)]]
    inserted = dates[(at < 0) & (dates < meeting.stored.dates[settled[-1]])]
    if not len(lost) and not len(inserted):
        return None
    side = "stored" if len(lost) else "new"
    what = f"Expected the stored sessions again, got one in the {side} prices only"
    return np.concatenate([lost, inserted])[0], what


def _plan(
    meeting: Meeting,
    take: Bool[np.ndarray, " new_row"],
    refused: Bool[np.ndarray, " new_row"],
    adjustments: tuple[Adjustment, ...],
    conflicts: Sequence[Conflict],
) -> Plan:
    added = take & ~refused
    return Plan(
        added=meeting.new.take(added),
        removed=meeting.stored.take(np.sort(meeting.at[added & meeting.met])),
        known=int(np.count_nonzero(~take & ~refused)),
        adjustments=adjustments,
        conflicts=tuple(conflicts),
    )


def _same(meeting: Meeting) -> Bool[np.ndarray, " new_row"]:
    same = np.zeros(len(meeting.new), bool)
    met = meeting.met
    stored = meeting.stored.values[meeting.at[met]]
    same[met] = (meeting.new.values[met] == stored).all(axis=1)
    return same


def _at(
    meeting: Meeting, flags: Bool[np.ndarray, " stored_row"]
) -> Bool[np.ndarray, " new_row"]:
    found = np.zeros(len(meeting.new), bool)
    found[meeting.met] = flags[meeting.at[meeting.met]]
    return found


def _first_rows(
    meeting: Meeting, clash: Bool[np.ndarray, " new_row"]
) -> Int[np.ndarray, " name"]:
    rows = np.flatnonzero(clash)
    return np.asarray(rows[np.unique(meeting.new.ids[rows], return_index=True)[1]])


def _contradiction(meeting: Meeting, row: int) -> Conflict:
    stored, new = meeting.stored.values[meeting.at[row]], meeting.new.values[row]
    column = int(np.flatnonzero(stored != new)[0])
    name = ("open", "high", "low", "close", "volume")[column]
    return Conflict(
        symbol=str(meeting.new.names[meeting.new.ids[row]]),
        date=meeting.new.dates[row].item(),
        what=f"Expected the stored {name} of {stored[column]:.10g}, "
        f"got {new[column]:.10g}",
    )


def _keys(rows: Rows, names: Shaped[np.ndarray, " name"]) -> Int[np.ndarray, " row"]:
    places = np.searchsorted(names, rows.names).astype(np.int64)
    days = rows.dates.astype("datetime64[D]").astype(np.int64)
    return np.asarray((places[rows.ids] << 32) + days)
