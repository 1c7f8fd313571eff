"""`closecast backtest` as a person types it."""

import json

import pytest
from typer.testing import CliRunner

from closecast.cli.app import app
from closecast.market.readers import to_frame
from closecast.testing import random_walk

QUICK = ["--hidden-size", "4", "--num-layers", "1", "--epochs", "1"]


@pytest.fixture(scope="module")
def prices(tmp_path_factory):
    """A file of two symbols."""
    path = tmp_path_factory.mktemp("backtest") / "prices.csv"
    to_frame(random_walk(2, 260), "pandas").to_csv(path, index=False)
    return str(path)


def backtest(*arguments):
    """Run the command in this process."""
    return CliRunner().invoke(app, ["backtest", *map(str, arguments), *QUICK])


def test_a_run_folder_is_written(prices, tmp_path):
    """Verdict on the screen, all files in the folder."""
    out = tmp_path / "run"
    walk = ["--folds", 2, "--refit-every", 20, "--expanding"]
    done = backtest(prices, *walk, "--out", out)

    assert done.exit_code == 0, done.output
    assert "Walk-forward, 2 folds: no evidence of skill in the mean" in done.output
    assert "over an expanding training block" in done.output
    assert {path.name for path in out.iterdir()} >= {
        "scoreboard.json",
        "forecasts.parquet",
        "folds.json",
        "report.html",
        "model",
    }
    assert json.loads((out / "folds.json").read_text())["expanding"] is True


def test_json_is_json(prices):
    """A program reads the same figures; without --out nothing is written."""
    done = backtest(prices, "--folds", 2, "--refit-every", 20, "--no-refit", "--json")
    board = json.loads(done.stdout)

    assert board["walk_forward"]["refit"] is False
    assert len(board["walk_forward"]["by_fold"]) == 2


def test_training_tells_of_each_seed(prices, tmp_path):
    """Two networks, two learning curves."""
    train = ["train", prices, "--out", str(tmp_path / "model"), "--seeds", "2"]
    done = CliRunner().invoke(app, [*train, *QUICK])

    assert done.exit_code == 0, done.output
    assert done.output.count("Trained 1 epochs, kept epoch 1.") == 2


def test_too_short_a_file_is_an_error_and_writes_nothing(prices, tmp_path):
    """Eight quarters do not fit into a year."""
    done = backtest(prices, "--out", tmp_path / "run")

    assert done.exit_code == 1
    assert "8 folds of 63" in str(done.exception)
    assert not (tmp_path / "run").exists()
