"""What is known at a cutoff beyond the ten bars: volatilities, ranges, the market.

Every state of a row is computed forward in time from that row, earlier rows of its
symbol and closes of other symbols that were known by then. Nothing is fitted, and
all is a log ratio or in units of ``scale``, so that it carries from one symbol to
another. States go by groups; a model asks for groups by name.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float

from closecast.errors import SettingError
from closecast.market.bars import CLOSE, HIGH, LOW, OPEN, VOLUME, Bars
from closecast.market.own import NO_OWN, OwnNames
from closecast.windows.own_states import own_table
from closecast.windows.peers import own_market, world_before
from closecast.windows.scaling import (
    MIN_VOLATILITY,
    PRIOR_VOLATILITY,
    WindowData,
    log_table,
    volatility,
)
from closecast.windows.spec import WindowSpec
from closecast.windows.weighing import lagged, weighted_mean

NONE, ALL = "none", "all"

LARGEST = 6.0
"""Every state is cut off at +- this: a vendor's typing error moves no network far."""

LONGEST_AGE = 1000
"""Sessions after which a symbol is no younger than any other."""

QUARTERS = (63, 126, 189, 252)
"""Sessions back to the same place in the quarters of the last year."""

STEPS_OF_SEASON = 5
"""Sessions ahead whose place in earlier quarters is looked up."""

LARGEST_SQUARE = 25.0
"""Cap on a squared return in units of scale."""

VOLATILITY_HALF_LIVES = (1, 2, 4, 8, 40, 80, 160, 250)
RANGE_HALF_LIVES = (1, 5, 20, 60)
SHARE_HALF_LIVES = (5, 20, 60)
MOMENTUM_HALF_LIVES = (2, 5, 20, 60, 250)
HAR_SESSIONS = (1, 5, 22)


def state_groups(states: str) -> tuple[str, ...]:
    """Read which groups of states a setting asks for.

    Args:
        states: ``"none"``, ``"all"`` or names of ``GROUPS`` with commas between.

    Returns:
        The groups in the order of ``GROUPS``, each once.

    Raises:
        SettingError: A name is unknown.
    """
    named: object = states
    words = [w.strip() for w in named.split(",")] if isinstance(named, str) else []
    if words == [NONE]:
        return ()
    if words == [ALL]:
        return tuple(GROUPS)
    if not words or not set(words) <= set(GROUPS):
        raise SettingError(
            f"Expected states to be {NONE}, {ALL} or some of {', '.join(GROUPS)} with "
            f"commas between, got {states!r}."
        )
    return tuple(group for group in GROUPS if group in words)


def state_size(states: str) -> int:
    """Count the states that a setting asks for.

    Args:
        states: As in ``state_groups``.

    Returns:
        Columns of ``state_table``.

    Raises:
        SettingError: A name is unknown.
    """
    return sum(GROUPS[group].size for group in state_groups(states))


def state_table(
    bars: Bars,
    logs: Float[np.ndarray, "row feature"],
    scale: Float[np.ndarray, " row"],
    states: str = ALL,
) -> Float[np.ndarray, "row state"]:
    """Compute states for every row of a panel.

    Args:
        bars: The panel.
        logs: Its logarithms, from ``closecast.windows.scaling.log_table``.
        scale: Volatility of one session known at each row.
        states: As in ``state_groups``.

    Returns:
        States without unit, in +- ``LARGEST``; what is not known yet is 0.

    Raises:
        SettingError: A name is unknown.
    """
    groups = state_groups(states)
    table = np.zeros((len(bars), state_size(states)))
    past = _Past(bars=bars, logs=logs, scale=scale)
    column = 0
    for group in groups:
        for values in GROUPS[group].states(past):
            table[:, column] = values
            column += 1
    np.nan_to_num(table, copy=False, nan=0.0)
    return np.clip(table, -LARGEST, LARGEST, out=table)


def with_states(
    bars: Bars, spec: WindowSpec, states: str = NONE, own: OwnNames = NO_OWN
) -> WindowData:
    """Prepare a panel as models read it, states included.

    Args:
        bars: The panel.
        spec: Shape of a window.
        states: As in ``state_groups``.
        own: A user's own columns to tell after them.

    Returns:
        Its tables.

    Raises:
        SettingError: A name is unknown, or a column is not there.
    """
    logs, scale = log_table(bars), volatility(bars)
    table = state_table(bars, logs, scale, states)
    if own != NO_OWN:
        told = np.clip(own_table(bars, own), -LARGEST, LARGEST)
        table = np.concatenate([table, told], axis=1)
    return WindowData(spec, logs, scale, table)


