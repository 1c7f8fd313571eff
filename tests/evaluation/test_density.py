"""The density between quantiles is that of the distribution they were taken from."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from closecast.errors import ModelError
from closecast.evaluation.density import log_score, qlike, variance


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
