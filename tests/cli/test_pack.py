"""``closecast data pack``, and training on what it wrote."""

import json

import pytest

from closecast.cli import BAD_INPUT, main
from closecast.experiments.on_disk import fit_on_disk
from closecast.market.readers import to_frame
from closecast.testing import random_walk
from closecast.windows.on_disk import write_panel


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command line and give its exit code and what it said."""

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["closecast", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code or 0, capsys.readouterr()

    return run


def test_a_folder_of_files_is_packed_and_trained(run, tmp_path):
    """Files become a panel, the panel a model that forecasts."""
    (tmp_path / "prices").mkdir()
    frame = to_frame(random_walk(2, 200))
    for symbol, rows in frame.groupby("symbol"):
        rows.to_csv(tmp_path / "prices" / f"{symbol}.csv", index=False)
    frame.to_csv(tmp_path / "both.csv", index=False)

    code, told = run(
        "data", "pack", tmp_path / "prices", "--out", tmp_path / "p", "--json"
    )
    assert code == 0
    assert json.loads(told.out) == {
        "panel": str(tmp_path / "p"),
        "symbols": 2,
        "bars": 400,
    }
    code, told = run(
        *("train", tmp_path / "p", "--out", tmp_path / "model"),
        *("--hidden-size", 4, "--epochs", 1, "--batch-size", 64),
    )
    assert code == 0
    assert "Leak tests passed: 6. With nothing to check: 2." in told.out
    code, told = run("forecast", tmp_path / "model", tmp_path / "both.csv")
    assert code == 0
    assert "W01" in told.out


def test_a_symbol_in_two_files_is_one_sentence(run, tmp_path):
    """The panel is refused, and the symbol named."""
    frame = to_frame(random_walk(1, 60))
    for name, rows in (("a.csv", frame[:30]), ("b.csv", frame[30:])):
        rows.to_csv(tmp_path / name, index=False)

    code, told = run("data", "pack", tmp_path, "--out", tmp_path / "p")
    assert code == BAD_INPUT
    assert "Expected each symbol once, got W00 again" in told.err


@pytest.mark.filterwarnings("default")
def test_files_that_cannot_be_used_are_passed_over(run, tmp_path):
    """A broken file, and one that repeats another, are named; the rest is packed."""
    frame = to_frame(random_walk(1, 60))
    for name in ("a.csv", "b.csv"):
        frame.to_csv(tmp_path / name, index=False)
    (tmp_path / "c.csv").write_text("hello\n")

    code, told = run("data", "pack", tmp_path, "--out", tmp_path / "p")
    assert code == 0
    assert "1 symbols, 60 bars" in told.out
    assert "Note: 2 of 3 files cannot be used: Expected one bar a date" in told.err


@pytest.mark.parametrize("command", ["backtest", "range-test"])
def test_other_commands_say_who_maps_a_panel(run, tmp_path, command):
    """A folder of tables is no folder of price files, and the message says which."""
    write_panel(tmp_path / "p", [random_walk(2, 200)])

    code, told = run(command, tmp_path / "p")

    assert code == BAD_INPUT
    assert "got a panel on disk" in told.err
    assert "train, forecast and evaluate map a panel" in told.err


@pytest.fixture(scope="module")
def shelved(tmp_path_factory):
    """A folder with a panel of three walks and a model of it."""
    home = tmp_path_factory.mktemp("shards")
    panel = write_panel(home / "panel", [random_walk(3, 260)])
    fit_on_disk(panel, hidden_size=4, epochs=1, batch_size=64).save(home / "model")
    to_frame(random_walk(3, 260)).to_csv(home / "prices.csv", index=False)
    return home


def test_a_panel_is_forecast_like_the_files_it_was_packed_from(run, shelved):
    """The same table, byte for byte."""
    for prices in ("panel", "prices.csv"):
        out = shelved / f"{prices}.out"
        code, told = run(
            *("forecast", shelved / "model", shelved / prices, "--out", out)
        )
        assert code == 0, told.err
        assert "3 symbols, 5 sessions" in told.out
    assert (shelved / "panel.out").read_bytes() == (
        shelved / "prices.csv.out"
    ).read_bytes()


def test_a_panel_is_scored(run, shelved):
    """A verdict in words, and every row as JSON."""
    code, told = run("evaluate", shelved / "model", shelved / "panel")
    assert code == 0, told.err
    assert "of skill in the mean; " in told.out
    assert "Scored: 141 windows on 47 dates." in told.out

    code, told = run("evaluate", shelved / "model", shelved / "panel", "--json")
    assert code == 0
    assert {row["model"] for row in json.loads(told.out)["rows"]} >= {
        *("closecast", "zero", "garch_t", "ridge")
    }


@pytest.mark.parametrize(
    ("prices", "flags", "words"),
    [
        ("prices.csv", ["--on", "ray"], "Expected a panel on disk to spread over work"),
        ("prices.csv", ["--address", "h:1"], "leave --on and --address out"),
        ("panel", ["--own-columns", "x.csv"], "Expected no --own-columns with a panel"),
        ("panel", ["--out", "run"], "Expected no --out for a panel on disk"),
        ("panel", ["--on", "mars"], "Expected --on to be one of ray"),
    ],
)
def test_what_a_panel_cannot_be_asked_is_refused(
    run, shelved, monkeypatch, prices, flags, words
):
    """One sentence each."""
    monkeypatch.chdir(shelved)
    code, told = run("evaluate", "model", prices, *flags)
    assert code == BAD_INPUT
    assert words in told.err
