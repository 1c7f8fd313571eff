"""A space is read from TOML and says what it holds."""

import pytest

from closecast.errors import SettingError
from closecast.experiments.space import Range, Space, read_space

TEXT = """
epochs = 3
seeds = 2

[space]
learning_rate = {low = 0.001, high = 0.1, log = true}
context_length = {low = 5, high = 20}
batch_norm = [true, false]
"""


def test_a_file_says_settings_seeds_and_space(tmp_path):
    """Whole settings become whole ranges, and the longest context is known."""
    path = tmp_path / "space.toml"
    path.write_text(TEXT)
    asked = read_space(path)
    space = Space.of(asked.axes, asked.seeds, asked.settings, folds=asked.folds)

    assert asked.seeds == 2
    assert asked.folds == 1
    assert space.base.epochs == 3
    assert space.axes["learning_rate"] == Range(low=0.001, high=0.1, log=True)
    assert space.axes["context_length"] == Range(low=5, high=20, whole=True)
    assert space.axes["batch_norm"] == (True, False)
    assert space.longest_context == 20
    config = space.to_config()
    assert config["space"]["batch_norm"] == [True, False]
    assert config["space"]["learning_rate"]["log"] is True
    assert "learning_rate" not in config
    assert config["epochs"] == 3


@pytest.mark.parametrize("text", ["epochs = ", "epochs = 3", "space = 3"])
def test_no_space_is_refused(tmp_path, text):
    """A file that is no TOML, or has no table [space], is named."""
    path = tmp_path / "space.toml"
    path.write_text(text)

    with pytest.raises(SettingError, match=r"Expected a .*space.*space\.toml"):
        read_space(path)
