"""Steps that cannot be trusted are found, and no others."""

import numpy as np
import pytest

from closecast.market.bars import from_columns
from closecast.market.broken import broken_steps
from closecast.market.sample import sample_bars


def panel(close, dates=None, high=None):
    close = np.asarray(close, float)
    days = np.datetime64("2024-01-01") + np.arange(len(close))
    values = np.column_stack([close, close, close, close, np.ones(len(close))])
    if high is not None:
        values[high, 1] *= 9
    return from_columns(
        np.full(len(close), "A"), days if dates is None else dates, values
    )


def walk(count=60):
    return 100 * np.exp(np.cumsum(np.random.default_rng(2).normal(0, 0.01, count)))


class TestBrokenSteps:
    def test_the_sample_has_none(self):
        """Twenty years of real prices, a crash by half among them, are trusted."""
        assert not broken_steps(sample_bars()).any()

    @pytest.mark.parametrize("factor", [1 / 2, 1 / 4, 10, 1 / 100])
    def test_a_split_breaks_one_step(self, factor):
        """A level that stays at a whole ratio breaks the step into it alone."""
        close = walk()
        close[30:] *= factor * close[29] / close[30]

        assert np.flatnonzero(broken_steps(panel(close))).tolist() == [30]

    def test_a_crash_is_no_defect(self):
        """A fall to 0.44 stays in the data."""
        close = walk()
        close[30:] *= 0.44 * close[29] / close[30]

        assert not broken_steps(panel(close)).any()

    def test_a_spike_breaks_both_its_steps(self):
        """The step to a spike and the step back are broken."""
        close = walk()
        close[30] *= 37.3

        assert np.flatnonzero(broken_steps(panel(close))).tolist() == [30, 31]

    def test_a_torn_bar_breaks_both_its_steps(self):
        """A high of another unit spoils the windows that hold its bar."""
        broken = broken_steps(panel(walk(), high=30))

        assert np.flatnonzero(broken).tolist() == [30, 31]

    @pytest.mark.parametrize(("level", "broken"), [(7.0, [30]), (1.1, [])])
    def test_a_symbol_given_away(self, level, broken):
        """After a year of silence another price level is another company."""
        close = walk()
        close[30:] *= level
        dates = np.datetime64("2024-01-01") + np.arange(60)
        dates[30:] += 400

        assert np.flatnonzero(broken_steps(panel(close, dates))).tolist() == broken

    def test_symbols_do_not_touch(self):
        """The first bar of a symbol has no step, whatever stands before it."""
        one = panel(walk())
        values = np.vstack([one.values, one.values * 100])
        both = from_columns(np.repeat(["A", "B"], 60), np.tile(one.dates, 2), values)

        assert not broken_steps(both).any()
