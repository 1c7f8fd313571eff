"""Ridge finds what is linear, and nothing where there is nothing."""

import numpy as np
import pytest

from closecast.models.baselines import fit_ridge
from closecast.testing import autoregression, random_walk
from closecast.windows.index import cutoffs_with_targets
from closecast.windows.scaling import WindowData
from closecast.windows.spec import WindowSpec

SPEC = WindowSpec(context_length=5, horizon=2)


def test_an_autoregression_is_found():
    """Half of each return goes on: the slope of the forecast says so."""
    bars = autoregression(3, 1500, coefficient=0.5)
    cutoffs = cutoffs_with_targets(bars, SPEC)
    fitted = fit_ridge(bars, cutoffs, SPEC)
    last = np.log(bars.close[cutoffs] / bars.close[cutoffs - 1])
    mean = fitted.forecast(bars, cutoffs).mean

    assert np.polyfit(last, mean[:, 0], 1)[0] == pytest.approx(0.5, abs=0.05)
    assert np.polyfit(last, mean[:, 1], 1)[0] == pytest.approx(0.75, abs=0.1)


def test_a_random_walk_is_shrunk_away():
    """Nothing to find is answered by next to nothing."""
    bars = random_walk(3, 800, seed=2)
    cutoffs = cutoffs_with_targets(bars, SPEC)
    data = WindowData.of(bars, SPEC)
    mean = fit_ridge(bars, cutoffs, SPEC).forecast(bars, cutoffs).mean

    assert np.std(mean / data.unit(cutoffs)) < 0.1


def test_weights_are_those_of_the_closed_form():
    """The normal equations on standardised inputs, written out."""
    bars = autoregression(1, 400, coefficient=0.3, seed=3)
    cutoffs = cutoffs_with_targets(bars, SPEC)
    fitted = fit_ridge(bars, cutoffs, SPEC)
    data = WindowData.of(bars, SPEC)
    x = data.context(cutoffs).reshape(len(cutoffs), -1) / data.scale[cutoffs][:, None]
    y = data.target(cutoffs) / data.unit(cutoffs)
    kept = x.std(axis=0) > 1e-9
    z = (x[:, kept] - x[:, kept].mean(axis=0)) / x[:, kept].std(axis=0)
    gram = z.T @ z + fitted.penalty * np.eye(kept.sum())
    expected = y.mean(axis=0) + z @ np.linalg.solve(gram, z.T @ (y - y.mean(axis=0)))

    np.testing.assert_allclose(
        fitted.forecast(bars, cutoffs).mean / data.unit(cutoffs), expected, atol=1e-7
    )


def test_a_cutoff_without_a_whole_context_is_forecast_as_no_change():
    """No window reaches into another symbol."""
    bars = autoregression(2, 300, coefficient=0.5)
    fitted = fit_ridge(bars, cutoffs_with_targets(bars, SPEC), SPEC)
    mean = fitted.forecast(bars, np.array([303, 304])).mean

    assert np.all(mean[0] == 0)
    assert np.all(mean[1] != 0)
