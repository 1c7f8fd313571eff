"""Blocks that do not see each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from closecast.errors import WindowError
from closecast.testing import random_walk
from closecast.windows.spec import WindowSpec
from closecast.windows.split import resolve_dates, split_by_date


@given(
    num_bars=st.integers(120, 200),
    horizon=st.integers(1, 9),
    first=st.integers(45, 60),
    gap=st.integers(20, 30),
)
def test_no_target_reaches_into_the_next_block(num_bars, horizon, first, gap):
    """The purge holds for any dates, and nothing else is lost."""
    bars, spec = random_walk(2, num_bars), WindowSpec(horizon=horizon)
    start, test = bars.dates[first], bars.dates[first + gap]
    split = split_by_date(bars, spec, str(start), str(test))

    assert (bars.dates[split.train + horizon] < start).all()
    assert (bars.dates[split.validation] >= start).all()
    assert (bars.dates[split.validation + horizon] < test).all()
    assert (bars.dates[split.test] >= test).all()
    kept = len(split.train) + len(split.validation) + len(split.test)
    assert kept == 2 * (spec.count(num_bars) - 2 * horizon)


def test_by_default_a_fifth_is_test_and_a_tenth_validation():
    """The last sessions are held out without being asked."""
    bars = random_walk(1, 1000)
    split = split_by_date(bars, WindowSpec())

    assert split.test_start == bars.dates[800]
    assert split.validation_start == bars.dates[700]


@pytest.mark.parametrize(
    ("dates", "message"),
    [
        (("2010-13-01", None), "ISO date such as .* for validation_start"),
        (("2010-06-01", "2010-03-01"), "none in validation"),
        ((None, "2000-01-01"), "bars before test_start"),
        ((None, "2030-01-01"), "none in test"),
    ],
)
def test_impossible_dates_are_refused(dates, message):
    """A block without windows or a date that is none is named."""
    with pytest.raises(WindowError, match=message):
        split_by_date(random_walk(1, 300), WindowSpec(), *dates)


def test_two_symbols_are_cut_at_the_same_date():
    """The cut is by date, not by position."""
    bars = random_walk(2, 300)
    split = split_by_date(bars, WindowSpec())

    assert (
        np.unique(bars.symbol_ids[split.test], return_counts=True)[1].tolist()
        == [len(split.test) // 2] * 2
    )


def test_a_date_of_test_moves_the_default_validation_with_it():
    """An eighth of the sessions before test, whatever that date is."""
    days = np.arange("2020-01-01", 100, dtype="datetime64[D]")

    for at in range(20, 100):
        found = resolve_dates(days, None, str(days[at]))
        assert found == (days[7 * at // 8], days[at])
