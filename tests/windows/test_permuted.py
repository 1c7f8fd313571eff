"""Where targets are dealt out anew, nothing of the past tells what follows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from closecast.market.bars import from_columns
from closecast.testing import autoregression, random_walk
from closecast.windows.permuted import (
    MAX_TRAIN,
    _dealt,
    _thinned,
    block_ends,
    other_blocks,
    permuted_market,
    permuted_windows,
)
from closecast.windows.spec import WindowSpec
from closecast.windows.split import split_by_date
from closecast.windows.states import with_states

SPEC = WindowSpec(context_length=4, horizon=3)


@given(count=st.integers(2, 200), block=st.integers(1, 20), seed=st.integers(0, 9))
def test_no_block_stays_and_none_comes_twice(count, block, seed):
    """Places of two blocks or more are exchanged, inside a block in their order."""
    source = other_blocks(count, block, seed)
    found = source[source >= 0]

    assert len(np.unique(found)) == len(found) >= count - block
    assert set(source[source < 0]) <= {-1}
    if count > block:
        assert not (source // block == np.arange(count) // block).any()
    assert (source[source >= 0] % block == np.arange(count)[source >= 0] % block).all()


@pytest.fixture
def bars():
    """Two symbols, one of them listed later."""
    long, short = random_walk(2, 300), random_walk(1, 200, seed=5)
    return from_columns(
        np.repeat(["A", "B", "L"], [300, 300, 200]),
        np.concatenate([long.dates, long.dates[100:300]]),
        np.concatenate([long.values, short.values]),
    )


def test_contexts_stay_and_targets_come_from_one_other_date(bars):
    """By a naive loop: the target in units is that of the symbol on another date."""
    data = with_states(bars, SPEC, "volatility")
    split = split_by_date(bars, SPEC)
    found = permuted_windows(data, bars, split)

    z = data.target(split.validation) / data.unit(split.validation)
    own = {
        (int(bars.symbol_ids[row]), tuple(np.round(one, 9))): bars.dates[row]
        for row, one in zip(split.validation, z, strict=True)
    }
    rows = found.validation
    dealt = found.data.target(rows) / found.data.unit(rows)
    came_from = {}
    for cutoff, one in zip(found.validation_cutoffs, dealt, strict=True):
        date = own[int(bars.symbol_ids[cutoff]), tuple(np.round(one, 9))]
        came_from.setdefault(bars.dates[cutoff], set()).add(date)
        assert date != bars.dates[cutoff]
    assert {len(dates) for dates in came_from.values()} == {1}
    assert len(found.train) > 0.8 * len(split.train) * 2 / 3
    np.testing.assert_array_equal(
        found.data.context(rows), data.context(found.validation_cutoffs)
    )
    np.testing.assert_array_equal(
        found.data.state[rows], data.state[found.validation_cutoffs]
    )


def test_a_large_panel_is_thinned():
    """No more windows are laid out than the test needs."""
    bars = random_walk(10, 1500)
    data = with_states(bars, SPEC)

    found = permuted_windows(data, bars, split_by_date(bars, SPEC))
    assert len(found.train) == MAX_TRAIN


def test_too_few_dates_deal_nothing():
    """One block of dates has none to exchange with."""
    bars = random_walk(1, 60)
    found = permuted_windows(with_states(bars, SPEC), bars, split_by_date(bars, SPEC))
    assert len(found.validation) == 0


def test_a_market_dealt_out_anew_has_the_same_sessions(bars):
    """Each session's shape is there once, and the panel is valid."""
    market = permuted_market(bars, 5)

    for _, start, end in bars:
        first = np.log(bars.values[start, 0])
        before, after = (
            np.diff(np.log(panel.close[start:end]), prepend=first)
            for panel in (bars, market)
        )
        assert (before != after).any()
        np.testing.assert_allclose(np.sort(before), np.sort(after), atol=1e-9)
        np.testing.assert_array_equal(
            np.sort(bars.values[start:end, 4]), np.sort(market.values[start:end, 4])
        )
    np.testing.assert_array_equal(market.dates, bars.dates)


