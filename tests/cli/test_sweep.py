"""Sweeps on the command line: words, files, exit codes."""

import io
import json
import shutil
import subprocess
import sys
import tomllib

import pytest
from rich.console import Console

from closecast.cli.experiment import live_table
from closecast.engine.fleet import Progress
from closecast.experiments.members import MemberResult, SweepProgress
from closecast.market.readers import to_frame
from closecast.testing import random_walk

GRID = "seeds = 1\nhidden_size = 4\nepochs = 2\n[grid]\ndropout = [0.0, 0.3]\n"


def closecast(*arguments, cwd):
    """Run a command in a process of its own."""
    command = [sys.executable, "-m", "closecast", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with prices and a sweep that is done."""
    folder = tmp_path_factory.mktemp("cli-sweep")
    to_frame(random_walk(2, 260), "pandas").to_csv(folder / "prices.csv", index=False)
    (folder / "grid.toml").write_text(GRID)
    swept = sweep(folder)
    assert swept.returncode == 0, swept.stderr
    assert swept.stderr == ""  # no live table in a pipe
    assert "Winner: dropout=0.0,seed=0 (of 2, 0 retired)" in swept.stdout or (
        "Winner: dropout=0.3,seed=0 (of 2, 0 retired)" in swept.stdout
    )
    return folder


def sweep(folder, *more, out="run"):
    """Run the sweep of a folder."""
    index = folder / "i.sqlite"
    arguments = ("grid.toml", "prices.csv", "--out", out, "--index", index, *more)
    return closecast("sweep", *arguments, cwd=folder)


def test_the_same_command_again_gives_the_same_answer(folder):
    """As JSON, from the run that is there."""
    done = sweep(folder, "--json")

    answer = json.loads(done.stdout)
    assert answer["members"] == answer["trials"] == 2
    assert answer["diverged"] == {}
    assert "evidence of skill in the mean" in answer["verdict"]


@pytest.mark.parametrize("name", ["python", "closecast", "numpy", "torch"])
def test_a_run_of_another_version_is_refused(folder, tmp_path, name):
    """The version is shown as it is there and as it is here; nothing is changed."""
    shutil.copytree(folder / "run", tmp_path / "run")
    config = tmp_path / "run" / "config.toml"
    text = config.read_text()
    ours = tomllib.loads(text)["versions"][name]
    config.write_text(text.replace(f'{name} = "{ours}"', f'{name} = "0.0.1"'))

    again = sweep(folder, out=tmp_path / "run")

    assert again.returncode == 1
    assert f"versions.{name}: 0.0.1 there, {ours} asked for" in again.stderr
    assert "the settings, prices and versions of this one" in again.stderr
    assert '"0.0.1"' in config.read_text()


def test_a_damaged_run_is_one_sentence(folder, tmp_path):
    """A configuration that is no TOML any more names its file."""
    shutil.copytree(folder / "run", tmp_path / "run")
    (tmp_path / "run" / "config.toml").write_bytes(b"[settings\xff")

    shown = closecast("runs", "show", tmp_path / "run", cwd=folder)

    assert shown.returncode == 1
    assert shown.stderr.startswith("closecast: Expected the configuration of a run")
    assert "config.toml" in shown.stderr


def test_a_report_is_drawn_again_the_same(folder):
    """`report` knows a sweep from a single model."""
    page = (folder / "run" / "report.html").read_bytes()
    (folder / "run" / "report.html").unlink()

    assert closecast("report", "run", cwd=folder).returncode == 0

    assert (folder / "run" / "report.html").read_bytes() == page


def test_runs_are_listed_shown_and_removed(folder):
    """A removed run leaves the list and the disk; its trials stay."""
    assert sweep(folder, out="second").returncode == 0
    index = ("--index", folder / "i.sqlite")
    listed = json.loads(closecast("runs", "list", *index, "--json", cwd=folder).stdout)
    assert [run["state"] for run in listed] == ["done", "done"]
    shown = closecast("runs", "show", "second", *index, cwd=folder)
    assert "Models ever trained on these prices: 2" in shown.stdout

    asked = closecast("runs", "rm", "second", *index, cwd=folder)
    assert asked.returncode == 1
    assert "Give --yes" in asked.stderr
    assert (folder / "second").exists()
    removed = closecast("runs", "rm", "second", *index, "--yes", cwd=folder)

    assert removed.returncode == 0, removed.stderr
    assert not (folder / "second").exists()
    words = closecast("runs", "list", *index, cwd=folder).stdout
    assert words.endswith("Runs: 1.\n")


def test_a_folder_that_is_no_run_is_not_deleted(folder):
    """Only what a sweep made is removed."""
    (folder / "letters").mkdir(exist_ok=True)

    done = closecast("runs", "rm", "letters", "--yes", cwd=folder)

    assert done.returncode == 1
    assert "Expected a sweep's run folder" in done.stderr
    assert (folder / "letters").exists()


def test_runs_are_compared(folder):
    """Side by side, with a word on choosing by the test score."""
    done = closecast("compare", "run", "run", "--json", cwd=folder)

    answer = json.loads(done.stdout)
    assert [one["trials"] for one in answer["runs"]] == [2, 2]
    assert answer["runs"][0]["crps"] == answer["runs"][1]["crps"]
    assert ["choose on the test block" in note for note in answer["notes"]] == [True]


def test_a_mistake_is_one_sentence(folder):
    """An unknown setting, a run of other settings: exit code 1 and no traceback."""
    (folder / "wrong.toml").write_text("[grid]\nlearnin_rate = [0.1]\n")
    wrong = closecast("sweep", "wrong.toml", "prices.csv", "--out", "x", cwd=folder)
    (folder / "other.toml").write_text(GRID.replace("epochs = 2", "epochs = 3"))
    other = closecast("sweep", "other.toml", "prices.csv", "--out", "run", cwd=folder)

    assert (wrong.returncode, other.returncode) == (1, 1)
    assert "Did you mean 'learning_rate'?" in wrong.stderr
    assert "epochs: 2 there, 3 asked for" in other.stderr
    assert wrong.stderr.count("\n") == other.stderr.count("\n") == 1
    assert not (folder / "x").exists()


def test_a_language_nobody_speaks_is_told_before_a_training(folder):
    """By each command that draws a report at its end; no folder is made."""
    space = "epochs = 2\n[space]\ndropout = [0.0, 0.3]\n"
    (folder / "space.toml").write_text(space)
    for command in (
        ("sweep", "grid.toml", "prices.csv"),
        ("search", "space.toml", "prices.csv"),
        ("backtest", "prices.csv"),
    ):
        told = closecast(*command, "--out", "new", "--language", "xx", cwd=folder)
        assert told.returncode == 1
        assert "Expected a language among en, ko, got 'xx'" in told.stderr
        assert not (folder / "new").exists()


def test_the_live_table_shows_the_best_first():
    """The best so far, the time left, the speed, the retired."""
    results = tuple(
        MemberResult(
            name=f"member {place}", values={}, seed=place, epochs=2,
            validation_loss=loss, diverged="why" if loss is None else None,
        )
        for place, loss in enumerate((0.5, None, 0.25))
    )  # fmt: skip
    running = Progress(
        member="member 4", number=1, members=1, epoch=3, epochs=9,
        train_loss=0.1, validation_loss=0.2,
    )  # fmt: skip
    screen = Console(file=io.StringIO(), width=100)

    screen.print(
        live_table(
            SweepProgress(
                size=9, results=results, reused=1, running=running,
                windows_per_s=12345.0, left_s=75.0,
            )
        )
    )  # fmt: skip

    text = " ".join(screen.file.getvalue().split())
    assert "3 of 9 members, 1 retired" in text
    assert text.index("member 2") < text.index("member 0")
    assert "12,345 windows/s, at most 1:15 left, 1 were done before" in text
    assert "member 4 epoch 3/9" in text


def test_a_search_is_told_like_a_sweep(folder):
    """A file of ranges in, a winner and a report out."""
    (folder / "space.toml").write_text(
        "hidden_size = 4\nepochs = 2\n[space]\ndropout = {low = 0.0, high = 0.5}\n"
    )
    index = ("--index", folder / "search.sqlite")
    how = ("--trials", 3, "--batch", 2, "--sampler", "random", "--out", "search")
    done = closecast("search", "space.toml", "prices.csv", *how, *index, cwd=folder)

    assert done.returncode == 0, done.stderr
    assert "(of 3, 0 retired)" in done.stdout
    assert "Best of 3 models" in done.stdout
    assert (folder / "search" / "report.html").exists()
