"""``closecast daily`` and ``closecast ledger`` on the sample, as typed by a person."""

import json

import pytest
from typer.testing import CliRunner

from closecast.cli import app, main
from closecast.experiments.forecaster import Forecaster
from closecast.market.sample import sample_bars

LINES = 'prices = "sample"\nhome = "home"\n'


def run(*arguments):
    """Type a command."""
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """A job that ran once on the sample."""
    folder = tmp_path_factory.mktemp("job")
    bars = sample_bars()
    known = bars.select(bars.dates >= bars.dates.max() - 300)
    settings = {"hidden_size": 4, "num_layers": 1, "epochs": 1, "batch_norm": False}
    Forecaster(**settings).fit(known).save(folder / "model")
    (folder / "daily.toml").write_text('model = "model"\n' + LINES)
    assert run("daily", folder / "daily.toml").exit_code == 0
    return folder


def test_an_example_is_written_and_never_over_a_file(tmp_path, monkeypatch, capsys):
    """What is there already may be somebody's settings."""
    path = tmp_path / "daily.toml"
    assert run("daily", path, "--init").exit_code == 0
    assert "[pull]" in path.read_text()

    monkeypatch.setattr("sys.argv", ["closecast", "daily", str(path), "--init"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "Expected a file that is not there yet" in capsys.readouterr().err


def test_a_second_run_says_that_nothing_is_new(job):
    """In words and as JSON."""
    words = run("daily", job / "daily.toml")
    plain = json.loads(run("daily", job / "daily.toml", "--json").stdout)

    assert "Recorded: 0 forecasts (no new session)" in words.stdout
    assert (plain["recorded"], plain["matured"]["waiting"]) == ([], 75)
    assert plain["summary"]["number"] == 15


def test_a_rehearsal_of_recorded_days_is_empty(job):
    """It knows the ledger."""
    result = run("daily", job / "daily.toml", "--dry-run")

    assert "0 forecasts would be recorded; nothing was written." in result.stdout


def test_prices_of_long_ago_are_late(job):
    """Today's clock, yesterday's sample: nothing of it is live."""
    plain = json.loads(
        run("ledger", "show", job / "home/ledger.sqlite", "--json").stdout
    )

    assert {(one["forecasts"], one["late"]) for one in plain["symbols"]} == {(1, 1)}
    assert plain["record"] == []
    assert {one["state"] for one in plain["monitors"]} == {"fine"}


def test_a_symbol_is_shown(job):
    """With interval and state; an unknown one gets the nearest name."""
    place = job / "home/ledger.sqlite"
    words = run("ledger", "show", place, "IBM")
    plain = json.loads(run("ledger", "show", place, "IBM", "--json").stdout)
    wrong = run("ledger", "show", place, "IBN")

    assert "2013-03-01  late  2013-03-08" in words.stdout
    assert len(plain[0]["steps"]) == 5
    assert "Did you mean IBM?" in str(wrong.exception)


def test_a_whole_ledger_is_verified(job):
    """Exit code 0, rows and head."""
    result = run("ledger", "verify", job / "home/ledger.sqlite")
    plain = run("ledger", "verify", job / "home/ledger.sqlite", "--json")

    assert result.exit_code == 0
    assert result.stdout.startswith("Whole: 15 rows, head ")
    assert json.loads(plain.stdout)["wrong"] == []


def test_receipts_of_another_ledger_are_an_alarm(job, tmp_path):
    """Exit code 3 and a sentence."""
    receipt = {"ledger": "0" * 32, "number": 15, "hash": "0" * 64}
    other = tmp_path / "receipts"
    other.write_text(json.dumps(receipt) + "\n")

    place = job / "home/ledger.sqlite"
    result = run("ledger", "verify", place, "--receipts", other)

    assert result.exit_code == 3
    assert "A receipt is of another ledger" in result.stdout
    missing = run("ledger", "verify", place, "--receipts", tmp_path / "none")
    assert "Expected a file of receipts, got none" in str(missing.exception)


def test_a_ledger_is_scored_alone(job):
    """Nothing came after the sample's end."""
    result = run("ledger", "score", job / "home/ledger.sqlite", "sample")

    assert result.stdout.startswith("Scored: 0 steps, 0 corrected, 0 held back, 75")


@pytest.mark.parametrize("name", ["all.csv", "all.parquet"])
def test_a_ledger_is_exported(job, tmp_path, name):
    """A row for each model, symbol and step."""
    import pandas as pd

    out = tmp_path / name
    result = run("ledger", "export", job / "home/ledger.sqlite", out)
    table = pd.read_csv(out) if name.endswith("csv") else pd.read_parquet(out)

    assert "Written: 75 rows" in result.stdout
    assert set(table["model"]) == {"closecast", "ewma_t", "zero"}
    assert table["late"].all()
    assert table["crps"].isna().all()
    assert (table["q10"] < table["q90"]).all()
    wrong = run("ledger", "export", job / "home/ledger.sqlite", tmp_path / "x.txt")
    assert "ends in .parquet or .csv" in str(wrong.exception)


def test_a_ledger_that_is_not_there_is_told(tmp_path):
    """And not made."""
    result = run("ledger", "verify", tmp_path / "none.sqlite")

    assert "Expected a ledger, got no such file" in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_a_watch_cleanly(job, monkeypatch):
    """Exit code 0 and a word."""
    from closecast.serving.daily import watching

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(watching, "watch", interrupted)
    monkeypatch.setattr("signal.signal", lambda *_: None)

    result = run("daily", job / "daily.toml", "--watch")

    assert result.exit_code == 0
    assert "Stopped. What was recorded stays" in result.stderr
