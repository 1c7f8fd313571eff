"""Boosting reads the states, and nothing after them."""

import sys

import numpy as np
import pytest

from closecast.errors import MissingExtraError
from closecast.models.baselines.boosting import fit_boosting
from closecast.testing import garch_walk
from closecast.windows.index import cutoffs_with_targets
from closecast.windows.leakage import require_no_leak, run_leak_tests
from closecast.windows.spec import WindowSpec

SPEC = WindowSpec(context_length=5, horizon=2)


@pytest.fixture(scope="module")
def world():
    """Symbols whose volatility clusters, and the baseline fitted to half of it."""
    pytest.importorskip("lightgbm")
    bars = garch_walk(8, 500, shock=0.2, memory=0.75)
    cutoffs = cutoffs_with_targets(bars, SPEC)
    cut = bars.dates[300]
    train = cutoffs[bars.dates[cutoffs + 2] < cut]
    return bars, fit_boosting(bars, train, SPEC), cutoffs[bars.dates[cutoffs] >= cut]


def test_it_is_wider_where_volatility_is_high(world):
    """Spread follows the absolute return to come better than a constant could."""
    bars, boosting, test = world
    forecast = boosting.forecast(bars, test)
    width = np.log(forecast.quantiles[:, 0, -1] - forecast.quantiles[:, 0, 0])
    came = np.log(np.abs(np.log(bars.close[test + 1] / bars.close[test])) + 1e-4)

    assert np.corrcoef(width, came)[0, 1] > 0.1
    assert np.abs(forecast.mean).max() == 0


def test_it_passes_the_leak_tests(world):
    """No later bar moves a forecast."""
    bars, boosting, test = world

    require_no_leak(run_leak_tests(boosting, bars, test))
    assert boosting.last_date < str(bars.dates[300])


def test_without_lightgbm_the_extra_is_named(monkeypatch):
    """What is missing is said with what to install."""
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    bars = garch_walk(1, 60)

    with pytest.raises(MissingExtraError, match=r"closecast\[lightgbm\]"):
        fit_boosting(bars, cutoffs_with_targets(bars, SPEC), SPEC)
