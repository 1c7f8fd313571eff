"""The story of a run: read whole, or refused in one sentence."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from closecast.errors import ModelError
from closecast.reports.story import SHOWN_CLOSES, load_story

FILES = (
    "scoreboard.json",
    "forecast.csv",
    "closes.csv",
    "model/metrics.jsonl",
    "model/model.json",
)
MakeRun = Callable[..., Path]


def test_a_story_holds_what_the_files_say(make_run: MakeRun) -> None:
    """Verdict, scores, fans, curve and split come from the files, unchanged."""
    story = load_story(make_run(("IBM", "AAPL")))
    assert story.verdict.startswith("No evidence of skill in the mean; evidence")
    assert len(story.scores) == 20
    assert story.scores[0].model == "closecast"
    assert [fan.symbol for fan in story.fans] == ["IBM", "AAPL"]
    assert [step.step for step in story.fans[0].steps] == [1, 2, 3, 4, 5]
    assert story.fans[0].closes[-1].close == pytest.approx(
        story.fans[0].steps[0].last_close
    )
    assert len(story.fans[0].closes) == SHOWN_CLOSES
    assert [block.name for block in story.split] == ["train", "validation", "test"]
    assert story.copycat.figures["change_lag_1"] == 0.87
    assert "verdict" not in story.copycat.figures
    assert story.horizon == 5


def test_no_close_after_the_cutoff_is_taken(make_run: MakeRun) -> None:
    """A fan shows the past of its cutoff, even where the file knows more."""
    folder = make_run()
    path = folder / "closes.csv"
    path.write_text(path.read_text() + "AAPL,2013-06-03,999.0\n")
    fan = load_story(folder).fans[0]
    assert fan.closes[-1].date == fan.steps[0].cutoff < date(2013, 6, 3)


@pytest.mark.parametrize("text", ["{}", '{"curve": null}', '{"curve": {}}'])
def test_the_best_epoch_is_found_where_it_is_not_marked(
    make_run: MakeRun, text: str
) -> None:
    """Without a mark the kept epoch is the one of the lowest validation loss."""
    folder = make_run()
    (folder / "model" / "model.json").write_text(text)
    assert load_story(folder).best_epoch == 9


@pytest.mark.parametrize("text", ['{"curve": {"best_epoch": 4}}', '{"best_epoch": 4}'])
def test_a_marked_epoch_is_believed(make_run: MakeRun, text: str) -> None:
    """The mark of the model wins over the lowest validation loss."""
    folder = make_run()
    (folder / "model" / "model.json").write_text(text)
    assert load_story(folder).best_epoch == 4


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(make_run: MakeRun, name: str) -> None:
    """Each file that is not there is named, with its path and what to do."""
    folder = make_run()
    (folder / name).unlink()
    message = rf"Expected a file {Path(name).name} in the run, got none .*{name}"
    with pytest.raises(ModelError, match=message):
        load_story(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_named(make_run: MakeRun, name: str) -> None:
    """Each file that is no longer text is named."""
    folder = make_run()
    (folder / name).write_bytes(b"\xff\xfe{ damaged")
    with pytest.raises(ModelError, match=f"whole {Path(name).name}, got a damaged"):
        load_story(folder)


@pytest.mark.parametrize(
    ("name", "old", "new", "fault"),
    [
        (
            "scoreboard.json",
            '"verdict": "No ev',
            '"word": "No ev',
            "no entry 'verdict'",
        ),
        ("scoreboard.json", '"closecast"', '"other"', "no row of the judged model"),
        (
            "scoreboard.json",
            '"crps": ',
            '"crps": true, "x": ',
            "where a number belongs",
        ),
        ("forecast.csv", ",q95", ",q96", "no entry 'q95'"),
        ("closes.csv", ",close", ",price", "no entry 'close'"),
        ("model/metrics.jsonl", "train_loss", "loss", "no entry 'train_loss'"),
    ],
)
def test_a_fault_inside_a_file_is_told(
    make_run: MakeRun, name: str, old: str, new: str, fault: str
) -> None:
    """A missing entry, a wrong name or a wrong kind is told in the message."""
    folder = make_run()
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))
    with pytest.raises(ModelError, match=fault):
        load_story(folder)


@pytest.mark.parametrize("value", ["nan", "-3.0", "inf"])
def test_a_price_that_is_none_is_refused(make_run: MakeRun, value: str) -> None:
    """A close that is no positive number is told with its symbol and date."""
    folder = make_run()
    path = folder / "closes.csv"
    path.write_text(path.read_text() + f"IBM,2013-02-01,{value}\n")
    with pytest.raises(ModelError, match=f"close {value} of IBM on 2013-02-01"):
        load_story(folder)


def test_a_forecast_without_closes_is_refused(make_run: MakeRun) -> None:
    """A symbol that is forecast and has no past is told."""
    folder = make_run()
    (folder / "closes.csv").write_text("symbol,date,close\n")
    with pytest.raises(ModelError, match="Expected closes of AAPL up to 2013-"):
        load_story(folder)


def test_an_empty_forecast_is_refused(make_run: MakeRun) -> None:
    """A run that forecast nothing has no story."""
    folder = make_run()
    path = folder / "forecast.csv"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    with pytest.raises(ModelError, match="a forecast of at least one symbol"):
        load_story(folder)


def test_a_score_that_is_not_finite_is_none(make_run: MakeRun) -> None:
    """NaN in a scoreboard is a score that could not be made."""
    folder = make_run()
    path = folder / "scoreboard.json"
    board = json.loads(path.read_text())
    board["rows"][0]["crps"] = float("nan")
    path.write_text(json.dumps(board))
    assert load_story(folder).scores[0].crps is None
