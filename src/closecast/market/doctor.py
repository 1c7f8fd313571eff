"""The doctor: everything that is wrong or odd in a table of prices.

What a reader would refuse is an error; what a reader takes and its owner should
look at is a warning. Nothing is repaired.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from closecast.market.bars import CLOSE, HIGH, LOW, VOLUME
from closecast.market.calendar import ALWAYS, FEWEST, rhythm
from closecast.market.findings import Finding
from closecast.market.readers.format import NO_HINTS, Hints
from closecast.market.readers.rows import Table, unsorted_files
from closecast.market.readers.table import SORTED, survey

__all__ = ["Finding", "check"]

MAX_LOG_RETURN = 0.5
"""A close moved by more in a session (+65 %, -39 %) is seldom a market."""

SPIKE = 5.0
"""A close so many times its neighbours, which agree, is no market."""

NEAR_UNIT = 0.15
"""A move within 15 % of a power of ten is called another unit."""

NEAR_SPLIT = 0.03
"""A move within 3 % of a whole ratio is called a split: the day's own move is left."""

TORN = 5.0
"""A high so many times the low of its day is seldom a market."""

GAP, GAP_ALWAYS = 14, 3
"""Days without a session: Golden Week has 10, a market that never closes has none."""

REUSE_DAYS, REUSE = 180, 3.0
"""Half a year of silence and three times the price: perhaps another company."""

LEVEL_BARS = 20
"""Bars that tell the price level beside a gap."""

COARSE = 2.0
"""Closes that usually move by two steps or fewer are mostly rounding."""

ON_GRID = 1e-3

EQUAL_CLOSES = 5
"""As many equal closes in a row are seldom trades."""


def check(
    source: Any,  # noqa: ANN401
    *,
    hints: Hints = NO_HINTS,
    today: dt.date | None = None,
) -> list[Finding]:
    """Examine a table.

    Args:
        source: Path of a CSV (also in gzip or zip) or Parquet file, a folder of
            such files, or a dataframe.
        hints: What the files cannot say of themselves.
        today: Day from which on a session may be unfinished; today in UTC.

    Returns:
        Every error and warning, by file and row; none if the table is sound.
    """
    found = survey(source, hints=hints)
    broken = {(finding.file, finding.row) for finding in found.errors}
    table = found.table
    places = zip(table.files, table.rows, strict=True)
    sound = np.array([(str(f), int(r)) not in broken for f, r in places], dtype=bool)
    day = np.datetime64(today or dt.datetime.now(dt.UTC).date(), "D")
    warnings = [*found.left_out, *_unsorted(table), *_odd(table.take(sound), day)]
    return sorted([*found.errors, *warnings], key=lambda f: (f.file, f.row or 0))


def _unsorted(table: Table) -> Iterator[Finding]:
    for at in unsorted_files(table).values():
        yield table.finding(
            at,
            "Expected rows in order of date, got an earlier one",
            f"No need to act: {SORTED} when read.",
            "warning",
        )


def _odd(table: Table, today: np.datetime64) -> Iterator[Finding]:
    order = np.lexsort((table.dates, table.symbol_ids))
    ids = table.symbol_ids[order]
    for rows in np.split(order, np.flatnonzero(np.diff(ids)) + 1):
        series = table.take(rows)
        if len(series):
            for look in (_moves, _torn, _frozen, _untraded, _gaps, _coarse):
                yield from look(series)
            yield from _unfinished(series, today)


def _moves(series: Table) -> Iterator[Finding]:
    log_close = np.log(series.values[:, CLOSE])
    log_return = np.diff(log_close)
    spikes = _spikes(log_close)
    around = set(spikes) | {at + 1 for at in spikes}
    for at in spikes:
        ratio = np.exp(log_close[at] - (log_close[at - 1] + log_close[at + 1]) / 2)
        yield series.finding(
            at,
            f"Expected a close near those of the days around it, got {_times(ratio)} "
            "of them",
            "Repair this bar: a close in another unit, or a typing error.",
            "warning",
        )
    for before in np.flatnonzero(np.abs(log_return) > MAX_LOG_RETURN):
        at = int(before) + 1
        if at not in around and not _long_gap(series, at):
            yield series.finding(
                at,
                f"Expected a log return within {MAX_LOG_RETURN} a session, got "
                f"{log_return[before]:+.2f}",
                _cause(float(np.exp(log_return[before]))),
                "warning",
            )


def _spikes(log_close: Float[np.ndarray, " row"]) -> list[int]:
    # Far from both neighbours, which are near each other.
    to, back = np.diff(log_close)[:-1], np.diff(log_close)[1:]
    alone = (np.minimum(np.abs(to), np.abs(back)) > np.log(SPIKE)) & (to * back < 0)
    return [
        int(at) + 1
        for at in np.flatnonzero(alone & (np.abs(to + back) < MAX_LOG_RETURN))
    ]


