"""Theta says what statsmodels' says, at every close and from the past alone."""

import numpy as np
import pytest
from statsmodels.tsa.forecasting.theta import ThetaModel

from closecast.models.baselines.theta import fit_theta, theta_mean
from closecast.testing import autoregression, random_walk
from closecast.windows.index import cutoffs_with_targets
from closecast.windows.spec import WindowSpec

SPEC = WindowSpec(context_length=4, horizon=3)


@pytest.mark.parametrize("row", [40, 199])
def test_the_mean_is_that_of_statsmodels(row):
    """With the smoothing that it finds, on the closes up to a row."""
    bars = autoregression(1, 200, coefficient=-0.5)
    logs = np.log(bars.close[: row + 1])
    theirs = ThetaModel(logs, deseasonalize=False).fit()
    expected = theirs.forecast(3, theta=2).to_numpy() - logs[-1]

    ours = theta_mean(bars, np.array([row]), float(theirs.params["alpha"]), 3)[0]

    np.testing.assert_allclose(ours, expected, atol=1e-9)


def test_a_walk_is_followed_and_noise_is_smoothed():
    """The level of a random walk is its last close, that of noise is not."""
    walk, noisy = random_walk(3, 500), autoregression(3, 500, coefficient=-0.6)
    weights = [
        fit_theta(bars, cutoffs_with_targets(bars, SPEC), SPEC).smoothing
        for bars in (walk, noisy)
    ]

    assert weights[0] > 0.9
    assert weights[1] < 0.75


def test_a_first_close_has_no_trend():
    """One session has a level and nothing else."""
    bars = random_walk(2, 20)

    firsts = np.array([0, 20])

    np.testing.assert_array_equal(theta_mean(bars, firsts, 0.5, 3), 0.0)
