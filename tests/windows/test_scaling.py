"""What a window holds: the slides' ratios, causal, without a unit."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from closecast.market.bars import VOLUME, Bars, from_columns
from closecast.testing import random_walk
from closecast.windows.index import cutoffs_with_targets
from closecast.windows.scaling import (
    MIN_VOLATILITY,
    PRIOR_VOLATILITY,
    WindowData,
    log_table,
    volatility,
)
from closecast.windows.spec import WindowSpec


def panel(closes, volumes=None):
    """One symbol with these closes."""
    prices = np.repeat(np.asarray(closes, float)[:, None], 4, axis=1)
    volume = np.full(len(closes), 100.0) if volumes is None else np.asarray(volumes)
    return from_columns(
        np.full(len(closes), "A"),
        np.arange(len(closes)).astype("datetime64[D]"),
        np.column_stack([prices, volume]),
    )


def test_a_window_is_what_a_naive_loop_cuts():
    """Each item is log(value) - log(last value of the context), column by column."""
    bars, spec = random_walk(2, 40), WindowSpec(context_length=4, horizon=3)
    data, cutoffs = WindowData.of(bars, spec), cutoffs_with_targets(bars, spec)

    for n, cutoff in enumerate(cutoffs):
        context = bars.values[cutoff - 3 : cutoff + 1]
        target = bars.close[cutoff + 1 : cutoff + 4]
        np.testing.assert_allclose(
            data.context(cutoffs)[n], np.log(context) - np.log(context[-1]), atol=1e-12
        )
        np.testing.assert_allclose(
            data.target(cutoffs)[n], np.log(target) - np.log(context[-1, 3]), atol=1e-12
        )


def test_one_to_two_looks_like_ten_to_twenty():
    """Two series that double are the same window."""
    spec = WindowSpec(context_length=1, horizon=1)
    low, high = (WindowData.of(panel(p), spec) for p in ([1.0, 2.0], [10.0, 20.0]))

    np.testing.assert_array_equal(
        low.context(np.array([0])), high.context(np.array([0]))
    )
    np.testing.assert_allclose(low.target(np.array([0])), [[np.log(2)]], rtol=1e-15)
    np.testing.assert_allclose(
        low.target(np.array([0])), high.target(np.array([0])), rtol=1e-14
    )


class TestVolume:
    def test_a_session_without_trade_carries_the_last_one(self):
        """Zero volume is never an infinite ratio."""
        data = WindowData.of(panel([1.0] * 4, [50, 0, 0, 100]), WindowSpec())

        np.testing.assert_allclose(
            data.logs[:, VOLUME], np.log([50, 50, 50, 100]), rtol=1e-15
        )

    def test_a_fraction_of_a_coin_is_a_trade(self):
        """Volumes below one are volumes; only none is none."""
        data = WindowData.of(panel([1.0] * 4, [0.5, 0.0, 1e-6, 1.0]), WindowSpec())

        np.testing.assert_allclose(
            data.logs[:, VOLUME], np.log([0.5, 0.5, 1e-6, 1.0]), atol=1e-15
        )

    def test_before_the_first_trade_nothing_is_known(self):
        """Leading zeros become a ratio of 0, not a leap."""
        spec = WindowSpec(context_length=3, horizon=1)
        data = WindowData.of(panel([1.0] * 4, [0, 0, 7, 7]), spec)

        assert data.context(np.array([2]))[0, :, VOLUME].tolist() == [0.0, 0.0, 0.0]

    def test_another_symbols_volume_is_not_carried_over(self):
        """The first bars of a symbol do not borrow from the one before."""
        bars = from_columns(
            np.array(["A", "A", "B", "B"]),
            np.array([0, 1, 0, 1]).astype("datetime64[D]"),
            np.array(
                [[1.0, 1, 1, 1, 5], [1, 1, 1, 1, 5], [1, 1, 1, 1, 0], [1, 1, 1, 1, 0]]
            ),
        )

        logs = WindowData.of(bars, WindowSpec()).logs[:, VOLUME]
        assert np.isnan(logs).tolist() == [False, False, True, True]


class TestVolatility:
    def test_agrees_with_the_weighted_mean_written_out(self):
        """Weights halve every half-life; the prior counts as the oldest return."""
        bars = random_walk(1, 30)
        returns = np.diff(np.log(bars.close))
        squares = np.concatenate([[PRIOR_VOLATILITY**2], returns**2])
        weights = 0.5 ** (np.arange(30)[::-1] / 7)

        expected = np.sqrt((weights * squares).sum() / weights.sum())
        np.testing.assert_allclose(volatility(bars, half_life=7)[-1], expected)

    def test_a_constant_price_has_a_floor(self):
        """No scale is zero."""
        assert volatility(panel([5.0] * 2000))[-1] == MIN_VOLATILITY

    @given(cut=st.integers(1, 58), seed=st.integers(0, 100))
    def test_later_bars_do_not_matter(self, cut, seed):
        """Replacing the future changes no scale up to the cut."""
        bars = random_walk(1, 60, seed=seed)
        values = bars.values.copy()
        values[cut:] = values[cut:] * 3.0
        changed = Bars(
            symbols=bars.symbols, offsets=bars.offsets, dates=bars.dates, values=values
        )

        np.testing.assert_array_equal(volatility(bars)[:cut], volatility(changed)[:cut])

    def test_the_unit_grows_with_the_root_of_the_step(self):
        """A density is stated in scale x sqrt(step)."""
        data = WindowData.of(random_walk(1, 30), WindowSpec(horizon=4))
        unit = data.unit(np.array([20]))

        np.testing.assert_allclose(unit[0] / unit[0, 0], np.sqrt([1, 2, 3, 4]))


def test_prices_below_one_have_a_logarithm_too():
    """Of coins and cents; only what is not positive has none."""
    closes = 0.01 * np.arange(1.0, 31.0)
    table = log_table(panel(closes))

    np.testing.assert_allclose(table[:, 3], np.log(closes))


def test_a_plain_panel_has_no_states():
    """A network that is told of none has no input for any."""
    assert WindowData.of(panel([1.0] * 4), WindowSpec()).state.shape == (4, 0)
