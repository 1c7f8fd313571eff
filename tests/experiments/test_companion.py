"""What a model is blended with is fitted to its training windows, and kept with it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from closecast.errors import ModelError, SettingError
from closecast.evaluation.blend import Blended
from closecast.experiments.companion import Companion
from closecast.experiments.forecaster import Forecaster
from closecast.experiments.shards import require_alone
from closecast.market.bars import VOLUME
from closecast.testing import garch_walk

QUICK = {"hidden_size": 4, "num_layers": 1, "epochs": 1, "batch_size": 32}


@pytest.fixture(scope="module")
def bars():
    return garch_walk(3, 400, seed=2)


@pytest.fixture(scope="module")
def fitted(bars):
    return Forecaster(**QUICK, blend="ewma_t", calibrate="conformal").fit(bars)


def test_a_blended_model_passes_the_leak_tests(fitted):
    """It reads outcomes at every cutoff, and only those that came."""
    assert all(test.passed is not False for test in fitted.leak_tests)
    assert "ewma_t" in next(
        test.detail for test in fitted.leak_tests if test.name == "scaler_audit"
    )


def test_a_model_without_skill_gives_way(fitted, bars):
    """One epoch knows less than EWMA-t, which has most of the newest forecasts."""
    source = fitted.fitted.source
    assert isinstance(source, Blended)
    late = np.flatnonzero(bars.dates == bars.dates.max())

    assert source.shares(bars, late).mean() > 0.3
    test_start = np.datetime64(fitted.settings.test_start)
    first = np.flatnonzero(bars.dates == bars.dates[bars.dates >= test_start].min())
    assert not source.shares(bars, first).any()


def test_it_forecasts_the_same_after_loading(fitted, bars, tmp_path):
    """To the last bit; a companion that was exchanged is refused."""
    fitted.save(tmp_path / "m")
    again = Forecaster.load(tmp_path / "m")
    assert np.array_equal(
        again.forecast(bars).quantiles, fitted.forecast(bars).quantiles
    )

    file = tmp_path / "m" / "companion.json"
    file.write_text(file.read_text().replace("1", "2", 1))
    with pytest.raises(ModelError, match=r"companion\.json"):
        Forecaster.load(tmp_path / "m")


def test_it_is_fitted_before_validation(fitted, bars):
    """Prices after the training block exchanged: the same companion."""
    settings = fitted.settings
    values = np.array(bars.values)
    values[bars.dates >= np.datetime64(settings.validation_start), :VOLUME] *= 1.02
    other = Forecaster(**settings.to_dict()).fit(replace(bars, values=values))

    assert other.fitted.companion == fitted.fitted.companion


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"factors": [1.0]}, "factors of"),
        ({"degrees_of_freedom": [5.0, 5.0, 5.0, 5.0, -1.0]}, "degrees_of_freedom of"),
    ],
)
def test_a_forged_companion_is_refused(fitted, changed, said):
    """Another number of steps, or a tail that is none."""
    plain = json.loads(json.dumps(fitted.fitted.companion.to_dict()))
    plain["ewma_t"] |= changed

    with pytest.raises(ValueError, match=said):
        Companion.of(plain, 5)


def test_shards_cannot_blend(fitted):
    """The share needs all symbols of a market at once."""
    with pytest.raises(SettingError, match="got blend ewma_t"):
        require_alone(replace(fitted.settings, calibrate="none"))


def test_another_blend_is_refused():
    """The choices are named."""
    with pytest.raises(SettingError, match="blend to be"):
        Forecaster(blend="median")
