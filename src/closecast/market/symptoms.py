"""What looks wrong in the bars of one symbol, a finding for each.

Each look reads the series alone and says what training does about what it finds.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool

from closecast.market import broken
from closecast.market.bars import CLOSE, HIGH, LOW, VOLUME
from closecast.market.broken import MAX_LOG_RETURN, REUSE, REUSE_DAYS, TORN
from closecast.market.calendar import ALWAYS, FEWEST, rhythm
from closecast.market.findings import Finding, Training
from closecast.market.readers.rows import Table
from closecast.market.sessions import (
    at_limit,
    exchange_of,
    krx_limit,
    missing_sessions,
)

GAP, GAP_ALWAYS = 14, 3
"""Days without a session: Golden Week has 10, a market that never closes has none."""

COARSE = 2.0
"""Closes that usually move by two steps or fewer are mostly rounding."""

COARSE_SHARE = 0.0025
"""A step of a quarter per cent, as one won on 364, is wider than many intervals."""

ON_GRID = 1e-3

EQUAL_CLOSES = 5
"""As many equal closes in a row are seldom trades."""

REFUSES: Training = "refuses the windows that touch it"


def symptoms(series: Table, today: np.datetime64) -> Iterator[Finding]:
    """Look at one symbol from every side.

    Args:
        series: Its bars, by date, at least one.
        today: Day from which on a session may be unfinished.

    Yields:
        What looks wrong.
    """
    for look in (_moves, _torn, _frozen, _untraded, _gaps, _coarse, _against_exchange):
        yield from look(series)
    yield from _unfinished(series, today)


def _moves(series: Table) -> Iterator[Finding]:
    log_close = np.log(series.values[:, CLOSE])
    log_return = np.diff(log_close)
    spikes = broken.spikes(log_close).tolist()
    around = set(spikes) | {at + 1 for at in spikes}
    for at in spikes:
        ratio = np.exp(log_close[at] - (log_close[at - 1] + log_close[at + 1]) / 2)
        yield series.finding(
            at,
            f"Expected a close near those of the days around it, got {_times(ratio)} "
            "of them",
            "Repair this bar: a close in another unit, or a typing error.",
            "warning",
            kind="spike",
            training=REFUSES,
        )
    for before in np.flatnonzero(np.abs(log_return) > MAX_LOG_RETURN):
        at = int(before) + 1
        if at in around or _long_gap(series, at):
            continue
        kind, cause = _cause(float(np.exp(log_return[before])))
        yield series.finding(
            at,
            f"Expected a log return within {MAX_LOG_RETURN} a session, got "
            f"{log_return[before]:+.2f}",
            cause,
            "warning",
            kind=kind,
            training="uses the row as it is" if kind == "jump" else REFUSES,
        )


def _cause(ratio: float) -> tuple[str, str]:
    if broken.is_unit(ratio):
        return "unit", (
            f"It is {_times(ratio)}: check for prices in another unit from here on, or "
            "a split that is not adjusted for."
        )
    if broken.is_split(ratio):
        return "split", (
            f"It is {_times(ratio)}: check for a split that is not adjusted for, and "
            "adjust the prices before it."
        )
    return "jump", "Check for a split, or another unit, that is not adjusted for."


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
            kind="torn",
            training=REFUSES,
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
                kind="frozen",
                until=end,
            )


def _untraded(series: Table) -> Iterator[Finding]:
    for start, end in _runs(series.values[:, VOLUME] == 0):
        until = f", {end - start} sessions up to {series.dates[end - 1]}"
        yield series.finding(
            start,
            f"Expected a volume above 0, got 0{until if end - start > 1 else ''}",
            "Check for a halt: that nothing was traded.",
            "warning",
            kind="untraded",
            until=end - 1,
        )


def _gaps(series: Table) -> Iterator[Finding]:
    days = np.diff(series.dates).astype(int)
    close = series.values[:, CLOSE]
    for at in np.flatnonzero(days > _widest(series)):
        row = int(at) + 1
        level = broken.level_after(close, row)
        if days[at] > REUSE_DAYS and abs(np.log(level)) > np.log(REUSE):
            yield series.finding(
                row,
                f"Expected one company a symbol, got {_times(level)} the price "
                f"after a gap of {days[at]} days",
                "Check whether the symbol was given to another: split the history.",
                "warning",
                kind="reuse",
                training=REFUSES,
            )
            continue
        yield series.finding(
            row,
            f"Expected the next session within {_widest(series)} days, got a gap of "
            f"{days[at]} days",
            "Check for a halt, or for rows that are missing.",
            "warning",
            kind="gap",
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


def _coarse(series: Table) -> Iterator[Finding]:
    close = series.values[:, CLOSE]
    levels = np.unique(close)
    if len(series) < FEWEST or len(levels) < 2:  # noqa: PLR2004  no step to see
        return
    step = float(np.diff(levels).min())
    moves = np.abs(np.diff(close))
    usual = float(np.median(moves))
    on_grid = np.abs(levels / step - np.round(levels / step)).max() < ON_GRID
    share = step / float(np.median(close))
    if on_grid and (usual <= COARSE * step or share > COARSE_SHARE):
        yield series.finding(
            len(series) - 1,
            f"Expected closes in fine steps, got steps of {step:.6g}, "
            f"{share:.2%} of the price, and a usual move of "
            f"{usual / step:.3g} steps",
            "Look for a file with more decimals; intervals will fall between steps.",
            "warning",
            kind="coarse",
        )


def _against_exchange(series: Table) -> Iterator[Finding]:
    code = exchange_of(series.dates)
    if code is None:
        return
    missing = missing_sessions(series.dates, code)
    if len(missing):
        named = ", ".join(map(str, missing[:3])) + (" ..." if len(missing) > 3 else "")  # noqa: PLR2004
        yield series.finding(
            int(np.searchsorted(series.dates, missing[0])),
            f"Expected a bar in every session of {code}, got {len(missing)} without: "
            f"{named}",
            "Check for halts, or for rows that are missing.",
            "warning",
            kind="missing",
            until=int(np.searchsorted(series.dates, missing[-1])),
        )
    if code == "XKRX":
        yield from _limits(series)


def _limits(series: Table) -> Iterator[Finding]:
    close, limit = series.values[:, CLOSE], krx_limit(series.dates)[1:]
    moves = np.diff(close) / close[:-1]
    stopped = np.flatnonzero(at_limit(moves, limit)) + 1
    if len(stopped):
        yield series.finding(
            int(stopped[0]),
            f"Expected closes that the market made, got {len(stopped)} at KRX's daily "
            f"limit up to {series.dates[stopped[-1]]}",
            "No need to act: the limit cuts the tails that a forecast speaks of.",
            "warning",
            kind="limit",
            until=int(stopped[-1]),
        )
    beyond = (np.abs(moves) > limit + 0.01) & (
        np.abs(np.log1p(moves)) <= MAX_LOG_RETURN
    )
    for at in np.flatnonzero(beyond):
        yield series.finding(
            int(at) + 1,
            f"Expected a move within KRX's limit of {limit[at]:.0%}, got "
            f"{moves[at]:+.1%}",
            "Check for a split or a rights issue that is not adjusted for.",
            "warning",
            kind="beyond_limit",
        )


def _unfinished(series: Table, today: np.datetime64) -> Iterator[Finding]:
    if series.dates[-1] >= today:
        yield series.finding(
            len(series) - 1,
            f"Expected finished sessions, got one of {series.dates[-1]}, which may "
            "still run",
            "Read the file again after the close.",
            "warning",
            kind="unfinished",
        )


def _runs(flags: Bool[np.ndarray, " row"]) -> Iterator[tuple[int, int]]:
    # First position of each run of True, and the position after its last.
    edges = np.flatnonzero(
        np.diff(np.concatenate([[False], flags, [False]]).astype(int))
    )
    for start, end in edges.reshape(-1, 2):
        yield int(start), int(end)
