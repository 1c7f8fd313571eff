"""``closecast data pack``, and training on what it wrote."""

import json

import pytest

from closecast.cli import BAD_INPUT, main
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
def test_other_commands_say_that_only_train_maps_a_panel(run, tmp_path, command):
    """A folder of tables is no folder of price files, and the message says which."""
    write_panel(tmp_path / "p", [random_walk(2, 200)])

    code, told = run(command, tmp_path / "p")

    assert code == BAD_INPUT
    assert "got a panel on disk" in told.err
    assert "only train maps a panel" in told.err
