"""What a model is told of a user's columns is causal, and the leak tests see it."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from closecast.forecast import LEVELS, Forecast
from closecast.market.bars import OwnColumn
from closecast.market.own import OwnNames
from closecast.testing import random_walk
from closecast.windows.index import cutoffs_with_targets
from closecast.windows.leakage import future_perturbation, truncation
from closecast.windows.own_states import own_size, own_table
from closecast.windows.spec import WindowSpec
from closecast.windows.states import LARGEST, with_states

SPEC = WindowSpec(context_length=4, horizon=3)
ALL = OwnNames(past=("mood",), known=("earnings",), static=("sector",))


@pytest.fixture
def bars():
    """Two symbols with a column of each kind."""
    walk, random = random_walk(2, 80), np.random.default_rng(0)
    own = {
        "mood": OwnColumn(kind="past", told=random.normal(size=(160, 1))),
        "earnings": OwnColumn(kind="known", told=random.normal(size=(160, 3))),
        "sector": OwnColumn(kind="static", told=np.ones((160, 8))),
    }
    return replace(walk, own=own)


def test_states_are_as_many_as_are_counted(bars):
    """Two of a past column, one a step of one known ahead, eight of a category."""
    assert own_table(bars, ALL).shape == (160, own_size(ALL, 3)) == (160, 2 + 3 + 8)
    assert with_states(bars, SPEC, "har", ALL).state.shape == (160, 3 + 13)


def test_each_column_counts_in_its_own_way():
    """Two states, one a step, eight; of any number of columns."""
    names = OwnNames(past=("a", "b", "c"), known=("d", "e"), static=("f", "g"))

    assert own_size(names, 5) == 3 * 2 + 2 * 5 + 2 * 8


def test_they_stand_behind_the_others_and_are_cut_off(bars):
    """As they are told, within the same bounds as every state."""
    told = own_table(bars, ALL)
    louder = replace(bars.own["earnings"], told=5 * bars.own["earnings"].told)
    loud = replace(bars, own={**bars.own, "earnings": louder})
    for panel in (bars, loud):
        told = own_table(panel, ALL)
        found = with_states(panel, SPEC, "har", ALL).state[:, 3:]
        assert np.array_equal(found, np.minimum(np.maximum(told, -LARGEST), LARGEST))
    assert np.abs(told).max() > LARGEST


def test_distance_and_change_are_in_deviations(bars):
    """By a naive loop over the past with halving weights."""
    table = own_table(bars, ALL)
    values = bars.own["mood"].told[:, 0]
    row = 120
    weights = 0.5 ** (np.arange(row - 80, -1, -1) / 250)
    past = values[80 : row + 1]
    centres = [
        np.average(past[: n + 1], weights=weights[-n - 1 :]) for n in range(len(past))
    ]
    spread = np.sqrt(np.average((past - centres) ** 2, weights=weights))
    change = np.diff(past, prepend=past[0])
    turn = np.sqrt(np.average(change**2, weights=weights))

    assert table[row, 0] == pytest.approx((past[-1] - centres[-1]) / spread)
    assert table[row, 1] == pytest.approx(change[-1] / turn)
    assert (table[[0, 80], :2] == 0).all()


@dataclass(frozen=True)
class Tells:
    """A forecaster whose spread is a state it reads so many rows ahead."""

    ahead: int
    name: str = "tells"

    def forecast(self, bars, cutoffs):
        rows = np.minimum(cutoffs + self.ahead, bars.ends[cutoffs] - 1)
        told = own_table(bars, ALL)[rows].sum(axis=1)
        spread = 0.01 * (1 + np.abs(told))[:, None, None]
        return Forecast(
            symbols=bars.names(cutoffs),
            cutoffs=bars.dates[cutoffs],
            target_dates=np.repeat(bars.dates[cutoffs][:, None], 3, axis=1),
            last_close=bars.close[cutoffs],
            mean=np.zeros((len(cutoffs), 3)),
            quantiles=np.zeros((1, 3, 1)) + spread * (2 * LEVELS - 1),
        )


@pytest.mark.parametrize("leak_test", [future_perturbation, truncation])
def test_a_column_of_tomorrow_is_caught(bars, leak_test):
    """What is told at the cutoff is no leak, what is told a row later is one."""
    cutoffs = cutoffs_with_targets(bars, SPEC)

    assert leak_test(Tells(0), bars, cutoffs).passed is True
    assert leak_test(Tells(1), bars, cutoffs).passed is False


@pytest.mark.parametrize(("kind", "moves"), [("past", True), ("static", False)])
def test_noise_reaches_what_was_not_known(bars, kind, moves):
    """A past column after the cutoff becomes noise, a category stays."""
    name = {"past": "mood", "static": "sector"}[kind]
    names = OwnNames(**{kind: (name,)})

    @dataclass(frozen=True)
    class Looks(Tells):
        def forecast(self, bars, cutoffs):
            seen = own_table(bars, names)[bars.ends[cutoffs] - 1, :1].ravel()
            return replace(
                super().forecast(bars, cutoffs),
                mean=np.repeat(seen[:, None], 3, axis=1),
            )

    result = future_perturbation(Looks(0), bars, cutoffs_with_targets(bars, SPEC))
    assert result.passed is not moves
