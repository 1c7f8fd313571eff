"""``closecast data import, list, compact, verify`` as a person types them."""

import json

import pytest
from typer.testing import CliRunner

from closecast.cli.app import app
from closecast.market.readers import to_frame
from closecast.market.store import Store
from closecast.testing import random_walk

BARS = random_walk(2, 30)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Where the store goes, with prices beside it."""
    monkeypatch.setenv("CLOSECAST_STORE", str(tmp_path / "store"))
    to_frame(BARS, "pandas").to_csv(tmp_path / "prices.csv", index=False)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, ["data", *map(str, arguments)])


def test_a_file_is_imported_and_listed(place):
    """Import says what it took, list says what is there."""
    done = run("import", place / "prices.csv", "--source", "a friend")
    listed = run("list")

    assert done.exit_code == 0
    assert done.stdout.startswith("Imported: 60 new bars, 0 known, 0 replaced. Refused")
    assert "W01                30  2010-01-04  2010-02-12" in listed.stdout
    assert "2 symbols, 60 bars" in listed.stdout
    assert Store().batches()[0].source == "a friend"


def test_what_is_refused_is_told(place):
    """A bad file and a contradiction are named, and the exit code is 1."""
    run("import", place / "prices.csv")
    lines = (place / "prices.csv").read_text().splitlines()
    lines[1] = "W00,2010-01-04,7,7,7,7,7"
    (place / "other.csv").write_text("\n".join(lines) + "\n")
    (place / "bad.csv").write_text("hello\n")
    done = run("import", place / "other.csv", place / "bad.csv")

    assert done.exit_code == 1
    assert "Refused: 1 of 2 files, 1 symbols." in done.stdout
    assert "bad.csv" in done.stderr
    assert "(symbol W00, 2010-01-04)" in done.stderr
    assert "Refused once: Expected the stored open" in run("list").stdout
    replaced = run("import", place / "other.csv", "--replace")
    assert (replaced.exit_code, Store().read(["W00"]).close[0]) == (0, 7)


def test_json_is_json(place):
    """A program reads the same figures."""
    done = json.loads(run("import", place / "prices.csv", "--json").stdout)
    listed = json.loads(run("list", "--json").stdout)
    compacted = json.loads(run("compact", "--json").stdout)
    verified = json.loads(run("verify", "--json").stdout)

    assert (done["added"], done["conflicts"]) == (60, [])
    assert [one["symbol"] for one in listed["symbols"]] == ["W00", "W01"]
    assert listed["content_hash"] == verified["content_hash"]
    assert (compacted["files"]["before"], verified["wrong"]) == (1, [])


def test_a_damaged_store_is_an_alarm(place):
    """Verify exits with 3 and names the file; whole, it exits with 0."""
    run("import", place / "prices.csv")
    whole = run("verify", "--store", place / "store")
    (path,) = Store().files()
    path.write_bytes(path.read_bytes()[:-1])
    damaged = run("verify")

    assert (whole.exit_code, damaged.exit_code) == (0, 3)
    assert whole.stdout.startswith("Whole: ")
    assert str(path) in damaged.stdout
    assert run("compact").exit_code == 1


def test_compact_says_what_it_did(place):
    """Files before and after."""
    run("import", place / "prices.csv")

    assert run("compact").stdout.startswith("Compacted: 1 files to 2.")