def squared_range(bars: Bars) -> Float[np.ndarray, " row"]:
    """Estimate the variance of each session from its range.

    Args:
        bars: The panel.

    Returns:
        Parkinson's estimate; the squared return where high and low are one price, at
        least ``MIN_VOLATILITY`` squared.

    Source: Parkinson (1980), doi:10.1086/296071.
    """
    log_range = np.log(bars.values[:, HIGH] / bars.values[:, LOW])
    before = np.maximum(np.arange(len(bars)) - 1, bars.starts)
    squared_return = np.log(bars.close / bars.close[before]) ** 2
    parkinson = log_range**2 / (4 * np.log(2))
    squares = np.where(log_range > 0, parkinson, squared_return)
    return np.asarray(np.maximum(squares, MIN_VOLATILITY**2))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Past:
    """Series that several groups read, each computed once."""

    bars: Bars
    logs: Float[np.ndarray, "row feature"]
    scale: Float[np.ndarray, " row"]

    @cached_property
    def has_return(self) -> Bool[np.ndarray, " row"]:
        """Whether a symbol has an earlier close."""
        return np.arange(len(self.bars)) > self.bars.starts

    @cached_property
    def log_return(self) -> Float[np.ndarray, " row"]:
        """Of one session; 0 at a symbol's first."""
        close = self.logs[:, CLOSE]
        before = lagged(self.bars, close, 1, 0.0)
        return np.asarray(np.where(self.has_return, close - before, 0.0))

    @cached_property
    def square(self) -> Float[np.ndarray, " row"]:
        """Squared return; the prior at a symbol's first session."""
        return np.where(self.has_return, self.log_return**2, PRIOR_VOLATILITY**2)

    @cached_property
    def surprise(self) -> Float[np.ndarray, " row"]:
        """Return in units of the scale that was known before it; at first 0."""
        known = lagged(self.bars, self.scale, 1, 1.0)
        cap = np.sqrt(LARGEST_SQUARE)
        return np.asarray(np.clip(self.log_return / known, -cap, cap))

    @cached_property
    def range_square(self) -> Float[np.ndarray, " row"]:
        """Squared range, as ``squared_range``."""
        return squared_range(self.bars)

    @cached_property
    def overnight(self) -> Float[np.ndarray, " row"]:
        """Log return from the last close to the open; 0 at a symbol's first."""
        before = lagged(self.bars, self.logs[:, CLOSE], 1, 0.0)
        return np.where(self.has_return, self.logs[:, OPEN] - before, 0.0)

    def spread(self, variance: Float[np.ndarray, " row"]) -> Float[np.ndarray, " row"]:
        """Log ratio of a volatility to the scale."""
        least = MIN_VOLATILITY**2
        return np.asarray(
            0.5 * np.log(np.maximum(variance, least)) - np.log(self.scale)
        )

    def mean(
        self, half_life: float, *series: Float[np.ndarray, " row"]
    ) -> Float[np.ndarray, "row column"]:
        """Averages of some series; see ``weighted_mean``."""
        return weighted_mean(self.bars, np.column_stack(series), half_life)


