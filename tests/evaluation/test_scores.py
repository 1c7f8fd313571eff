"""Scores agree with those of others and refuse what is not a number."""

from dataclasses import replace

import numpy as np
import pytest
import scoringrules
from hypothesis import given
from hypothesis import strategies as st

from closecast.errors import ModelError, WindowError
from closecast.evaluation.scores import (
    absolute_error,
    crps,
    hits,
    interval_score,
    pinball,
    squared_error,
)
from closecast.forecast import LEVELS, Forecast

SCORES = (absolute_error, squared_error, crps, lambda f, y: hits(f, y, 0.8))


def _random(windows=20, horizon=3, seed=0):
    rng = np.random.default_rng(seed)
    quantiles = np.sort(rng.normal(size=(windows, horizon, 39)), axis=-1)
    forecast = Forecast(
        symbols=np.full(windows, "A"),
        cutoffs=np.arange("2020-01-01", windows, dtype="datetime64[D]"),
        target_dates=np.full((windows, horizon), np.datetime64("2021-01-01")),
        last_close=np.full(windows, 10.0),
        mean=quantiles.mean(axis=-1),
        quantiles=quantiles,
    )
    return forecast, rng.normal(size=(windows, horizon))


class TestCrps:
    def test_is_that_of_scoringrules(self):
        """The quantile CRPS of another library, in every window."""
        forecast, truth = _random()

        np.testing.assert_allclose(
            crps(forecast, truth),
            scoringrules.crps_quantile(truth, forecast.quantiles, LEVELS),
            rtol=1e-12,
        )

    def test_is_near_the_closed_form_of_a_gaussian(self, world):
        """39 quantiles cost a few per cent of the exact integral."""
        ours = crps(world.forecast(0.001), world.truth).mean(axis=0)
        exact = scoringrules.crps_normal(
            world.truth, 0.001, 0.02 * np.sqrt(np.arange(1, 6))
        ).mean(axis=0)

        np.testing.assert_allclose(ours, exact, rtol=0.03)

    @given(shift=st.floats(-5, 5), factor=st.floats(0.01, 100))
    def test_moves_with_the_unit_and_not_with_the_place(self, shift, factor):
        """A shift changes nothing, a factor of the returns one of the score."""
        forecast, truth = _random()
        moved = replace(
            forecast,
            mean=factor * forecast.mean + shift,
            quantiles=factor * forecast.quantiles + shift,
        )

        np.testing.assert_allclose(
            crps(moved, factor * truth + shift),
            factor * crps(forecast, truth),
            rtol=1e-6,
            atol=1e-9,
        )

    def test_of_a_certain_forecast_is_the_absolute_error(self):
        """Without spread the score is the distance."""
        forecast, truth = _random()
        certain = replace(forecast, quantiles=np.full((20, 3, 39), 0.3))

        np.testing.assert_allclose(crps(certain, truth), np.abs(truth - 0.3))


class TestErrors:
    def test_are_of_the_median_and_of_the_mean(self):
        """Each error is of the point it is smallest for."""
        forecast, truth = _random()

        np.testing.assert_array_equal(
            absolute_error(forecast, truth), np.abs(truth - forecast.quantiles[..., 19])
        )
        np.testing.assert_array_equal(
            squared_error(forecast, truth), (truth - forecast.mean) ** 2
        )


class TestHits:
    @pytest.mark.parametrize(("coverage", "edges"), [(0.8, (3, 35)), (0.95, (0, 38))])
    def test_take_the_levels_of_the_interval(self, coverage, edges):
        """80 % lies between 0.1 and 0.9, 95 % between 0.025 and 0.975."""
        forecast, truth = _random(windows=500)
        lower, upper = (forecast.quantiles[..., edge] for edge in edges)

        np.testing.assert_array_equal(
            hits(forecast, truth, coverage), (lower <= truth) & (truth <= upper)
        )

    def test_an_edge_is_inside(self):
        """A truth on either edge is held."""
        forecast, _ = _random()

        assert hits(forecast, forecast.quantiles[..., 3], 0.8).all()
        assert hits(forecast, forecast.quantiles[..., 35], 0.8).all()

    def test_an_interval_beyond_the_levels_is_refused(self):
        """The far tails are not stored."""
        forecast, truth = _random()

        with pytest.raises(ValueError, match="does not store its far tails"):
            hits(forecast, truth, 0.99)


@pytest.mark.parametrize("score", SCORES)
class TestRefusals:
    def test_a_truth_that_is_no_number(self, score):
        """A missing close is named, not skipped."""
        forecast, truth = _random()
        truth[4, 2] = np.nan

        with pytest.raises(
            WindowError, match=r"got nan \(symbol A, cutoff 2020-01-05, step 3\)"
        ):
            score(forecast, truth)

    def test_a_forecast_that_is_no_number(self, score):
        """A diverged model is named, not skipped."""
        forecast, truth = _random()
        forecast.mean[7, 0] = np.nan
        forecast.quantiles[7, 0] = np.nan

        with pytest.raises(
            ModelError, match=r"got nan \(symbol A, cutoff 2020-01-08, step 1\)"
        ):
            score(forecast, truth)

    def test_a_truth_of_another_shape(self, score):
        """One step of truth is no judge of three."""
        forecast, truth = _random()

        with pytest.raises(WindowError, match=r"shape \(20, 3\).*got \(20, 1\)"):
            score(forecast, truth[:, :1])


class TestPinballAndInterval:
    def test_pinball_by_hand(self, world):
        """Above the 5 % quantile a point costs 0.05, below it 0.95."""
        forecast = world.forecast(0.0)
        miss = world.truth - forecast.quantile(0.05)
        expected = np.where(miss > 0, 0.05 * miss, -0.95 * miss)

        np.testing.assert_allclose(pinball(forecast, world.truth, 0.05), expected)

    def test_interval_score_agrees_with_scoringrules(self, world):
        """Width plus the fines, as the library has it."""
        forecast = world.forecast(0.0, spread=0.7)
        expected = scoringrules.interval_score(
            world.truth, forecast.quantile(0.1), forecast.quantile(0.9), 0.2
        )

        np.testing.assert_allclose(interval_score(forecast, world.truth, 0.8), expected)
