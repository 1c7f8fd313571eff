"""Settings are frozen values that check themselves and survive a file."""

from dataclasses import FrozenInstanceError, replace
from datetime import date

import jaxtyping
import numpy as np
import pytest

from closecast.errors import SettingError
from closecast.training.settings import Settings

OTHER = {
    "context_length": 12,
    "horizon": 3,
    "states": "har,market",
    "past_columns": "mood,fear",
    "known_columns": "earnings",
    "static_columns": "sector",
    "mean": "shrunk",
    "width": "fitted",
    "hidden_size": 9,
    "num_layers": 1,
    "dropout": 0.2,
    "batch_norm": False,
    "head": "point",
    "loss": "mse",
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "schedule": "cosine",
    "warmup": 0.1,
    "weight_decay": 0.01,
    "momentum": 0.9,
    "clip_norm": 1.5,
    "batch_size": 64,
    "epochs": 3,
    "early_stopping": False,
    "patience": 2,
    "seed": 7,
    "seeds": 3,
    "calibrate": "conformal",
    "blend": "ewma_t",
    "precision": "bfloat16",
    "engine": "torch",
    "device": "cuda:1",
    "validation_start": "2012-01-03",
    "test_start": "2013-01-02",
    "calendar": "XNYS",
}


def test_every_setting_reaches_its_part():
    """Window, network and optimiser take their values from the flat settings."""
    settings = Settings.of(OTHER)
    parts = (settings.window_spec, settings.network, settings.optimizer_config)

    elsewhere = {"engine", "device", "validation_start", "test_start", "calendar"}
    elsewhere |= {"seeds", "calibrate", "blend", "mean", "width", "states"}
    elsewhere |= {"past_columns", "known_columns", "static_columns"}
    for name in OTHER.keys() - elsewhere:
        values = [getattr(part, name) for part in parts if hasattr(part, name)]
        assert values
        assert set(values) == {OTHER[name]}


def test_a_round_trip_keeps_every_setting():
    """Plain values come back as the same settings with the same hash."""
    settings = Settings.of(OTHER)

    assert settings.to_dict() == OTHER
    assert Settings.of(settings.to_dict()) == settings
    assert Settings.of(settings.to_dict()).hash == settings.hash


def test_every_setting_is_in_the_hash():
    """Changing any setting alone changes the hash; writing 0 for 0.0 does not."""
    other, base = {**OTHER, "loss": "crps"}, {"optimizer": "sgd"}  # loss, momentum
    alone = {k: v for k, v in other.items() if k != "validation_start"}
    hashes = {Settings.of({**base, name: value}).hash for name, value in alone.items()}
    hashes.add(Settings(optimizer="sgd", validation_start="2012-01-03").hash)

    assert len(hashes) == len(OTHER)
    assert Settings().hash not in hashes
    assert Settings(dropout=0).hash == Settings(dropout=0.0).hash


@pytest.mark.usefixtures("untyped")
def test_a_number_of_numpy_is_a_number():
    """A grid made with numpy gives the same settings as plain numbers."""
    grid = {"seed": np.int64(3), "learning_rate": np.float64(0.5)}

    assert Settings.of(grid) == Settings(seed=3, learning_rate=0.5)
    assert Settings.of(grid).hash == Settings(seed=3, learning_rate=0.5).hash


def test_settings_never_change():
    """A change makes other settings and leaves the first as they were."""
    settings = Settings()
    other = replace(settings, hidden_size=3)

    assert (settings.hidden_size, other.hidden_size) == (50, 3)
    with pytest.raises(FrozenInstanceError, match="epochs"):
        settings.epochs = 1


@pytest.mark.parametrize(
    ("key", "near"),
    [("hiden_size", "hidden_size"), ("lr_rate", "learning_rate"), ("epoch", "epochs")],
)
def test_an_unknown_key_names_the_nearest(key, near):
    """A misspelled setting is never ignored."""
    with pytest.raises(SettingError, match=f"got '{key}'. Did you mean '{near}'"):
        Settings.of({key: 1})


def test_a_date_of_a_file_is_a_date():
    """A TOML date and its text are the same setting."""
    assert Settings.of({"test_start": date(2013, 1, 2)}).test_start == "2013-01-02"


@pytest.fixture
def untyped():
    """Let a value of a wrong type through, as it comes from a user's file."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"context_length": 0}, "context_length to be a whole number"),
        ({"horizon": "5"}, "horizon to be a whole number .* got '5'"),
        ({"engine": "abacus"}, "engine to be one of auto, native, torch"),
        ({"device": "tpu"}, "device to be cpu, cuda"),
        ({"batch_size": 1}, "batch_size to be at least 2 with batch_norm"),
        ({"calendar": ""}, "calendar to be auto or a name"),
        ({"test_start": "1/2/2013"}, "test_start to be a date YYYY-MM-DD"),
        ({"test_start": 2013}, "test_start to be a date YYYY-MM-DD, got 2013"),
        (
            {"validation_start": "2013-01-02", "test_start": "2013-01-02"},
            "validation_start to be before test_start",
        ),
        ({"learning_rate": -1}, "learning_rate to be a number in"),
        ({"dropout": True}, "dropout to be a number"),
    ],
)
def test_a_bad_value_is_refused(values, message):
    """Each range is checked when settings are made."""
    with pytest.raises(SettingError, match=message):
        Settings.of(values)


def test_own_columns_are_read_from_lists_and_text():
    """A list of names and names with commas are one setting."""
    listed = Settings(past_columns=["mood", "fear"], static_columns=("sector",))

    assert listed == Settings(past_columns="mood, fear", static_columns="sector")
    assert listed.own_columns.past == ("mood", "fear")
    assert listed.network.state_size == 2 * 2 + 8
    assert Settings(known_columns="earnings", horizon=3).network.state_size == 3


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        ({"past_columns": 3}, "Expected past_columns to be none or names"),
        ({"past_columns": "mood,,fear"}, "Expected past_columns to be none or names"),
        ({"past_columns": "mood", "known_columns": "mood"}, "got mood twice"),
    ],
)
def test_own_columns_that_are_none_are_refused(columns, match):
    """A name is a name, and one column is of one kind."""
    with pytest.raises(SettingError, match=match):
        Settings(**columns)