States = Iterator[Float[np.ndarray, " row"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """States that belong together.

    Attributes:
        size: How many there are.
        states: Computes them, one after the other.
    """

    size: int
    states: Callable[[_Past], States]


def _volatility(past: _Past) -> States:
    for half_life in VOLATILITY_HALF_LIVES:
        yield past.spread(past.mean(half_life, past.square)[:, 0])
    yield np.log(past.scale / PRIOR_VOLATILITY)
    yield past.log_return / past.scale
    yield np.abs(past.log_return) / past.scale
    age = np.arange(len(past.bars)) - past.bars.starts
    yield np.log((1 + np.minimum(age, LONGEST_AGE)) / LONGEST_AGE)


def _range(past: _Past) -> States:
    # Garman and Klass (1980), doi:10.1086/296072, the estimate that they call practical
    high, low = past.logs[:, HIGH], past.logs[:, LOW]
    body = past.logs[:, CLOSE] - past.logs[:, OPEN]
    both = 0.5 * (high - low) ** 2 - (2 * np.log(2) - 1) * body**2
    gap = np.where(past.has_return, past.overnight**2, PRIOR_VOLATILITY**2)
    for half_life in RANGE_HALF_LIVES:
        means = past.mean(half_life, past.range_square, both, gap)
        yield from (past.spread(column) for column in means.T)


def _har(past: _Past) -> States:
    # Corsi (2009), doi:10.1093/jjfinec/nbp001
    total = np.zeros(len(past.bars))
    for back in range(max(HAR_SESSIONS)):
        total += lagged(past.bars, past.range_square, back, PRIOR_VOLATILITY**2)
        if back + 1 in HAR_SESSIONS:
            yield past.spread(total / (back + 1))


def _shape(past: _Past) -> States:
    down = past.square * (past.log_return < 0)
    still = np.asarray(past.log_return == 0, float)
    for half_life in SHARE_HALF_LIVES:
        means = past.mean(half_life, past.square, down, np.abs(past.log_return), still)
        variance = np.maximum(means[:, 0], MIN_VOLATILITY**2)
        yield means[:, 1] / variance - 0.5
        yield means[:, 2] / np.sqrt(variance) - np.sqrt(2 / np.pi)
        yield means[:, 3]


def _momentum(past: _Past) -> States:
    for half_life in MOMENTUM_HALF_LIVES:
        mean = past.mean(half_life, past.log_return)[:, 0]
        yield mean / past.scale * np.sqrt(half_life)
    high, low = past.logs[:, HIGH], past.logs[:, LOW]
    width = np.where(high > low, high - low, 1.0)
    yield np.where(high > low, (past.logs[:, CLOSE] - low) / width - 0.5, 0.0)
    yield past.overnight / past.scale


def _volume(past: _Past) -> States:
    known = np.isfinite(past.logs[:, VOLUME])
    volume = np.where(known, past.logs[:, VOLUME], 0.0)
    usual: list[Float[np.ndarray, " row"]] = []
    for half_life in (2, 20, 120):
        mean, share = past.mean(half_life, volume, known.astype(float)).T
        usual.append(np.where(share > 0, mean / np.maximum(share, 1e-9), 0.0))
    yield np.where(known, volume - usual[1], 0.0)
    yield np.where(known, usual[0] - usual[1], 0.0)
    yield np.where(known, usual[1] - usual[2], 0.0)


def _season(past: _Past) -> States:
    # companies report every quarter: how large were returns around this place in it?
    squares = past.surprise**2
    for step in range(1, STEPS_OF_SEASON + 1):
        near = [
            np.mean(
                [
                    lagged(past.bars, squares, quarter - step + off, 1.0)
                    for off in (-1, 0, 1)
                ],
                axis=0,
            )
            for quarter in QUARTERS
        ]
        yield np.log((0.1 + np.mean(near, axis=0)) / 1.1)
        yield np.log((0.1 + near[-1]) / 1.1)


def _week(past: _Past) -> States:
    weekday = (past.bars.dates.astype("datetime64[D]").astype(np.int64) + 3) % 7
    for day in range(5):
        yield np.asarray(weekday == day, float)


def _market(past: _Past) -> States:
    active = 0.5 * np.log(past.range_square) - np.log(
        lagged(past.bars, past.scale, 1, 1.0)
    )
    settled = np.arange(len(past.bars)) - past.bars.starts > 0
    for look in (own_market, world_before):
        table = look(past.bars, settled, past.surprise, active)
        yield from table.T


GROUPS: dict[str, Group] = {
    "volatility": Group(size=len(VOLATILITY_HALF_LIVES) + 4, states=_volatility),
    "range": Group(size=3 * len(RANGE_HALF_LIVES), states=_range),
    "har": Group(size=len(HAR_SESSIONS), states=_har),
    "shape": Group(size=3 * len(SHARE_HALF_LIVES), states=_shape),
    "momentum": Group(size=len(MOMENTUM_HALF_LIVES) + 2, states=_momentum),
    "volume": Group(size=3, states=_volume),
    "season": Group(size=2 * STEPS_OF_SEASON, states=_season),
    "week": Group(size=5, states=_week),
    "market": Group(size=12, states=_market),
}
"""Every group of states, in the order of the columns."""
