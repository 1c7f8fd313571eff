"""Every state of a symbol's own past is what plain loops over that past give."""

from dataclasses import dataclass, replace
from datetime import date
from math import log, pi, sqrt

import numpy as np
import pytest

from closecast.market.bars import Bars, from_columns
from closecast.testing import random_walk
from closecast.windows.peers import own_market, world_before
from closecast.windows.scaling import MIN_VOLATILITY, PRIOR_VOLATILITY
from closecast.windows.spec import WindowSpec
from closecast.windows.states import (
    HAR_SESSIONS,
    LARGEST,
    LARGEST_SQUARE,
    LONGEST_AGE,
    MOMENTUM_HALF_LIVES,
    QUARTERS,
    RANGE_HALF_LIVES,
    SHARE_HALF_LIVES,
    STEPS_OF_SEASON,
    VOLATILITY_HALF_LIVES,
    state_size,
    with_states,
)

SPEC = WindowSpec(context_length=3, horizon=2)
SESSIONS = 320
ROWS = (0, 1, 2, 4, 40, 62, 75, 140, 200, 251, 260, 317, 319)


@dataclass
class Told:
    """What is known of one symbol at a session, as lists up to it."""

    days: list[date]
    prices: list[list[float]]
    volumes: list[float]
    scale: list[float]

    def __post_init__(self) -> None:
        self.open, self.high, self.low, self.close = zip(*self.prices, strict=True)
        pairs = zip(self.close[1:], self.close, strict=False)
        self.returns = [0.0, *(log(new / old) for new, old in pairs)]
        first = PRIOR_VOLATILITY**2
        self.squares = [first, *(one**2 for one in self.returns[1:])]
        pairs = zip(self.open[1:], self.close, strict=False)
        self.overnight = [0.0, *(log(new / old) for new, old in pairs)]
        self.gaps = [first, *(one**2 for one in self.overnight[1:])]
        self.ranges = [
            max(MIN_VOLATILITY**2, log(h / lo) ** 2 / (4 * log(2)) if h > lo else r**2)
            for h, lo, r in zip(self.high, self.low, self.returns, strict=True)
        ]

    def spread(self, variance: float) -> float:
        return log(max(sqrt(variance), MIN_VOLATILITY) / self.scale[-1])


def halving(values: list[float], half_life: float) -> float:
    """Average a past; a value of so many sessions ago counts half."""
    total = weights = 0.0
    for age, value in enumerate(reversed(values)):
        total += 0.5 ** (age / half_life) * value
        weights += 0.5 ** (age / half_life)
    return total / weights


def volatility(told: Told) -> list[float]:
    """Averages of squares, the scale, the last return and the age."""
    last, scale = told.returns[-1], told.scale[-1]
    return [
        *(told.spread(halving(told.squares, one)) for one in VOLATILITY_HALF_LIVES),
        log(scale / PRIOR_VOLATILITY),
        last / scale,
        abs(last) / scale,
        log(min(len(told.close), LONGEST_AGE + 1) / LONGEST_AGE),
    ]


def ranges(told: Told) -> list[float]:
    """Parkinson's, Garman and Klass's and the night's variances."""
    both = [
        0.5 * log(high / low) ** 2 - (2 * log(2) - 1) * log(close / start) ** 2
        for start, high, low, close in told.prices
    ]
    return [
        told.spread(max(halving(series, half_life), 0.0))
        for half_life in RANGE_HALF_LIVES
        for series in (told.ranges, both, told.gaps)
    ]


def har(told: Told) -> list[float]:
    """Squared ranges of a day, a week and a month."""
    padded = [PRIOR_VOLATILITY**2] * max(HAR_SESSIONS) + told.ranges
    return [told.spread(sum(padded[-count:]) / count) for count in HAR_SESSIONS]


def shape(told: Told) -> list[float]:
    """Share of falls, of small returns and of none."""
    down = [
        square if back < 0 else 0.0
        for square, back in zip(told.squares, told.returns, strict=True)
    ]
    found = []
    for half_life in SHARE_HALF_LIVES:
        variance = max(halving(told.squares, half_life), MIN_VOLATILITY**2)
        size = halving([abs(one) for one in told.returns], half_life)
        found += [
            halving(down, half_life) / variance - 0.5,
            size / sqrt(variance) - sqrt(2 / pi),
            halving([float(one == 0) for one in told.returns], half_life),
        ]
    return found


def momentum(told: Told) -> list[float]:
    """Averages of returns, the place of the close in its range, the night."""
    scale = told.scale[-1]
    _, high, low, close = told.prices[-1]
    return [
        *(
            halving(told.returns, one) / scale * sqrt(one)
            for one in MOMENTUM_HALF_LIVES
        ),
        log(close / low) / log(high / low) - 0.5 if high > low else 0.0,
        told.overnight[-1] / scale,
    ]


def volume(told: Told) -> list[float]:
    """The last traded volume and its averages, held against each other."""
    carried: list[float | None] = []
    for traded in told.volumes:
        carried.append(log(traded) if traded > 0 else (carried or [None])[-1])
    if carried[-1] is None:
        return [0.0, 0.0, 0.0]
    known = [float(one is not None) for one in carried]
    values = [one or 0.0 for one in carried]
    short, month, long = (halving(values, h) / halving(known, h) for h in (2, 20, 120))
    return [carried[-1] - month, short - month, month - long]


