"""A run folder belongs to one run, and says what differs."""

import tomllib

import pytest

from closecast.errors import ModelError
from closecast.experiments.run import CONFIG, open_run

CONFIGURATION = {
    "hash": "one",
    "epochs": 3,
    "learning_rate": 1e-05,
    "batch_norm": True,
    "device": 'cuda:1 "quoted" \\',
    "grid": {"dropout": [0.0, 0.25], "optimizer": ["adam", "sgd"]},
    "versions": {"torch": "2.13.0"},
}
PRICES = {"fingerprint": "abc", "source": "a.csv", "bars": 10}


def test_a_run_goes_on_in_its_own_folder(tmp_path):
    """The configuration is TOML that reads back as it was; half-written files go."""
    with open_run(tmp_path / "run", CONFIGURATION, PRICES):
        (tmp_path / "run" / ".sweep.json.1.tmp").write_text("cut o")
    assert tomllib.loads((tmp_path / "run" / CONFIG).read_text()) == CONFIGURATION

    with open_run(tmp_path / "run", CONFIGURATION, {**PRICES, "source": "b.csv"}):
        names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"config.toml", "data.json"}


def test_another_run_is_refused_with_the_difference(tmp_path):
    """Settings, prices and versions are named, as they are and as they were asked."""
    folder = tmp_path / "run"
    with open_run(folder, CONFIGURATION, PRICES):
        pass

    other = {**CONFIGURATION, "epochs": 4}
    with (
        pytest.raises(ModelError, match="epochs: 3 there, 4 asked for"),
        open_run(folder, other, PRICES),
    ):
        pass
    other = {**CONFIGURATION, "versions": {"torch": "3"}}
    with (
        pytest.raises(ModelError, match=r"versions\.torch: 2\.13\.0 there, 3 asked"),
        open_run(folder, other, PRICES),
    ):
        pass
    prices = {**PRICES, "fingerprint": "xyz", "bars": 11}
    with (
        pytest.raises(ModelError, match="fingerprint: abc there, xyz asked for; bars"),
        open_run(folder, CONFIGURATION, prices),
    ):
        pass


def test_a_folder_with_other_files_is_refused(tmp_path):
    """Nobody's letters are mixed with a run."""
    (tmp_path / "letter.txt").write_text("dear")

    with (
        pytest.raises(ModelError, match="new folder or the run that is asked for"),
        open_run(tmp_path, CONFIGURATION, PRICES),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_two_processes_do_not_share_a_run(tmp_path):
    """The second one is told to wait."""
    with (
        open_run(tmp_path, CONFIGURATION, PRICES),
        pytest.raises(ModelError, match="no other process works on"),
        open_run(tmp_path, CONFIGURATION, PRICES),
    ):
        pass
