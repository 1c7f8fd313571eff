"""States know their past, carry between symbols and have names."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from closecast.errors import SettingError
from closecast.market.bars import from_columns
from closecast.testing import garch_walk, random_walk
from closecast.windows.spec import WindowSpec
from closecast.windows.states import (
    GROUPS,
    HAR_SESSIONS,
    LARGEST,
    VOLATILITY_HALF_LIVES,
    squared_range,
    state_groups,
    state_size,
    with_states,
)

SPEC = WindowSpec(context_length=3, horizon=2)
BARS = garch_walk(6, 260)


def table(bars, states="all"):
    """The states of a panel."""
    return with_states(bars, SPEC, states).state


class TestNames:
    def test_a_setting_names_groups_in_any_order(self):
        """Columns have one order, however the groups are named."""
        assert state_groups("none") == ()
        assert state_groups("all") == tuple(GROUPS)
        assert state_groups(",".join(reversed(GROUPS))) == tuple(GROUPS)
        assert state_groups("market, har") == ("har", "market")

    @pytest.mark.parametrize("states", ["", "weather", "har,", "none,har", 3])
    def test_another_name_is_refused(self, states):
        """The error lists the names that exist."""
        with pytest.raises(SettingError, match="none, all or some of volatility"):
            state_groups(states)

    @pytest.mark.parametrize("group", GROUPS)
    def test_a_group_has_the_columns_that_it_says(self, group):
        """The network's shape is known before a bar is read."""
        assert table(BARS, group).shape == (len(BARS), state_size(group))

    def test_none_is_no_column(self):
        """By itself the model is told nothing more."""
        assert table(BARS, "none").shape == (len(BARS), 0)


class TestValues:
    def test_volatility_is_the_weighted_mean_of_squares(self):
        """As a loop over the past says it."""
        scale = with_states(BARS, SPEC).scale
        returns = np.diff(np.log(BARS.close[:200]))
        half_life = VOLATILITY_HALF_LIVES[2]
        squares = np.concatenate([[0.02**2], returns**2])
        weights = 0.5 ** (np.arange(200)[::-1] / half_life)
        expected = 0.5 * np.log(np.average(squares, weights=weights))

        value = table(BARS, "volatility")[199, 2]

        assert value == pytest.approx(expected - np.log(scale[199]), abs=1e-9)

    def test_har_averages_the_last_sessions(self):
        """A day, a week and a month of squared ranges."""
        scale = with_states(BARS, SPEC).scale
        expected = [
            0.5 * np.log(squared_range(BARS)[251 - n : 251].mean()) - np.log(scale[250])
            for n in HAR_SESSIONS
        ]

        np.testing.assert_allclose(table(BARS, "har")[250], expected, atol=1e-9)

    def test_a_season_looks_a_quarter_back(self):
        """A jump is remembered 63 sessions later, a session ahead, and not at 40."""
        bars = random_walk(1, 300, volatility=0.01)
        values = bars.values.copy()
        values[150:] *= 1.2
        jumpy = replace(bars, values=values)

        change = table(jumpy, "season")[:, 0] - table(bars, "season")[:, 0]

        assert change[150 + 62] > 1
        assert abs(change[150 + 40]) < 0.1

    def test_a_frozen_price_has_finite_states(self):
        """A halted symbol or a pegged coin breaks nothing."""
        values = np.repeat([[5.0, 5.0, 5.0, 5.0, 0.0]], 80, axis=0)
        dates = np.arange(80).astype("datetime64[D]")

        states = table(from_columns(np.full(80, "A"), dates, values))

        assert np.isfinite(states).all()
        assert np.abs(states).max() <= LARGEST


class TestCausality:
    @settings(max_examples=8, deadline=None)
    @given(day=st.integers(5, 258), seed=st.integers(0, 99))
    def test_no_later_bar_moves_a_bit(self, day, seed):
        """Every state of a date is the same whatever comes after it."""
        date = BARS.dates[day]
        late = BARS.dates > date
        noise = np.exp(np.random.default_rng(seed).normal(size=(len(BARS), 1)))
        other = replace(BARS, values=np.where(late[:, None], noise, 1) * BARS.values)

        assert table(BARS)[~late].tobytes() == table(other)[~late].tobytes()

    @settings(max_examples=8, deadline=None)
    @given(day=st.integers(5, 258))
    def test_a_cut_panel_gives_the_same_bits(self, day):
        """States of a panel that ends at a date are those of the whole one."""
        keep = BARS.dates <= BARS.dates[day]

        assert table(BARS.select(keep)).tobytes() == table(BARS)[keep].tobytes()

    def test_the_unit_of_prices_does_not_matter(self):
        """Dollars or cents, before or after a split: the states are the same."""
        values = BARS.values * np.array([7.3, 7.3, 7.3, 7.3, 1 / 7.3])

        other = table(replace(BARS, values=values))

        np.testing.assert_allclose(other, table(BARS), atol=1e-6)

    def test_only_the_market_reads_other_symbols(self):
        """A symbol alone has its own states, all but the market's."""
        own = ",".join(group for group in GROUPS if group != "market")
        alone = BARS.select(BARS.symbol_ids == 2)

        expected = table(BARS, own)[BARS.symbol_ids == 2]

        assert table(alone, own).tobytes() == expected.tobytes()
