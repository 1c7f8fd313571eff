"""Zero and drift are the textbook's."""

import numpy as np
import pytest
from scipy.stats import norm

from closecast.models.baselines import Drift, Zero
from closecast.models.baselines.location_scale import expanding_moments


class TestZero:
    def test_quantiles_are_gaussian_and_grow_with_the_root_of_the_step(self, walk):
        """The closed form of a random walk's forecast."""
        forecast = Zero(horizon=4).forecast(walk, np.array([300]))
        deviation = expanding_moments(walk)[1][300]

        for step in range(4):
            expected = norm.ppf([0.025, 0.5, 0.9], scale=deviation * np.sqrt(step + 1))
            got = forecast.quantiles[0, step, [0, 19, 35]]
            np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-15)
        np.testing.assert_array_equal(forecast.mean, 0.0)


class TestDrift:
    def test_goes_on_at_the_slope_from_first_to_last_close(self, walk):
        """FPP3's drift: the line through the first and the last observation."""
        forecast = Drift(horizon=4).forecast(walk, np.array([799]))
        slope = np.log(walk.close[799] / walk.close[400]) / 399

        np.testing.assert_allclose(forecast.mean[0], slope * np.arange(1, 5), rtol=1e-9)

    def test_differs_from_zero_in_the_mean_alone(self, walk):
        """Both have one spread, so that their difference is the drift's."""
        cutoffs = np.arange(50, 60)
        zero, drift = (
            kind(horizon=2).forecast(walk, cutoffs).quantiles for kind in (Zero, Drift)
        )

        np.testing.assert_allclose(
            np.ptp(zero, axis=-1), np.ptp(drift, axis=-1), rtol=1e-9
        )

    def test_a_baseline_is_frozen(self):
        """A setting cannot change under a report."""
        with pytest.raises(AttributeError, match="horizon"):
            Drift(horizon=2).horizon = 3
