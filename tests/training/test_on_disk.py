"""Training over files gives the model of training in memory."""

import numpy as np
import pytest

from closecast.engine import shuffle
from closecast.engine.native import supported
from closecast.errors import SettingError, TrainingError
from closecast.testing import random_walk
from closecast.training.model import train_fleet
from closecast.training.on_disk import train_on_disk
from closecast.training.settings import Settings
from closecast.windows.on_disk import write_panel
from closecast.windows.split import split_by_date

WALKS = random_walk(3, 260)
SMALL = {"hidden_size": 6, "epochs": 2, "batch_size": 32}
ENGINES = ["torch", *(["native"] if supported() else [])]


@pytest.fixture
def panel(tmp_path):
    """Give three walks on disk."""
    return write_panel(tmp_path / "panel", [WALKS])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("head", ["student_t", "point"])
def test_the_model_is_that_of_a_panel_in_memory(panel, engine, head):
    """Weights, losses and record are the same; only the fingerprint is the panel's."""
    settings = Settings(engine=engine, head=head, **SMALL)
    held = split_by_date(WALKS, settings.window_spec)
    (ours,) = train_fleet(WALKS, [settings], held.train, held.validation)
    theirs = train_on_disk(panel, settings, panel.split(settings.window_spec))

    for name, weight in ours.weights.items():
        assert np.array_equal(weight, theirs.weights[name])
    assert ours.curve == theirs.curve
    assert theirs.trained_on == ours.trained_on | {"fingerprint": panel.fingerprint}
    if head == "point":
        np.testing.assert_allclose(
            theirs.residual_scale, ours.residual_scale, rtol=1e-9
        )


@pytest.mark.skipif("native" not in ENGINES, reason="the kernels are not built")
def test_a_long_epoch_is_reported_on_its_way(panel, monkeypatch):
    """Between pools the share that is done grows; losses come with the end."""
    monkeypatch.setattr(shuffle, "POOL", 128)
    monkeypatch.setattr(shuffle, "STRETCH", 8)
    settings = Settings(engine="native", **SMALL)
    seen = []
    train_on_disk(panel, settings, panel.split(settings.window_spec), seen.append)

    first = [report for report in seen if report.epoch == 1]
    shares = [report.done for report in first]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) > 2
    assert all(np.isnan(report.validation_loss) for report in first[:-1])
    assert np.isfinite(first[-1].validation_loss)


@pytest.mark.skipif("native" not in ENGINES, reason="the kernels are not built")
def test_pools_learn_as_well_as_a_full_shuffle(panel, monkeypatch):
    """The loss after training by blocks is that of a full shuffle within its noise."""
    settings = Settings(engine="native", **(SMALL | {"epochs": 6}))
    split = panel.split(settings.window_spec)
    full = train_on_disk(panel, settings, split).curve.validation_loss[-1]
    monkeypatch.setattr(shuffle, "POOL", 128)
    monkeypatch.setattr(shuffle, "STRETCH", 8)
    blocks = train_on_disk(panel, settings, split).curve.validation_loss[-1]

    assert blocks != full
    assert blocks == pytest.approx(full, abs=0.05)


def test_a_batch_larger_than_the_data_is_refused(panel):
    """The message says how many windows there are."""
    settings = Settings(batch_size=5000)
    with pytest.raises(TrainingError, match=r"at most the .* windows, got 5000"):
        train_on_disk(panel, settings, panel.split(settings.window_spec))


@pytest.mark.parametrize(
    "setting",
    [
        {"states": "all"},
        {"mean": "shrunk"},
        {"width": "fitted"},
        {"past_columns": "mood"},
    ],
)
def test_what_needs_bars_in_memory_is_refused(panel, setting):
    """No setting is silently left out."""
    settings = Settings(**SMALL, **setting)
    (name,) = setting
    with pytest.raises(SettingError, match=f"Expected {name} to be .* on disk"):
        train_on_disk(panel, settings, panel.split(settings.window_spec))
