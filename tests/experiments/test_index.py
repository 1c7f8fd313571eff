"""The index counts every model once and forgets none."""

import sqlite3
import subprocess
import sys

import pytest

from closecast.errors import SettingError
from closecast.experiments.index import INDEX_VARIABLE, Index, default_index

COUNT = """
import sys
from closecast.experiments.index import Index
for number in range(20):
    Index(sys.argv[1]).add_trials("data", [f"{sys.argv[2]}-{number}", f"both-{number}"])
"""


@pytest.fixture
def index(tmp_path):
    """An index in a folder that is not there yet."""
    return Index(tmp_path / "new" / "index.sqlite")


def test_the_same_settings_on_the_same_prices_count_once(index):
    """Training again what was trained before is no new trial; other prices are."""
    index.add_trials("apple", ["a", "b"])
    index.add_trials("apple", ["b", "c"])
    index.add_trials("pear", ["a"])

    assert index.trials("apple") == 3
    assert index.trials("pear") == 1
    assert index.trials("plum") == 0


def test_processes_that_count_at_once_lose_nothing(index):
    """Three writers at the same time leave the union of what they counted."""
    writers = [
        subprocess.Popen([sys.executable, "-c", COUNT, str(index.path), str(number)])
        for number in range(3)
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0]

    assert index.trials("data") == 3 * 20 + 20


def test_the_log_is_written_ahead(index):
    """Readers do not wait for a writer."""
    index.add_trials("apple", ["a"])

    connection = sqlite3.connect(index.path)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_a_run_is_listed_until_it_is_forgotten(index, tmp_path):
    """A run that goes on keeps its start; its trials outlive it."""
    index.add_trials("apple", ["a"])
    index.add_run(tmp_path / "one", "config", "apple", 4)
    (first,) = index.runs()
    index.add_run(tmp_path / "one", "config", "apple", 4)
    assert index.runs() == [first]
    assert (first.folder, first.members) == (tmp_path / "one", 4)

    index.forget_run(tmp_path / "one")

    assert index.runs() == []
    assert index.trials("apple") == 1


def test_a_file_that_is_no_index_is_refused(tmp_path):
    """The message names the file and the way out."""
    path = tmp_path / "index.sqlite"
    path.write_text("not a database, and long enough to be seen as none" * 40)

    with pytest.raises(SettingError, match=r"index\.sqlite\). Give --index another"):
        Index(path).trials("apple")


def test_the_place_of_the_index_can_be_chosen(monkeypatch, tmp_path):
    """The variable comes first, then the user's data folder."""
    monkeypatch.setenv(INDEX_VARIABLE, str(tmp_path / "mine.sqlite"))
    assert default_index() == tmp_path / "mine.sqlite"

    monkeypatch.delenv(INDEX_VARIABLE)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_index() == tmp_path / "closecast" / "index.sqlite"
