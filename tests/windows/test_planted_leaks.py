"""Ten leaks as they happen in practice, each caught, and their honest twins."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from closecast.forecast import LEVELS, Forecast
from closecast.market.bars import VOLUME, Bars
from closecast.testing import Cheat, random_walk
from closecast.windows.index import cutoffs_with_targets
from closecast.windows.leakage import (
    adjustment_invariance,
    future_perturbation,
    relabelling,
    same_day,
    target_overlap,
    truncation,
)
from closecast.windows.scaling import volatility
from closecast.windows.spec import WindowSpec
from closecast.windows.split import split_by_date

SPEC = WindowSpec()
HOURS = {"W00": 6.5, "W01": 21.0, "W02": 24.0}


@pytest.fixture
def bars() -> Bars:
    """Three random walks in which every third session has no volume."""
    walk = random_walk(3, 200)
    values = walk.values.copy()
    values[::3, VOLUME] = 0.0
    return replace(walk, values=values)


@pytest.fixture
def cutoffs(bars) -> np.ndarray:
    """Every cutoff with its target."""
    return cutoffs_with_targets(bars, SPEC)


@dataclass(frozen=True)
class Reads:
    """A forecaster whose spread is a number it reads at each cutoff."""

    number: Callable[[Bars], np.ndarray]
    name: str = "reads"

    def forecast(self, bars: Bars, cutoffs: np.ndarray) -> Forecast:
        spread = 0.01 * (1 + np.abs(self.number(bars)[cutoffs]))[:, None, None]
        mean = np.zeros((len(cutoffs), SPEC.horizon))
        return Forecast(
            symbols=bars.names(cutoffs),
            cutoffs=bars.dates[cutoffs],
            target_dates=np.repeat(bars.dates[cutoffs][:, None], SPEC.horizon, axis=1),
            last_close=bars.close[cutoffs],
            mean=mean,
            quantiles=mean[..., None] + spread * (2 * LEVELS - 1),
        )


def returns(bars: Bars) -> np.ndarray:
    """Log returns, the first of a symbol 0."""
    moves = np.diff(np.log(bars.close), prepend=0.0)
    moves[bars.offsets[:-1]] = 0.0
    return moves


def later(values: np.ndarray, steps: int) -> np.ndarray:
    """The value some rows ahead."""
    return np.concatenate([values[steps:], np.repeat(values[-1], steps)])


def whole_frame_scaler(bars: Bars) -> np.ndarray:
    """1: deviation over the whole file."""
    return np.full(len(bars), returns(bars).std())


def centred_window(bars: Bars) -> np.ndarray:
    """2: a smooth volatility whose window lies around the row."""
    return np.convolve(np.abs(returns(bars)), np.ones(5) / 5, mode="same")


def shifted_index(bars: Bars) -> np.ndarray:
    """3: a context that ends one row late."""
    return later(returns(bars), 1)


def back_filled_volume(bars: Bars) -> np.ndarray:
    """4: missing volumes filled from the next one there is."""
    volume = bars.values[:, VOLUME].copy()
    for row in range(len(bars) - 2, -1, -1):
        volume[row] = volume[row] or volume[row + 1]
    return np.log(np.maximum(volume, 1.0))


def last_volume(bars: Bars) -> np.ndarray:
    """The honest twin: the last volume there was."""
    volume = bars.values[:, VOLUME].copy()
    for row in range(1, len(bars)):
        volume[row] = volume[row] or volume[row - 1]
    return np.log(np.maximum(volume, 1.0))


def price_level(bars: Bars) -> np.ndarray:
    """5: prices as later splits and dividends have adjusted them."""
    return bars.close / 100


def peers_of_the_date(bars: Bars) -> np.ndarray:
    """6: the market's move on the same date, whoever closes last."""
    _, date = np.unique(bars.dates, return_inverse=True)
    return (np.bincount(date, returns(bars)) / np.bincount(date))[date]


def peers_of_the_date_before(bars: Bars) -> np.ndarray:
    """The honest twin: the move of the last date that is over everywhere."""
    _, date = np.unique(bars.dates, return_inverse=True)
    move = np.bincount(date, returns(bars)) / np.bincount(date)
    return np.concatenate([[0.0], move[:-1]])[date]