def _cause(ratio: float) -> str:
    times = max(ratio, 1 / ratio)
    power = round(np.log10(times))
    if power >= 1 and abs(times / 10**power - 1) < NEAR_UNIT:
        return (
            f"It is {_times(ratio)}: check for prices in another unit from here on, or "
            "a split that is not adjusted for."
        )
    if abs(times / round(times) - 1) < NEAR_SPLIT:
        return (
            f"It is {_times(ratio)}: check for a split that is not adjusted for, and "
            "adjust the prices before it."
        )
    return "Check for a split, or another unit, that is not adjusted for."


def _times(ratio: float) -> str:
    # 100 times, or 1/100, as a person says it.
    times = max(ratio, 1 / ratio)
    near = f"{round(times):,}"
    return f"about {near} times" if ratio > 1 else f"about 1/{near}"


def _torn(series: Table) -> Iterator[Finding]:
    ratio = series.values[:, HIGH] / series.values[:, LOW]
    for at in np.flatnonzero(ratio > TORN):
        yield series.finding(
            int(at),
            f"Expected a high within {TORN:g} times the low, got {ratio[at]:.3g} times",
            "Check high and low: a freak trade, or another unit.",
            "warning",
        )


def _frozen(series: Table) -> Iterator[Finding]:
    close = series.values[:, CLOSE]
    for start, end in _runs(np.diff(close) == 0):
        if end - start + 1 >= EQUAL_CLOSES:
            yield series.finding(
                start,
                f"Expected fewer than {EQUAL_CLOSES} equal closes in a row, got "
                f"{end - start + 1} up to {series.dates[end]}",
                "Check for a halt, or for gaps that were filled.",
                "warning",
            )


def _untraded(series: Table) -> Iterator[Finding]:
    for start, end in _runs(series.values[:, VOLUME] == 0):
        until = f", {end - start} sessions up to {series.dates[end - 1]}"
        yield series.finding(
            start,
            f"Expected a volume above 0, got 0{until if end - start > 1 else ''}",
            "Check that nothing was traded.",
            "warning",
        )


def _gaps(series: Table) -> Iterator[Finding]:
    days = np.diff(series.dates).astype(int)
    for at in np.flatnonzero(days > _widest(series)):
        row, level = int(at) + 1, _levels(series, int(at) + 1)
        if days[at] > REUSE_DAYS and abs(np.log(level)) > np.log(REUSE):
            yield series.finding(
                row,
                f"Expected one company a symbol, got {_times(level)} the price "
                f"after a gap of {days[at]} days",
                "Check whether the symbol was given to another: split the history.",
                "warning",
            )
            continue
        yield series.finding(
            row,
            f"Expected the next session within {_widest(series)} days, got a gap of "
            f"{days[at]} days",
            "Check for a halt, or for rows that are missing.",
            "warning",
        )


def _widest(series: Table) -> int:
    # Days between two sessions that need no explanation.
    if len(series) < FEWEST:
        return REUSE_DAYS
    usual = int(np.median(np.diff(series.dates).astype(int)))
    every_day = usual == 1 and rhythm(series.dates) == ALWAYS
    return GAP_ALWAYS if every_day else max(GAP, 4 * usual)


def _long_gap(series: Table, row: int) -> bool:
    days = (series.dates[row] - series.dates[row - 1]).astype(int)
    return bool(days > REUSE_DAYS)


def _levels(series: Table, row: int) -> float:
    # Price level after a row over that before it.
    close = series.values[:, CLOSE]
    before, after = close[max(0, row - LEVEL_BARS) : row], close[row : row + LEVEL_BARS]
    return float(np.median(after) / np.median(before))


def _coarse(series: Table) -> Iterator[Finding]:
    close = series.values[:, CLOSE]
    levels = np.unique(close)
    if len(series) < FEWEST or len(levels) < 2:  # noqa: PLR2004  no step to see
        return
    step = float(np.diff(levels).min())
    moves = np.abs(np.diff(close))
    usual = float(np.median(moves))
    on_grid = np.abs(levels / step - np.round(levels / step)).max() < ON_GRID
    if on_grid and usual <= COARSE * step:
        yield series.finding(
            len(series) - 1,
            f"Expected closes in fine steps, got steps of {step:.6g}, "
            f"{step / float(np.median(close)):.2%} of the price, and a usual move of "
            f"{usual / step:.3g} steps",
            "Look for a file with more decimals; intervals will fall between steps.",
            "warning",
        )


def _unfinished(series: Table, today: np.datetime64) -> Iterator[Finding]:
    if series.dates[-1] >= today:
        yield series.finding(
            len(series) - 1,
            f"Expected finished sessions, got one of {series.dates[-1]}, which may "
            "still run",
            "Read the file again after the close.",
            "warning",
        )


def _runs(flags: Bool[np.ndarray, " row"]) -> Iterator[tuple[int, int]]:
    # First position of each run of True, and the position after its last.
    edges = np.flatnonzero(
        np.diff(np.concatenate([[False], flags, [False]]).astype(int))
    )
    for start, end in edges.reshape(-1, 2):
        yield int(start), int(end)
