"""Intervals hold what they should as often as they say; the best stays in the set."""

import numpy as np
import pytest
from arch.bootstrap import MCS, StationaryBootstrap

from closecast.evaluation import resampling
from closecast.evaluation.dependence import optimal_lengths
from closecast.evaluation.resampling import (
    MOST_SERIES,
    REPETITIONS,
    SEED,
    block_length,
    central,
    central_each,
    confidence_set,
    drawn_counts,
    enough_dates,
    interval,
    resample,
    sum_per_date,
)


def _mean(total):
    return total[:, 0] / total[:, 1]


def _autoregression(random, size, coefficient):
    noise = random.standard_normal(size)
    for place in range(1, size):
        noise[place] += coefficient * noise[place - 1]
    return noise


class TestSumPerDate:
    def test_adds_up_the_symbols_of_a_date(self):
        """Dates come in order; one without a window has no row."""
        dates = np.array(["2020-01-06", "2020-01-02", "2020-01-06"], "M8[D]")
        values = np.array([[1.0, 10], [2.0, 20], [4.0, 40]])

        np.testing.assert_array_equal(
            sum_per_date(values, dates), [[2.0, 20], [5.0, 50]]
        )

    @pytest.mark.parametrize("seed", range(3))
    def test_is_what_a_loop_adds_up(self, seed):
        """Windows in any order, with gaps between the dates."""
        random = np.random.default_rng(seed)
        days = np.datetime64("1960-03-01") + random.integers(0, 40_000, 50)
        dates = random.choice(days, 300)
        values = random.normal(size=(300, 2))
        expected = [
            sum(values[n] for n in range(300) if dates[n] == day)
            for day in sorted(set(dates))
        ]

        np.testing.assert_allclose(sum_per_date(values, dates), expected)


class TestEnoughDates:
    @pytest.mark.parametrize(
        ("dates", "horizon", "enough"),
        [(19, 1, False), (20, 1, True), (20, 5, True), (23, 6, False), (24, 6, True)],
    )
    def test_twenty_and_four_times_the_step(self, dates, horizon, enough):
        """As many as a test of equal accuracy asks for."""
        assert enough_dates(dates, horizon) is enough


class TestBlockLength:
    @pytest.mark.parametrize(("dates", "horizon"), [(30, 1), (200, 2), (1000, 12)])
    @pytest.mark.parametrize("columns", [1, 4, MOST_SERIES, 2 * MOST_SERIES])
    def test_is_the_longest_that_a_series_asks_for(self, dates, horizon, columns):
        """Rounded up; never below two steps, never above a quarter of the dates."""
        random = np.random.default_rng(dates + columns)
        series = np.stack(
            [
                _autoregression(random, dates, 0.5 + 0.4 * number / columns)
                for number in range(columns)
            ],
            axis=-1,
        )
        series[:, 0] = 7.0
        moving = [number for number in range(columns) if number]
        if len(moving) > MOST_SERIES:
            step = (len(moving) - 1) / (MOST_SERIES - 1)
            moving = [moving[int(n * step + 1e-9)] for n in range(MOST_SERIES)]
        asked = [optimal_lengths(series[:, [number]])[0] for number in moving]
        longest = max([*asked, 2 * horizon])

        found = block_length(series, horizon)
        assert found == np.ceil(min(longest, 0.25 * dates))

    def test_the_first_of_very_many_counts_like_the_last(self):
        """Both ends are among those that are asked."""
        random = np.random.default_rng(6)
        noise = random.standard_normal((400, 2 * MOST_SERIES))
        memory = _autoregression(random, 400, 0.95)[:, None]
        longest = optimal_lengths(memory)[0]

        for series in (np.hstack([memory, noise]), np.hstack([noise, memory])):
            assert block_length(series, 1) == np.ceil(longest)

    @pytest.mark.parametrize("shift", [1e3, -1e3])
    @pytest.mark.parametrize("factor", [1e-9, 1e9])
    def test_neither_level_nor_unit_matters(self, shift, factor):
        """Only how the series moves."""
        series = _autoregression(np.random.default_rng(7), 300, 0.8)[:, None]

        moved = factor * (series + shift)
        assert block_length(moved, 1) == block_length(series, 1) > 4

    @pytest.mark.parametrize("dates", [1, 2, 3])
    def test_of_hardly_any_dates_a_block_is_one(self, dates):
        """A quarter of three dates is less than one."""
        assert block_length(np.ones((dates, 1)), 1) == 1

    def test_losses_that_remember_ask_for_longer_blocks(self):
        """An autoregression needs longer blocks than noise."""
        random = np.random.default_rng(1)
        noise, memory = (_autoregression(random, 1000, c)[:, None] for c in (0.0, 0.9))

        assert block_length(noise, 1) < 8 < block_length(memory, 1)

    def test_a_block_spans_two_horizons(self):
        """Overlapping steps stay together."""
        noise = np.random.default_rng(2).standard_normal((1000, 3))

        assert block_length(noise, 20) == 40

    def test_few_dates_bound_it(self):
        """A quarter of the dates at most."""
        assert block_length(np.random.default_rng(2).standard_normal((40, 1)), 9) == 10

    def test_of_very_many_series_some_are_asked(self, monkeypatch):
        """Spread over all of them, so that the last counts like the first."""
        random = np.random.default_rng(4)
        noise = random.standard_normal((1000, MOST_SERIES))
        memory = _autoregression(random, 1000, 0.95)[:, None]
        asked = []
        whole = resampling.optimal_lengths
        monkeypatch.setattr(
            resampling,
            "optimal_lengths",
            lambda moving: asked.append(moving.shape[1]) or whole(moving),
        )

        assert block_length(np.hstack([noise, memory]), 1) > 8
        assert asked == [MOST_SERIES]

    def test_a_constant_has_no_memory(self):
        """Differences that never vary leave the floor."""
        assert block_length(np.ones((100, 2)), 3) == 6