def cached(bars: Bars) -> Callable[[Bars], np.ndarray]:
    """7: forecasts looked up by symbol and date, made when the answer was known."""
    made = dict(zip(_keys(bars), later(returns(bars), 1), strict=True))
    return lambda other: np.array([made.get(key, 0.0) for key in _keys(other)])


def _keys(bars: Bars) -> list[tuple[str, str]]:
    names = [bars.symbols[place] for place in bars.symbol_ids]
    return list(zip(names, bars.dates.astype(str), strict=True))


@pytest.mark.parametrize("leak_test", [future_perturbation, truncation])
@pytest.mark.parametrize(
    "leak", [whole_frame_scaler, centred_window, shifted_index, back_filled_volume]
)
def test_what_reads_later_rows_is_caught(leak, leak_test, bars, cutoffs):
    """Leaks 1 to 4 move when the future does, and when it is cut off."""
    assert not leak_test(Reads(leak), bars, cutoffs).passed


def test_the_target_among_the_features_is_caught(bars, cutoffs):
    """Leak 8: the answer itself is read."""
    assert not future_perturbation(Cheat(SPEC), bars, cutoffs).passed


def test_prices_adjusted_later_are_caught(bars, cutoffs):
    """Leak 5: a level that a later split would change."""
    assert future_perturbation(Reads(price_level), bars, cutoffs).passed
    assert not adjustment_invariance(Reads(price_level), bars, cutoffs).passed


def test_a_market_that_closes_later_is_caught(bars, cutoffs):
    """Leak 6: Seoul reads what New York does the same evening."""
    assert future_perturbation(Reads(peers_of_the_date), bars, cutoffs).passed
    result = same_day(Reads(peers_of_the_date), bars, cutoffs, HOURS)

    assert result.passed is False
    assert same_day(Reads(peers_of_the_date_before), bars, cutoffs, HOURS).passed


def test_a_date_on_which_markets_close_apart_is_looked_for(bars):
    """Dates with one market alone, such as weekends of coins, prove nothing."""
    coin = bars.symbol_ids == bars.symbols.index("W02")
    some = bars.select(coin | (bars.dates < bars.dates[100]))
    rows = cutoffs_with_targets(some, SPEC)
    result = same_day(Reads(peers_of_the_date), some, rows, HOURS)

    assert result.passed is False


def test_one_market_may_read_its_own_date(bars, cutoffs):
    """Symbols that close together, or whose hours are not known, are no leak."""
    for hours in (dict.fromkeys(HOURS, 21.0), dict.fromkeys(HOURS, np.nan)):
        result = same_day(Reads(peers_of_the_date), bars, cutoffs, hours)
        assert result.passed is None


def test_a_forecast_cached_from_later_data_is_caught(bars, cutoffs):
    """Leak 7: it does not move with the future, and not with the past either."""
    forecaster = Reads(cached(bars))

    assert future_perturbation(forecaster, bars, cutoffs).passed
    assert not relabelling(forecaster, bars, cutoffs).passed


def test_a_split_by_row_is_caught(bars):
    """Leak 9: the first rows of a panel are other symbols, not older dates."""
    split = split_by_date(bars, SPEC)
    every = cutoffs_with_targets(bars, SPEC)
    first, second = int(0.7 * len(every)), int(0.8 * len(every))
    by_row = replace(
        split,
        train=every[:first],
        validation=every[first:second],
        test=every[second:],
    )

    assert target_overlap(bars, split, SPEC).passed
    assert not target_overlap(bars, by_row, SPEC).passed


def test_a_validation_that_reaches_into_the_test_is_caught(bars):
    """Leak 10: early stopping on targets of the test block."""
    split = split_by_date(bars, SPEC)
    late = replace(split, validation=np.append(split.validation, split.test[0]))

    assert not target_overlap(bars, late, SPEC).passed


@pytest.mark.parametrize("honest", [volatility, last_volume, returns])
def test_their_honest_twins_pass(honest, bars, cutoffs):
    """What is known at the cutoff rings no alarm."""
    forecaster = Reads(honest)
    results = [
        future_perturbation(forecaster, bars, cutoffs),
        truncation(forecaster, bars, cutoffs),
        adjustment_invariance(forecaster, bars, cutoffs)
        if honest is not last_volume
        else relabelling(forecaster, bars, cutoffs),
        same_day(forecaster, bars, cutoffs, HOURS),
    ]

    assert [result.name for result in results if not result.passed] == []
