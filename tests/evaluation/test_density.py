"""The density between quantiles is that of the distribution they were taken from."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from closecast.errors import ModelError
from closecast.evaluation.density import LEAST_GAP, log_score, qlike, variance
from closecast.forecast import LEVELS


def test_the_log_score_of_a_gaussian(world):
    """On average minus the log density that scipy gives, tails included."""
    forecast = world.forecast(0.0)
    score = log_score(forecast, world.truth).mean(axis=0)
    deviation = 0.02 * np.sqrt(np.arange(1, 6))
    exact = -stats.norm.logpdf(world.truth, scale=deviation).mean(axis=0)

    np.testing.assert_allclose(score, exact, atol=0.01)


def test_the_density_integrates_to_one(world):
    """Between the quantiles and in both tails, no probability is lost."""
    one = world.forecast(0.0).take(np.arange(1))
    grid = np.linspace(-0.6, 0.6, 24_001)
    many = one.take(np.zeros(len(grid), int))
    truth = np.repeat(grid[:, None], 5, axis=1)

    total = np.exp(-log_score(many, truth)).sum(axis=0) * (grid[1] - grid[0])
    np.testing.assert_allclose(total, 1.0, atol=1e-3)


def test_the_true_spread_has_the_best_log_score(world):
    """Too narrow and too wide are both worse."""
    scores = [
        log_score(world.forecast(0.0, spread), world.truth).mean()
        for spread in (0.8, 1.0, 1.25)
    ]
    assert scores[1] < min(scores[0], scores[2])


def test_the_variance_of_a_gaussian(world):
    """Quantiles give back the variance within the rounding of their tails."""
    stated = variance(world.forecast(0.03, 1.3))

    exact = np.broadcast_to((1.3 * 0.02) ** 2 * np.arange(1, 6), stated.shape)
    np.testing.assert_allclose(stated, exact, rtol=0.03)


def test_qlike_is_least_for_the_variance_that_came(world):
    """A Gaussian's QLIKE is near log(h) + 1, and worse for other spreads."""
    scores = [
        qlike(world.forecast(0.0, spread), world.truth, world.scale).mean(axis=0)
        for spread in (0.7, 1.0, 1.4)
    ]
    np.testing.assert_allclose(scores[1], np.log(np.arange(1, 6)) + 1, atol=0.12)
    assert np.all(scores[1] < np.minimum(scores[0], scores[2]))


def test_quantiles_that_coincide_stay_finite(world):
    """A forecast of one value is no infinite density."""
    forecast = world.forecast(0.0)
    certain = replace(forecast, quantiles=np.zeros_like(forecast.quantiles))

    assert np.all(np.isfinite(log_score(certain, world.truth)))
    assert np.all(variance(certain) > 0)


def test_a_forecast_that_diverged_is_refused(world):
    """NaN is said, not averaged."""
    forecast = world.forecast(0.0)
    broken = replace(forecast, quantiles=forecast.quantiles * np.nan)

    with pytest.raises(ModelError, match="finite log returns"):
        log_score(broken, world.truth)


@pytest.fixture
def skewed(world):
    """Quantiles whose gaps are all different, the same for each step but a factor."""
    gaps = np.random.default_rng(2).exponential(size=len(LEVELS))
    gaps *= 1 + np.abs(np.arange(len(LEVELS)) - 12) / 2
    quantiles = 0.001 * (np.cumsum(gaps) - 30)[None, None, :]
    steps = np.arange(1.0, 6.0)[None, :, None]
    one = world.forecast(0.0).take(np.arange(1))
    return replace(one, quantiles=quantiles * steps)


def _draws(quantiles):
    """Evenly spread over the probabilities: flat between, exponential beyond."""
    count = 40_000
    part = (np.arange(count) + 0.5) / count
    depth = -np.log(part) / np.log(2)
    drawn = [quantiles[0] - depth * (quantiles[1] - quantiles[0])]
    for low, high in pairwise(quantiles):
        drawn.append(low + part * (high - low))
    drawn.append(quantiles[-1] + depth * (quantiles[-1] - quantiles[-2]))
    return np.concatenate(drawn)


def test_the_variance_is_that_of_draws(skewed):
    """Of a skewed density, its tails included."""
    for step, stated in enumerate(variance(skewed)[0]):
        drawn = _draws(skewed.quantiles[0, step])
        assert stated == pytest.approx(drawn.var(), rel=5e-4)


def test_the_log_score_is_what_a_loop_gives(skewed):
    """In each gap, in both tails and on a quantile itself."""
    quantiles = skewed.quantiles[0, 2]
    inner = (quantiles[1:] + quantiles[:-1]) / 2
    tails = [quantiles[0] - 0.004, quantiles[-1] + 0.01]
    for point in (*inner, *tails, *quantiles):
        left, right = np.diff(quantiles)[[0, -1]] / np.log(2)
        if point <= quantiles[0]:
            density = np.exp((point - quantiles[0]) / left) / left / 40
        elif point > quantiles[-1]:
            density = np.exp((quantiles[-1] - point) / right) / right / 40
        else:
            place = max(n for n in range(38) if quantiles[n] < point)
            density = 1 / 40 / (quantiles[place + 1] - quantiles[place])
        found = log_score(skewed, np.full((1, 5), point))[0, 2]
        assert found == pytest.approx(-np.log(density))


def test_certainty_has_a_floor(world):
    """Quantiles that coincide are taken to be a little apart, tails too."""
    forecast = world.forecast(0.0)
    certain = replace(forecast, quantiles=np.zeros_like(forecast.quantiles))
    tail = LEAST_GAP / np.log(2)

    np.testing.assert_allclose(variance(certain), 2 / 40 * 2 * tail**2)
    at = log_score(certain, np.full_like(world.truth, LEAST_GAP))
    np.testing.assert_allclose(at, np.log(40 * tail) + LEAST_GAP / tail)
    two = certain.quantiles.copy()
    two[..., 20:] = 0.01
    apart = log_score(replace(certain, quantiles=two), np.full_like(world.truth, 0.004))
    np.testing.assert_allclose(apart, np.log(40 * 0.01))


def test_qlike_is_its_formula(world):
    """In units of the volatility that was known, window by window."""
    forecast = world.forecast(0.0, 1.2)
    scale = np.linspace(0.01, 0.04, len(world.truth))
    found, stated = qlike(forecast, world.truth, scale), variance(forecast)

    for window in (0, 700, 2000):
        for step in (0, 4):
            ratio = world.truth[window, step] ** 2 / stated[window, step]
            unit = stated[window, step] / scale[window] ** 2
            assert found[window, step] == pytest.approx(np.log(unit) + ratio)