class TestInterval:
    @pytest.mark.parametrize("coefficient", [0.0, 0.6])
    def test_holds_the_truth_nine_times_in_ten(self, coefficient):
        """The mean of dependent noise is 0, and the interval knows the dependence."""
        random = np.random.default_rng(3)
        held = 0
        for _ in range(100):
            series = _autoregression(random, 300, coefficient)
            sums = np.column_stack([series, np.ones(300)])
            low, high = interval(_mean, sums, series, 1)
            held += low <= 0 <= high

        assert 80 <= held <= 97

    def test_is_the_same_twice(self):
        """No report changes when it is made again."""
        sums = np.random.default_rng(4).exponential(size=(200, 2))

        np.testing.assert_array_equal(resample(sums, 5), resample(sums, 5))

    def test_is_central_among_the_draws(self):
        """A twentieth on either side; of many figures each by itself."""
        random = np.random.default_rng(6)
        sums = random.exponential(size=(200, 2))
        block = block_length(sums[:, :1], 3)
        draws = sorted(total[0] / total[1] for total in resample(sums, block))
        ends = np.interp([0.05, 0.95], np.linspace(0, 1, REPETITIONS), draws)

        assert interval(_mean, sums, sums[:, 0], 3) == pytest.approx(tuple(ends))
        figures = random.normal(size=(REPETITIONS, 3))
        assert central_each(figures) == [central(one) for one in figures.T]
        assert central(np.arange(1001.0)) == pytest.approx((50, 950))

    def test_too_few_dates_have_none(self):
        """Nineteen dates are no sample to draw from."""
        sums = np.ones((19, 2))

        assert interval(_mean, sums, sums[:, 0], 1) is None


class TestConfidenceSet:
    def test_drops_what_is_clearly_worse(self):
        """Two equals stay, a third that is worse goes."""
        random = np.random.default_rng(5)
        common = random.exponential(size=(500, 1))
        losses = common + random.normal(0, 0.1, (500, 3)) + np.array([0, 0, 0.1])

        assert confidence_set(losses, 5).tolist() == [True, True, False]

    def test_the_same_model_twice_is_one(self):
        """Identical losses are in or out together."""
        random = np.random.default_rng(6)
        losses = random.exponential(size=(200, 1)) + random.normal(0, 0.1, (200, 2))
        losses[:, 1] += 0.2
        doubled = losses[:, [0, 1, 0]]

        assert confidence_set(doubled, 5).tolist() == [True, False, True]
        assert confidence_set(losses[:, [0, 0]], 5).tolist() == [True, True]

    @pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
    def test_what_is_worse_on_every_date_is_out(self, unit):
        """By more and by less; whatever losses are counted in."""
        random = np.random.default_rng(8)
        losses = random.exponential(size=(200, 2))
        worse = losses[:, :1] + 0.5 + 0.1 * random.random((200, 1))
        found = confidence_set(unit * np.hstack([losses, worse]), 5)

        assert found.tolist() == [True, True, False]

    def test_a_difference_that_never_varies_is_not_tested(self):
        """Without variance there is no statistic."""
        loss = np.random.default_rng(7).exponential(size=200)

        assert confidence_set(np.column_stack([loss, loss + 0.1]), 5) is None


@pytest.mark.parametrize("seed", range(4))
def test_the_confidence_set_is_that_of_arch(seed):
    """Eight models, some worse: by the range statistic, the same draws."""
    random = np.random.default_rng(seed)
    losses = 2 + random.normal(size=(150, 8)) + np.linspace(0, 0.6, 8)
    given = {"reps": REPETITIONS, "bootstrap": "stationary", "seed": SEED}
    oracle = MCS(losses / losses.mean(), 0.1, block_size=4, method="R", **given)
    oracle.compute()

    held = confidence_set(losses, 4)

    assert 1 < held.sum() < 8
    assert np.flatnonzero(held).tolist() == sorted(oracle.included)


@pytest.mark.parametrize("block", [1, 7, 45])
def test_a_draw_is_that_of_arch(block):
    """Totals over the dates that the stationary bootstrap draws."""
    sums = np.random.default_rng(0).normal(size=(90, 3))
    oracle = StationaryBootstrap(block, sums, seed=SEED)
    expected = oracle.apply(lambda drawn: drawn.sum(axis=0), REPETITIONS)

    np.testing.assert_allclose(resample(sums, block), expected)
    assert (drawn_counts(90, block).sum(axis=1) == 90).all()
    with pytest.raises(ValueError, match="read-only"):  # kept for the next who asks
        drawn_counts(90, block)[0, 0] = 1.0


def test_a_figure_that_is_not_finite_has_no_interval():
    """A ratio whose totals may be 0 says nothing."""
    sums = np.random.default_rng(5).standard_normal((200, 2))

    def broken(draws):
        return np.where(np.arange(len(draws)) == 7, np.inf, draws[:, 0])

    assert interval(lambda draws: draws[:, 0], sums, sums[:, 0], 1) is not None
    assert interval(broken, sums, sums[:, 0], 1) is None
