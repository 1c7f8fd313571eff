"""The pictures of a sweep as files: all of them, titled, in both languages."""

import re

import numpy as np
import pytest
from matplotlib.image import imread

import closecast as cc
from closecast.errors import SettingError
from closecast.lab.fonts import families
from closecast.reports.pictures import write_sweep_pictures
from closecast.testing import random_walk

QUICK = {"hidden_size": 4, "epochs": 2, "batch_size": 32}
GRID = {"learning_rate": [0.001, 0.01], "num_layers": [1, 2]}
OF_A_GRID = ["errors", "heat-map", "learning-curves", "parallel-coordinates"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A sweep of two settings."""
    folder = tmp_path_factory.mktemp("pictures")
    cc.sweep(random_walk(1, 260), GRID, seeds=2, out=folder / "run",
             index=folder / "i", **QUICK)  # fmt: skip
    return folder / "run"


def words(path):
    """List the texts of an SVG."""
    return re.findall(r"<text[^>]*>([^<]+)</text>", path.read_text())


def test_a_grid_has_four_pictures_each_in_two_formats(run, tmp_path):
    """Files are named by what they show, and something is drawn on each."""
    paths = write_sweep_pictures(run, tmp_path / "new" / "folder")

    names = [f"{name}.{kind}" for name in OF_A_GRID for kind in ("png", "svg")]
    assert [path.name for path in paths] == names
    assert all(np.ptp(imread(path)[..., :3]) > 0.5 for path in paths[::2])


def test_a_picture_says_what_its_colours_mean(run, tmp_path):
    """Title and legend stand in the file, since no page stands around it."""
    write_sweep_pictures(run, tmp_path)

    assert {"Errors by setting", "training", "validation", "test, winner only"} <= set(
        words(tmp_path / "errors.svg")
    )
    assert "overfits from here" in words(tmp_path / "learning-curves.svg")
    assert "the winner" in words(tmp_path / "heat-map.svg")


def test_korean_pictures_have_korean_words(run, tmp_path):
    """Hangul is drawn with a font that has it: a missing glyph would warn."""
    write_sweep_pictures(run, tmp_path, language="ko", families=families())

    assert {"설정별 오차", "학습", "검증"} <= set(words(tmp_path / "errors.svg"))


def test_the_same_run_gives_the_same_bytes(run, tmp_path):
    """A picture has no date in it."""
    first, second = (write_sweep_pictures(run, tmp_path / name) for name in "ab")

    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_a_search_shows_its_proposals(tmp_path):
    """A search has no grid: one picture of its proposals, one of all settings."""
    space = {"learning_rate": {"low": 0.001, "high": 0.1}, "optimizer": ["adam", "sgd"]}
    cc.search(random_walk(1, 260), space, trials=3, out=tmp_path / "run",
              index=tmp_path / "i", **QUICK)  # fmt: skip
    paths = write_sweep_pictures(tmp_path / "run", tmp_path / "pictures")

    assert [path.stem for path in paths[::2]] == ["proposals", "parallel-coordinates"]


def test_a_folder_that_is_a_file_is_refused(run, tmp_path):
    """What cannot be written is said, with the folder."""
    (tmp_path / "taken").write_text("")

    with pytest.raises(SettingError, match=r"Expected a folder .*taken"):
        write_sweep_pictures(run, tmp_path / "taken")
