"""IC and RankIC are means over the dates of a correlation across symbols."""

import numpy as np
import pytest
from scipy import stats

from closecast.evaluation.ranking import rank_symbols


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
