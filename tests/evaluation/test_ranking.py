"""IC and RankIC are means over the dates of a correlation across symbols."""

import numpy as np
import pytest
from scipy import stats

from closecast.evaluation.ranking import MIN_SYMBOLS, rank_symbols
from closecast.evaluation.resampling import block_length, resample


@pytest.fixture
def wide(make_world):
    return make_world(symbols=8, sessions=120, horizon=2)


def test_agrees_with_scipy_date_by_date(wide):
    """Pearson's and Spearman's correlation of each date, ties included."""
    noise = np.random.default_rng(1).normal(0, 0.02, wide.truth.shape)
    mean = np.round(0.3 * wide.truth + noise, 2)
    forecast = wide.forecast(mean)
    second = rank_symbols(forecast, wide.truth)[1]
    plain, ranks = [], []
    for date in np.unique(forecast.cutoffs):
        at = forecast.cutoffs == date
        plain.append(stats.pearsonr(mean[at, 1], wide.truth[at, 1]).statistic)
        ranks.append(stats.spearmanr(mean[at, 1], wide.truth[at, 1]).statistic)

    assert second.horizon == 2
    assert second.num_dates == 118
    assert second.ic == pytest.approx(np.mean(plain))
    assert second.rank_ic == pytest.approx(np.mean(ranks))
    assert second.icir == pytest.approx(np.mean(plain) / np.std(plain))
    assert second.rank_icir == pytest.approx(np.mean(ranks) / np.std(ranks))
    low, high = second.rank_ic_interval
    assert low < second.rank_ic < high


def test_the_market_move_counts_for_nothing(wide):
    """Adding one number to all forecasts of a date changes nothing."""
    noise = np.random.default_rng(2).normal(0, 0.02, wide.truth.shape)
    shift = np.tile(np.linspace(-1, 1, 118), 8)[:, None]
    ours, theirs = (
        rank_symbols(wide.forecast(mean), wide.truth)[0]
        for mean in (noise, noise + shift)
    )

    assert ours.ic == pytest.approx(theirs.ic)
    assert ours.rank_ic == pytest.approx(theirs.rank_ic)


def test_a_forecast_that_sorts_nothing_has_no_ic(wide):
    """The last close says the same of every symbol."""
    first = rank_symbols(wide.forecast(0.0), wide.truth)[0]

    assert (first.ic, first.rank_ic, first.rank_ic_interval) == (None, None, None)
    assert first.num_dates == 0


def test_three_symbols_are_not_sorted(world):
    """An order of three says little."""
    noise = np.random.default_rng(3).normal(0, 0.02, world.truth.shape)

    assert rank_symbols(world.forecast(noise), world.truth)[0].ic is None


def test_dates_with_enough_symbols_count_in_any_order(wide):
    """By loops: some symbols missing, some dates too thin, some that do not differ."""
    random = np.random.default_rng(4)
    rows = random.permutation(len(wide.truth))[: int(0.65 * len(wide.truth))]
    mean = np.round(0.3 * wide.truth + random.normal(0, 0.02, wide.truth.shape), 2)
    mean[wide.forecast(0.0).cutoffs == np.datetime64("2010-02-01")] = 0.01
    forecast, truth = wide.forecast(mean).take(rows), wide.truth[rows]
    for step, found in enumerate(rank_symbols(forecast, truth)):
        plain, ranks, thin = [], [], 0
        for date in np.unique(forecast.cutoffs):
            at = forecast.cutoffs == date
            thin += at.sum() == MIN_SYMBOLS - 1
            if at.sum() >= MIN_SYMBOLS and np.ptp(forecast.mean[at, step]) > 0:
                both = forecast.mean[at, step], truth[at, step]
                plain.append(stats.pearsonr(*both).statistic)
                ranks.append(stats.spearmanr(*both).statistic)
        ranks = np.array(ranks)
        draws = resample(ranks[:, None], block_length(ranks[:, None], step + 1))
        ends = np.quantile(draws[:, 0] / len(ranks), [0.05, 0.95])

        assert thin > 0
        assert found.num_dates == len(plain)
        assert found.ic == pytest.approx(np.mean(plain))
        assert found.rank_ic == pytest.approx(ranks.mean())
        assert found.rank_icir == pytest.approx(ranks.mean() / ranks.std())
        assert found.rank_ic_interval == pytest.approx(tuple(ends))


def test_a_single_date_has_no_ratio(make_world):
    """Its correlation does not vary; five symbols are enough for one."""
    world = make_world(symbols=5, sessions=3, horizon=2)
    noise = np.random.default_rng(5).normal(0, 0.02, world.truth.shape)
    found = rank_symbols(world.forecast(noise), world.truth)[0]

    assert found.num_dates == 1
    assert found.ic is not None
    assert found.icir is None
    assert found.rank_icir is None
    assert found.rank_ic_interval is None
