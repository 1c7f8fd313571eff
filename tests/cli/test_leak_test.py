"""``closecast leak-test`` stops a forecaster that sees its answer."""

import json
import sys

import pytest

from closecast.cli import main
from closecast.experiments.forecaster import Forecaster
from closecast.testing import random_walk

MODULE = """
def last(frame, cutoffs):
    known = frame[frame["date"].astype(str).isin(cutoffs)].copy()
    known["cutoff"], known["step"], known["mean"] = known["date"], 1, known["close"]
    return known[["symbol", "cutoff", "step", "mean"]]

def peeks(frame, cutoffs):
    frame = frame.copy()
    frame["close"] = frame.groupby("symbol")["close"].shift(-1).fillna(1.0)
    return last(frame, cutoffs)
"""


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run the command beside a module of forecasters; give code and output."""
    name = f"mine_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def run(function, *options, place=None):
        place = place or f"{name}:{function}"
        command = ["closecast", "leak-test", place, "sample", *options]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as stopped:
            main()
        return stopped.value.code or 0, capsys.readouterr()

    return run


def test_an_honest_function_passes(run):
    """Exit code 0, and each test is said."""
    code, output = run("last")

    assert code == 0
    assert output.out.count("passed  ") == 5


def test_a_leak_is_an_alarm(run):
    """Exit code 3, and the JSON holds what was found."""
    code, output = run("peeks", "--json")

    assert code == 3
    assert json.loads(output.out)["future_perturbation"]["passed"] is False
    assert "future_perturbation" in output.err


def test_a_trained_model_is_tested_by_its_folder(run, tmp_path):
    """What was stamped at training can be asked again, on any prices."""
    bars = random_walk(2, 300)
    Forecaster(hidden_size=4, num_layers=1, epochs=1).fit(bars).save(tmp_path / "model")

    code, output = run(None, "--json", place=str(tmp_path / "model"))

    stamps = json.loads(output.out)
    assert code == 0
    assert stamps["future_perturbation"]["passed"] is True
    assert stamps["truncation"]["passed"] is True


def test_a_folder_without_a_model_is_bad_input(run, tmp_path):
    """Exit code 1, and what is missing is said."""
    code, output = run(None, place=str(tmp_path))

    assert code == 1
    assert "model" in output.err


def test_a_module_that_is_none_is_bad_input(run):
    """Exit code 1."""
    assert run("nothing")[0] == 1
