"""A run is made again from its forecasts, and what was touched is found."""

import hashlib
import json
import shutil
import sys

import numpy as np
import pytest

from closecast.cli import main
from closecast.errors import IntegrityError
from closecast.experiments.evidence import EVIDENCE, Evidence, read_evidence
from closecast.experiments.evidence import write_evidence as write
from closecast.experiments.forecaster import Forecaster
from closecast.experiments.run import write_run
from closecast.experiments.verify import SUMS, require_intact, verify, write_sums
from closecast.testing import random_walk


@pytest.fixture(scope="module")
def bars():
    """Two random walks."""
    return random_walk(2, 300)


@pytest.fixture(scope="module")
def written(bars, tmp_path_factory):
    """A run of a small model, and what its scoreboard is made of."""
    folder = tmp_path_factory.mktemp("verify") / "run"
    model = Forecaster(hidden_size=4, num_layers=1, epochs=1, batch_size=64).fit(bars)
    evaluation = model.evaluate(bars)
    write_run(folder, model, evaluation, "walk")
    return folder, evaluation


@pytest.fixture
def run(written, tmp_path):
    """A copy of the run that may be touched."""
    return shutil.copytree(written[0], tmp_path / "run")


def failed(checks):
    """Names of the checks that failed."""
    return [check.name for check in checks if not check.passed]


def test_a_run_as_it_was_written_passes(run, bars):
    """Files, model, figures, data and truth."""
    checks = verify(run, bars)

    assert [check.name for check in checks] == [
        "files",
        "model",
        "figures",
        "data",
        "truth",
    ]
    assert failed(checks) == []
    require_intact(checks)


def test_evidence_comes_back_as_it_was_scored(written, tmp_path):
    """To the bit: windows, truth, scale and every model's distribution."""
    _, evaluation = written
    write(tmp_path, evaluation.evidence)
    again = read_evidence(tmp_path)

    assert list(again.forecasts) == list(evaluation.evidence.forecasts)
    np.testing.assert_array_equal(again.truth, evaluation.evidence.truth)
    np.testing.assert_array_equal(again.scale, evaluation.evidence.scale)
    for name, forecast in evaluation.evidence.forecasts.items():
        for field in ("symbols", "cutoffs", "target_dates", "mean", "quantiles"):
            np.testing.assert_array_equal(
                getattr(again.forecasts[name], field), getattr(forecast, field)
            )


def test_one_better_figure_is_found(run):
    """Also where its file's sum was made to fit."""
    path = run / "scoreboard.json"
    board = json.loads(path.read_text())
    board["rows"][0]["crps"] *= 0.99
    path.write_text(json.dumps(board))
    write_sums(run)
    checks = verify(run)

    assert failed(checks) == ["figures"]
    with pytest.raises(IntegrityError, match=r"rows\[0\].crps"):
        require_intact(checks)


def test_a_verdict_that_claims_more_is_found(run):
    """Figures are left alone, the words are not."""
    path = run / "scoreboard.json"
    board = json.loads(path.read_text())
    board["verdict"] = "Evidence of skill in the mean; evidence of skill in the density"
    path.write_text(json.dumps(board))
    write_sums(run)

    (figures,) = [check for check in verify(run) if not check.passed]
    assert "verdict: mean has no evidence of skill" in figures.detail


def test_better_forecasts_do_not_give_the_truth(run, written, bars):
    """Forecasts that were exchanged with their scoreboard's truth are found."""
    evidence = written[1].evidence
    kind = Evidence(
        forecasts=evidence.forecasts, truth=evidence.truth * 0.5, scale=evidence.scale
    )
    write(run, kind)
    write_sums(run)

    assert failed(verify(run, bars)) == ["figures", "truth"]


@pytest.mark.parametrize("name", ["forecast.csv", "model/metrics.jsonl"])
def test_a_touched_file_is_found(run, name):
    """By its sum, and the model by its own."""
    with (run / name).open("a") as file:
        file.write("\n")

    assert "files" in failed(verify(run))


def test_a_new_and_a_missing_file_are_found(run):
    """Nothing may come or go, but the report."""
    (run / "report.html").write_text("drawn again")
    assert failed(verify(run)) == []

    (run / "closes.csv").rename(run / "closes.txt")
    files = next(check for check in verify(run) if not check.passed)
    assert "closes.csv" in files.detail
    assert "closes.txt" in files.detail


def test_other_prices_are_found(run):
    """The fingerprint is that of the data it was made from."""
    assert "data" in failed(verify(run, random_walk(2, 300, seed=9)))


def test_the_sums_are_those_of_sha256sum(run):
    """Any other tool can check them."""
    digest, name = (run / SUMS).read_text().splitlines()[0].split("  ")

    assert hashlib.sha256((run / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("missing", ["scoreboard.json", EVIDENCE])
def test_a_folder_without_its_story_is_refused(run, missing):
    """What is missing is named."""
    (run / missing).unlink()

    with pytest.raises(IntegrityError, match=missing):
        verify(run)


def test_damaged_evidence_is_refused(run):
    """A file cut short is said to be."""
    path = run / EVIDENCE
    path.write_bytes(path.read_bytes()[:1000])

    with pytest.raises(IntegrityError, match="none that can be read"):
        verify(run)


def test_the_command_line_says_so(run, monkeypatch, capsys):
    """Exit code 0 as written, 3 as touched."""
    monkeypatch.setattr(sys, "argv", ["closecast", "verify", str(run), "--json"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert not stopped.value.code
    assert all(check["passed"] for check in json.loads(capsys.readouterr().out))

    (run / SUMS).unlink()
    monkeypatch.setattr(sys, "argv", ["closecast", "verify", str(run)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 3
    assert "DIFFERS  files" in capsys.readouterr().out
