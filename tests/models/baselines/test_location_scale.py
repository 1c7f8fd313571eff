"""The moments are those of the past, and only of the past."""

import numpy as np

from closecast.models.baselines.location_scale import expanding_moments
from closecast.windows.scaling import MIN_VOLATILITY, PRIOR_VOLATILITY


class TestExpandingMoments:
    def test_agree_with_a_naive_loop(self, walk):
        """Each row's moments are those of all returns of its symbol so far."""
        mean, deviation = expanding_moments(walk)

        for row in (1, 9, 399, 401, 1000):
            start = walk.starts[row]
            returns = np.diff(np.log(walk.close[start : row + 1]))
            squares = np.sum((returns - returns.mean()) ** 2) + PRIOR_VOLATILITY**2
            np.testing.assert_allclose(mean[row], returns.mean(), rtol=1e-9)
            np.testing.assert_allclose(
                deviation[row], np.sqrt(squares / len(returns)), rtol=1e-9
            )

    def test_first_bar_knows_the_prior_alone(self, walk):
        """Without a return the mean is 0 and the spread the prior."""
        mean, deviation = expanding_moments(walk)

        np.testing.assert_array_equal(mean[walk.offsets[:-1]], 0.0)
        np.testing.assert_allclose(deviation[walk.offsets[:-1]], PRIOR_VOLATILITY)

    def test_a_frozen_price_keeps_a_spread(self, panel):
        """A price that does not move for decades has a least spread."""
        _, deviation = expanding_moments(panel(np.zeros((1, 50_000))))

        assert deviation[-1] == MIN_VOLATILITY