def season(told: Told) -> list[float]:
    """Squared surprises around the same places in earlier quarters."""
    squares = [0.0]
    for back, before in zip(told.returns[1:], told.scale, strict=False):
        squares.append(min((back / before) ** 2, LARGEST_SQUARE))
    padded = [1.0] * (max(QUARTERS) + 9) + squares
    now, found = len(padded) - 1, []
    for step in range(1, STEPS_OF_SEASON + 1):
        near = []
        for quarter in QUARTERS:
            place = now + step - quarter
            near.append(sum(padded[place - 1 : place + 2]) / 3)
        found.append(log((0.1 + sum(near) / len(near)) / 1.1))
        found.append(log((0.1 + near[-1]) / 1.1))
    return found


def week(told: Told) -> list[float]:
    """The day of the week; none on a weekend."""
    return [float(told.days[-1].weekday() == day) for day in range(5)]


def rough_market() -> Bars:
    """Walks with days that stand still, jump, have no range or no volume."""
    walk, random = random_walk(2, SESSIONS, seed=5), np.random.default_rng(5)
    values = walk.values.copy()
    for start in walk.offsets[:-1]:
        halt = slice(start + 70, start + 78)
        values[halt, :4] = values[start + 69, 3]
        values[start + 150 : start + SESSIONS, :4] *= 1.4
        values[start : start + 3, 4] = 0.0
    values[random.random(len(walk)) < 0.1, 4] = 0.0
    still = random.random(len(walk)) < 0.1
    values[still, :3] = values[still, 3:4]
    days = np.arange("2011-03-02", SESSIONS, dtype="datetime64[D]")
    return from_columns(np.repeat(["A", "B"], SESSIONS), np.tile(days, 2), values)


def enumerate_spans(bars: Bars) -> list[tuple[int, int, int]]:
    """Give each symbol's place, first row and the row after its last."""
    return [(place, start, end) for place, (_, start, end) in enumerate(bars)]


def told_at(bars: Bars, scale: np.ndarray, row: int, symbol: int) -> Told:
    """Cut what is known at a row of a symbol."""
    start = bars.offsets[symbol]
    past = slice(start, start + row + 1)
    return Told(
        days=bars.dates[past].tolist(),
        prices=bars.values[past, :4].tolist(),
        volumes=bars.values[past, 4].tolist(),
        scale=scale[past].tolist(),
    )


@pytest.mark.parametrize(
    ("group", "loops"),
    [
        ("volatility", volatility),
        ("range", ranges),
        ("har", har),
        ("shape", shape),
        ("momentum", momentum),
        ("volume", volume),
        ("season", season),
        ("week", week),
    ],
)
def test_a_group_is_what_loops_give(group, loops):
    """At first sessions and late ones, of the first symbol and of the second."""
    bars = rough_market()
    data = with_states(bars, SPEC, group)

    for symbol, start in enumerate(bars.offsets[:-1]):
        for row in ROWS:
            expected = loops(told_at(bars, data.scale, row, symbol))
            np.testing.assert_allclose(
                data.state[start + row],
                np.clip(expected, -LARGEST, LARGEST),
                atol=1e-8,
                err_msg=f"{group} at session {row} of symbol {symbol}",
            )


@pytest.mark.parametrize("move", [0.0, 1e-5])
def test_a_price_that_stands_still_is_what_loops_give(move):
    """Or all but still: variances have a floor, and no share is of nothing."""
    values = np.repeat([[5.0, 5.0, 5.0, 5.0, 7.0]], 700, axis=0)
    values[::2, :4] *= 1 + move
    days = np.arange("2011-03-02", 700, dtype="datetime64[D]")
    bars = from_columns(np.full(700, "A"), days, values)
    data = with_states(bars, SPEC, "volatility,range,har,shape,momentum")
    told = told_at(bars, data.scale, 699, 0)

    expected = [*volatility(told), *ranges(told), *har(told), *shape(told)]
    expected += momentum(told)
    np.testing.assert_allclose(
        data.state[699], np.clip(expected, -LARGEST, LARGEST), atol=1e-8
    )


def test_the_market_is_told_of_surprises_and_ranges():
    """Loops make them of each symbol; its first session takes no part."""
    walk = random_walk(7, 30, seed=3)
    days = np.tile(np.arange("2011-03-02", 30, dtype="datetime64[D]"), 7)
    values = walk.values.copy()
    values[:, 1] *= 1.01  # a range beside the one of the walk
    late = np.arange(len(walk)) - walk.starts >= 4 * (walk.symbol_ids == 6)
    bars = replace(walk, dates=days, values=values).select(late)
    data = with_states(bars, SPEC, "market")
    surprise, active, settled = np.zeros((3, len(bars)))
    for symbol, start, end in enumerate_spans(bars):
        for row in range(start + 1, end):
            told = told_at(bars, data.scale, row - start, symbol)
            before = told.scale[-2]
            settled[row] = True
            edge = sqrt(LARGEST_SQUARE)
            surprise[row] = min(max(told.returns[-1] / before, -edge), edge)
            active[row] = log(sqrt(told.ranges[-1]) / before)
    looks = [
        look(bars, settled.astype(bool), surprise, active)
        for look in (own_market, world_before)
    ]

    assert np.abs(looks[0]).max() > 0.1
    assert np.abs(looks[1]).max() > 0.1
    np.testing.assert_allclose(data.state, np.concatenate(looks, axis=1), atol=1e-8)
    assert state_size("market") == looks[0].shape[1] + looks[1].shape[1]


def test_a_symbol_of_long_standing_grows_no_older():
    """After so many sessions the age stays what it is."""
    age = with_states(random_walk(1, LONGEST_AGE + 20), SPEC, "volatility").state[:, -1]

    assert np.all(np.diff(age[2 : LONGEST_AGE + 1]) > 0)  # the first two are cut off
    assert np.ptp(age[LONGEST_AGE:]) == 0
