"""The command line as a person types it: words, files and exit codes."""

import json
import subprocess
import sys

import numpy as np
import pytest

from closecast.market.readers import to_frame
from closecast.testing import random_walk

QUICK = ["--hidden-size", "6", "--num-layers", "1", "--epochs", "2"]


def closecast(*arguments, cwd):
    """Run a command in a process of its own."""
    command = [sys.executable, "-m", "closecast", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with prices and a trained model."""
    folder = tmp_path_factory.mktemp("cli")
    to_frame(random_walk(2, 260), "pandas").to_csv(folder / "prices.csv", index=False)
    trained = closecast("train", "prices.csv", "--out", "model", *QUICK, cwd=folder)
    assert trained.returncode == 0, trained.stderr
    assert "Leak tests passed: 6. With nothing to check: 2." in trained.stdout
    return folder


def test_forecasts_are_the_same_bytes_twice(folder):
    """Training with one seed twice writes one forecast.csv."""
    again = closecast("train", "prices.csv", "--out", "again", *QUICK, cwd=folder)
    assert again.returncode == 0, again.stderr
    for model, out in (("model", "one.csv"), ("again", "two.csv")):
        done = closecast("forecast", model, "prices.csv", "--out", out, cwd=folder)
        assert done.returncode == 0, done.stderr

    assert (folder / "one.csv").read_bytes() == (folder / "two.csv").read_bytes()
    assert (folder / "one.csv").read_text().startswith("symbol,cutoff,step,date,")


def test_a_run_is_evaluated_and_drawn(folder):
    """Evaluate writes a run folder; report draws its page again, the same."""
    done = closecast("evaluate", "model", "prices.csv", "--out", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "evidence of skill in the mean" in done.stdout
    page = (folder / "run" / "report.html").read_bytes()
    (folder / "run" / "report.html").unlink()
    assert closecast("report", "run", cwd=folder).returncode == 0

    assert (folder / "run" / "report.html").read_bytes() == page
    board = json.loads((folder / "run" / "scoreboard.json").read_text())
    assert board["data"]["source"] == "prices.csv"


def test_json_is_json(folder):
    """A program reads the same figures."""
    done = closecast("forecast", "model", "prices.csv", "--json", cwd=folder)
    rows = json.loads(done.stdout)

    assert len(rows) == 10
    assert set(rows[0]) >= {"symbol", "cutoff", "step", "date", "median", "q95"}


def test_bands_of_the_path_are_printed_and_written(folder):
    """One flag adds them to the table, the JSON and the file."""
    asked = ("forecast", "model", "prices.csv", "--path-bands")
    assert "80 % band of the path" in closecast(*asked, cwd=folder).stdout
    rows = json.loads(closecast(*asked, "--json", cwd=folder).stdout)
    assert all(row["path_lo_95"] < row["q05"] < row["path_hi_95"] for row in rows)
    assert closecast(*asked, "--out", "b.csv", cwd=folder).returncode == 0
    assert (folder / "b.csv").read_text().splitlines()[0].endswith("path_hi_95")


BAD = {
    "empty": lambda frame: frame.iloc[:0],
    "missing column": lambda frame: frame.drop(columns="close"),
    "text in a price": lambda frame: frame.astype({"close": object}).assign(
        close=lambda f: f["close"].where(f.index != 7, "abc")
    ),
    "NaN": lambda frame: frame.assign(
        close=lambda f: f["close"].where(f.index != 7, np.nan)
    ),
    "negative price": lambda frame: frame.assign(
        low=lambda f: f["low"].where(f.index != 7, -1.0)
    ),
    "duplicate date": lambda frame: frame.assign(
        date=lambda f: f["date"].where(f.index != 7, f["date"].iloc[6])
    ),
    "twelve bars": lambda frame: frame.iloc[:12],
}


@pytest.mark.parametrize("fault", BAD)
def test_bad_input_is_one_sentence_and_writes_nothing(tmp_path, fault):
    """Exit code 1, no traceback, no file."""
    frame = to_frame(random_walk(1, 260), "pandas")
    BAD[fault](frame).to_csv(tmp_path / "bad.csv", index=False)
    done = closecast("train", "bad.csv", "--out", "out", *QUICK, cwd=tmp_path)

    assert done.returncode == 1, done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line]
    assert len(lines) == 1
    assert lines[0].startswith("closecast: Expected")
    if fault in {"text in a price", "NaN", "negative price", "duplicate date"}:
        assert "bad.csv" in lines[0]
        assert "2010-01-1" in lines[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.csv"]


def test_unsorted_rows_are_sorted_and_it_says_so(folder, tmp_path):
    """The order of rows changes no forecast, and the reader tells."""
    frame = to_frame(random_walk(2, 260), "pandas")
    frame.sample(frac=1, random_state=0).to_csv(tmp_path / "prices.csv", index=False)
    done = closecast(
        "forecast", folder / "model", "prices.csv", "--out", "f.csv", cwd=tmp_path
    )
    straight = closecast(
        "forecast", "model", "prices.csv", "--out", "straight.csv", cwd=folder
    )

    assert straight.returncode == done.returncode == 0
    assert "sorted" in done.stderr
    assert (tmp_path / "f.csv").read_bytes() == (folder / "straight.csv").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["forecast", "nowhere", "prices.csv"], 1),
        (["forecast", "model", "nowhere.csv"], 1),
        (["report", "nowhere"], 1),
        (["train", "prices.csv"], 2),
        (["train", "prices.csv", "--out", "x", "--no-such-setting", "1"], 2),
        (["train", "prices.csv", "--out", "x", "--dropout", "2"], 1),
    ],
)
def test_mistakes_have_their_exit_code(folder, arguments, code):
    """1 for bad input, 2 for a wrong call, never a traceback."""
    done = closecast(*arguments, cwd=folder)

    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()
