"""Experiments by HTTP: what they found, and where a running one stands."""

import json
from pathlib import Path

import pytest

import closecast as cc
from closecast.experiments.index import Index
from closecast.market.bars import Bars
from closecast.serving.runs import RunBook, id_of


@pytest.fixture(scope="module")
def sweep(bars: Bars, tmp_path_factory) -> tuple[Path, Path, list[dict]]:
    """Run a small sweep, and keep what its progress file said on the way."""
    home = tmp_path_factory.mktemp("sweep")
    seen = []

    def look(_) -> None:
        path = home / "run" / "progress.json"
        seen.append(json.loads(path.read_text()))

    cc.sweep(
        bars,
        {"learning_rate": [0.01, 0.001]},
        seeds=2,
        out=home / "run",
        index=home / "index.sqlite",
        epochs=1,
        hidden_size=4,
        num_layers=1,
        on_progress=look,
    )
    return home / "run", home / "index.sqlite", seen


@pytest.fixture
def asked(served, client, sweep):
    """Give a client of a server that knows the sweep."""
    served.service.runs = RunBook(Index(sweep[1]))
    return client


def unfinished(folder: Path) -> None:
    """Make a run look as if it were under way."""
    (folder / "sweep.json").rename(folder / "sweep.json.kept")


def finished(folder: Path) -> None:
    """Undo that."""
    (folder / "sweep.json.kept").rename(folder / "sweep.json")


def test_runs_are_listed_without_their_folders(asked, sweep):
    """A caller learns the name and the state, never where a run lies."""
    told = asked.get("/v1/runs").json()

    (run,) = told["runs"]
    assert run["name"] == "run"
    assert run["id"] == id_of(sweep[0].resolve())
    assert (run["state"], run["members"], run["done"]) == ("done", 4, 4)
    assert run["running"] is False
    assert str(sweep[0].parent) not in json.dumps(told)


def test_a_run_shows_its_heat_map_and_its_winner(asked, sweep):
    """Axes, combinations best first, members and the verdict, as sweep.json has it."""
    told = asked.get(f"/v1/runs/{id_of(sweep[0].resolve())}").json()

    found = json.loads((sweep[0] / "sweep.json").read_text())
    assert told["axes"] == {"learning_rate": [0.01, 0.001]}
    assert told["winner"] == found["winner"]["name"]
    assert told["verdict"] == found["verdict"]
    losses = [one["mean_loss"] for one in told["combinations"]]
    assert losses == sorted(losses)
    assert len(told["results"]) == 4
    assert str(sweep[0]) not in json.dumps(told)


def test_curves_come_best_first(asked, sweep):
    """Epoch by epoch, those of the least validation loss first, as many as asked."""
    address = f"/v1/runs/{id_of(sweep[0].resolve())}/curves"

    every = asked.get(address).json()["curves"]
    one = asked.get(f"{address}?limit=1").json()["curves"]

    assert len(every) == 4
    assert one == every[:1]
    ends = [curve["validation_loss"][-1] for curve in every]
    assert ends == sorted(ends)


def test_an_unfinished_run_shows_what_is_done(asked, sweep):
    """Members that are trained are there before the run has ended."""
    unfinished(sweep[0])
    try:
        told = asked.get(f"/v1/runs/{id_of(sweep[0].resolve())}").json()
    finally:
        finished(sweep[0])

    assert (told["state"], told["done"]) == ("unfinished", 4)
    assert told["winner"] is None
    assert len(told["combinations"]) == 2
    assert told["axes"] == {"learning_rate": [0.01, 0.001]}


def test_a_damaged_run_is_told(asked, sweep):
    """A file that cannot be read is the server's matter, and named without a path."""
    config = sweep[0] / "config.toml"
    sound = config.read_bytes()
    config.write_bytes(b"[settings\xff")
    try:
        answer = asked.get(f"/v1/runs/{id_of(sweep[0].resolve())}")
    finally:
        config.write_bytes(sound)

    assert answer.status_code == 503, answer.text
    assert str(sweep[0]) not in answer.text


def test_a_finished_run_ends_its_stream_at_once(asked, sweep):
    """One event, and the connection is closed."""
    answer = asked.get(f"/v1/runs/{id_of(sweep[0].resolve())}/events")

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.startswith("event: done\n")
    assert answer.text.endswith("\n\n")


def test_a_stream_tells_progress_until_the_run_ends(asked, sweep, monkeypatch):
    """First where it stands, then that it is done."""
    from closecast.serving.api.routes import events

    folder = sweep[0]
    (folder / "progress.json").write_text(json.dumps(sweep[2][0]))
    unfinished(folder)
    looks = []

    async def sleep(_) -> None:
        looks.append(1)
        if len(looks) == 2:
            (folder / "progress.json").unlink()
            finished(folder)

    monkeypatch.setattr(events.asyncio, "sleep", sleep)
    answer = asked.get(f"/v1/runs/{id_of(folder.resolve())}/events").text

    names = [line for line in answer.splitlines() if line.startswith("event")]
    assert names == ["event: progress", "event: done"]
    told = json.loads(answer.splitlines()[1].removeprefix("data: "))
    assert told["running"] is True
    assert told["progress"] == sweep[2][0]


def test_streams_are_few(served, asked, sweep):
    """The sixty-fifth is told to close one."""
    served.service.streams = 64

    answer = asked.get(f"/v1/runs/{id_of(sweep[0].resolve())}/events")

    assert answer.status_code == 429


@pytest.mark.parametrize("tail", ["", "/curves", "/events"])
@pytest.mark.parametrize("name", ["0" * 12, "..%2f..%2fetc", "run"])
def test_an_unknown_run_is_told(asked, name: str, tail: str):
    """An id is looked up; a name or a path finds nothing."""
    answer = asked.get(f"/v1/runs/{name}{tail}")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_progress_is_written_on_the_way_and_gone_at_the_end(sweep):
    """A reader sees sizes, speed and the member that trains; the run keeps nothing."""
    folder, _, seen = sweep

    assert seen[0]["size"] == 4
    assert {"at", "done", "retired", "windows_per_s", "left_s", "best"} <= set(seen[0])
    assert not (folder / "progress.json").exists()
