"""A model fitted over files is what a model fitted in memory is."""

import numpy as np
import pytest

from closecast.errors import WindowError
from closecast.experiments.forecaster import Forecaster
from closecast.experiments.on_disk import fit_on_disk
from closecast.testing import random_walk
from closecast.windows.on_disk import write_panel

WALKS = random_walk(3, 260)
SMALL = {"hidden_size": 6, "epochs": 2, "batch_size": 32}


@pytest.mark.parametrize("more", [{"seeds": 2}, {"calibrate": "conformal"}])
def test_it_forecasts_as_a_model_of_memory(tmp_path, more):
    """Seeds and calibration included, every quantile is the same."""
    panel = write_panel(tmp_path / "panel", [WALKS])
    ours = fit_on_disk(panel, **SMALL, **more)
    theirs = Forecaster(**SMALL, **more).fit(WALKS)

    assert ours.settings == theirs.settings
    assert np.array_equal(
        ours.forecast(WALKS).quantiles, theirs.forecast(WALKS).quantiles
    )


def test_it_is_tested_for_leaks(tmp_path):
    """The same leak tests are stamped into it."""
    panel = write_panel(tmp_path / "panel", [WALKS])
    stamps = fit_on_disk(panel, **SMALL).leak_tests

    assert [one.name for one in stamps] == [
        one.name for one in Forecaster(**SMALL).fit(WALKS).leak_tests
    ]
    assert not any(one.passed is False for one in stamps)


def test_series_too_short_for_leak_tests_are_refused_first(tmp_path):
    """Nothing is trained when the tests could not be run."""
    panel = write_panel(tmp_path / "panel", [random_walk(2, 60)])
    seen = []
    with pytest.raises(WindowError, match="none in"):
        fit_on_disk(panel, on_epoch=seen.append, test_start="2010-03-25", **SMALL)
    assert seen == []