@pytest.mark.parametrize("block", [4, 5, 7])
def test_sessions_are_chained_up_in_their_new_order(bars, block):
    """By loops: ratios to the close before, from the symbol's first open on."""
    market = permuted_market(bars, block, seed=2)
    for _, start, end in bars:
        rest = (end - start) % block
        source = other_blocks(end - start - rest, block, 2)
        order = [*range(rest), *(rest + int(place) for place in source)]
        close = bars.values[start, 0]
        for place, of in enumerate(order):
            known = bars.values[start + of]
            before = bars.values[start + of - 1, 3] if of else bars.values[start, 0]
            expected = known[:4] * close / before

            found = market.values[start + place]
            np.testing.assert_allclose(found[:4], expected, rtol=1e-9)
            assert found[4] == known[4]
            close = expected[3]


@pytest.mark.parametrize("most", [1, 3, 100])
def test_block_ends_are_the_newest_with_blocks_on_both_sides(bars, most):
    """By loops, symbol by symbol; the newest come last."""
    expected = []
    for _, start, end in bars:
        ends = [
            row
            for row in range(start, end)
            if (end - 1 - row) % 6 == 0 and row + 6 < end and row - 6 + 1 >= start
        ]
        expected += ends[-most:]

    assert block_ends(bars, 6, most).tolist() == expected


@pytest.mark.parametrize("count", [1, 7, 8, 20])
def test_as_many_dates_as_a_block_has_deal_nothing(count):
    """Seven dates are one block of seven, eight are two."""
    bars = random_walk(2, count)
    kept, other = _dealt(bars, np.arange(2 * count), 7, 0)

    assert len(kept) == len(other)
    assert (len(kept) > 0) is (count > 7)


@pytest.mark.parametrize("most", [1, 2, 5, 9, 40])
def test_windows_are_thinned_evenly(most):
    """The first and the last stay; none where there are fewer."""
    cutoffs, source = np.arange(9), np.arange(9)[::-1]
    kept, other = _thinned(cutoffs, source, most)
    count = min(most, 9)
    places = [int(n * 8 / max(count - 1, 1) + 1e-9) for n in range(count)]

    assert kept.tolist() == places
    assert other.tolist() == [8 - place for place in places]


def test_a_window_is_laid_out_with_the_target_of_another(bars):
    """Context, scale and states are its own, the target is in its own units."""
    data = with_states(bars, SPEC, "volatility")
    split = split_by_date(bars, SPEC)
    found = permuted_windows(data, bars, split, seed=1)
    (kept, other) = _dealt(bars, split.validation, 2 * SPEC.horizon, 1)
    rows = found.validation

    assert found.validation_cutoffs.tolist() == kept.tolist()
    assert (rows - found.train[-1] == SPEC.length * (1 + np.arange(len(rows)))).all()
    assert found.train[0] == SPEC.context_length - 1
    expected = data.target(other) / data.scale[other][:, None]
    np.testing.assert_allclose(
        found.data.target(rows) / data.scale[kept][:, None], expected
    )
    np.testing.assert_array_equal(found.data.scale[rows], data.scale[kept])
    for n, row in enumerate(rows[:5]):
        whole = slice(row - SPEC.context_length + 1, row + SPEC.horizon + 1)
        assert (found.data.scale[whole] == data.scale[kept[n]]).all()
        volumes = found.data.logs[row : row + SPEC.horizon + 1, 4]
        assert (volumes == volumes[0]).all()


def test_what_follows_a_block_is_unrelated():
    """An autoregression goes on inside a block and not beyond its end."""
    bars = autoregression(20, 1000, coefficient=0.8)
    market = permuted_market(bars, 5)
    moves = np.diff(np.log(market.close), prepend=0.0)
    ends = block_ends(market, 5, 1000)

    assert np.corrcoef(moves[ends], moves[ends + 1])[0, 1] == pytest.approx(0, abs=0.06)
    assert np.corrcoef(moves[ends + 1], moves[ends + 2])[0, 1] > 0.7
    assert len(ends) == 20 * (1000 // 5 - 1)
    assert (ends % 5 == 4).all()


def test_every_window_whose_other_is_there_is_dealt():
    """The last session of the last symbol too, which may have ended early."""
    source = other_blocks(40, 7, 3)
    for last in (40, 25):
        walk = random_walk(2, 40)
        bars = walk.select(np.arange(80) < 40 + last)

        kept, other = _dealt(bars, np.arange(len(bars)), 7, 3)

        dealt = {
            start + place: start + int(source[place])
            for start, length in ((0, 40), (40, last))
            for place in range(length)
            if 0 <= source[place] < length
        }
        assert dict(zip(kept.tolist(), other.tolist(), strict=True)) == dealt
        assert len(bars) - 1 in dealt.values()
