"""A grid lists every combination, and refuses what cannot be compared."""

import pytest

from closecast.errors import SettingError
from closecast.experiments.grid import SEEDS, Grid, read_grid


def test_every_combination_has_every_seed():
    """Two rates by three depths by two seeds are twelve members, each named apart."""
    axes = {"learning_rate": [0.1, 0.01], "num_layers": [1, 2, 3]}

    grid = Grid.of(axes, 2, {"seed": 7, "hidden_size": 6})
    members = grid.members()

    assert grid.size == len(members) == len({one.name for one in members}) == 12
    assert members[0].name == "learning_rate=0.1,num_layers=1,seed=7"
    assert {one.settings.seed for one in members} == {7, 8}
    assert {one.settings.hidden_size for one in members} == {6}
    assert all(
        getattr(one.settings, name) == value
        for one in members
        for name, value in one.values.items()
    )


@pytest.mark.parametrize(
    ("axes", "settings", "message"),
    [
        ({"learning_rat": [0.1]}, {}, "Did you mean 'learning_rate'"),
        ({"dropout": [0.1]}, {"hiden_size": 3}, "Did you mean 'hidden_size'"),
        ({}, {}, "at least one setting, got none"),
        ({"dropout": []}, {}, "at least one member, got no value of dropout"),
        ({"dropout": 0.1}, {}, "list of values for dropout"),
        ({"dropout": [0, 0.0]}, {}, "different values of dropout"),
        ({"dropout": [2.0]}, {}, "dropout to be a number"),
        ({"head": ["point"]}, {}, "not of one unit"),
        ({"seed": [1, 2]}, {}, "their number is seeds"),
        ({"dropout": [0.1]}, {"dropout": 0.2}, "one value or varied, got both"),
    ],
)
def test_a_grid_that_makes_no_sense_is_refused(axes, settings, message):
    """Each mistake has its own sentence."""
    with pytest.raises(SettingError, match=message):
        Grid.of(axes, 1, settings)


def test_a_very_large_grid_asks_first():
    """A million members are not listed before somebody says yes."""
    axes = {"hidden_size": range(1, 1001), "batch_size": range(2, 1002)}

    with pytest.raises(SettingError, match=r"at most 10,000 members, got 1,000,000"):
        Grid.of(axes, 1, {})
    assert Grid.of(axes, 1, {}, yes=True).size == 1_000_000


def test_a_long_name_becomes_a_hash_that_a_folder_can_have():
    """Names stay apart and short, however many settings are varied."""
    axes = {
        name: [value]
        for name, value in {
            "context_length": 10, "hidden_size": 50, "num_layers": 2, "dropout": 0.1,
            "batch_norm": True, "optimizer": "adam", "learning_rate": 0.001,
            "weight_decay": 0.0, "batch_size": 128, "epochs": 20, "patience": 5,
            "early_stopping": True,
        }.items()
    }  # fmt: skip

    names = [one.name for one in Grid.of(axes, 2, {}).members()]

    assert len(set(names)) == 2
    assert max(map(len, names)) < 40


def test_a_grid_is_read_from_a_file(tmp_path):
    """Settings at the top, lists in the table; seeds have a default."""
    path = tmp_path / "grid.toml"
    path.write_text("epochs = 3\n[grid]\ndropout = [0.0, 0.2]\n")
    assert read_grid(path) == ({"dropout": [0.0, 0.2]}, SEEDS, 1, {"epochs": 3})

    path.write_text("seeds = 2\nfolds = 3\n[grid]\ndropout = [0.0]\n")
    assert read_grid(path)[1:3] == (2, 3)


@pytest.mark.parametrize("name", ["out", "index", "workers", "yes", "epoch"])
def test_what_is_no_setting_is_told(tmp_path, name):
    """Also where a function has an argument of that name."""
    path = tmp_path / "grid.toml"
    path.write_text(f"{name} = 3\n[grid]\ndropout = [0.0, 0.2]\n")
    with pytest.raises(SettingError, match=f"Expected a known setting, got '{name}'"):
        read_grid(path)


@pytest.mark.parametrize("text", ["epochs = 3\n", "[grid\n", "grid = 3\n"])
def test_a_file_without_a_grid_is_refused(tmp_path, text):
    """The message names the file."""
    path = tmp_path / "grid.toml"
    path.write_text(text)

    with pytest.raises(SettingError, match=r"table \[grid\].*grid\.toml"):
        read_grid(path)


def test_folds_multiply_the_members():
    """They are counted and asked about like seeds; one fold is left out of the file."""
    grid = Grid.of({"num_layers": [1, 2]}, 3, {}, folds=4)

    assert grid.size == 24
    assert grid.to_config()["folds"] == 4
    assert "folds" not in Grid.of({"num_layers": [1, 2]}, 3, {}).to_config()
    with pytest.raises(SettingError, match="folds"):
        Grid.of({"num_layers": [1]}, 1, {}, folds=0)
