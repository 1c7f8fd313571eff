"""What a scoreboard says beyond its rows: whole, or refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from closecast.errors import ModelError
from closecast.reports.evidence import evidence_of
from closecast.reports.story import load_story


@pytest.fixture
def board(shared_run: Path) -> dict[str, Any]:
    """A whole scoreboard."""
    return json.loads((shared_run / "scoreboard.json").read_text())


def test_what_is_there_is_read(board: dict[str, Any]) -> None:
    """Calibration, PIT, ranking and slices, with their gaps."""
    found = evidence_of(board)
    assert len(found.coverage) == 4 * 5 * 3
    assert found.pit[0].shares == (0.1,) * 10
    assert found.ranking[4].rank_ic_interval is None
    assert found.slices[0].group == "2011"
    assert found.costs is None


def test_nothing_is_there_of_an_older_run() -> None:
    """Every part is empty."""
    found = evidence_of({})
    assert (found.coverage, found.pit, found.slices, found.costs) == ((), (), (), None)


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ({"horizon": 1, "shares": [0.1]}, "no entry 'uniform_p'"),
        ({"horizon": "1", "shares": [0.1], "uniform_p": None}, "'1' where horizon"),
        ({"horizon": 1, "shares": [None], "uniform_p": None}, "None where shares"),
        ({"horizon": None, "shares": [0.1], "uniform_p": 1}, "null where horizon"),
    ],
)
def test_a_damaged_entry_is_named(
    make_run: Callable[..., Path], entry: dict[str, Any], fault: str
) -> None:
    """One sentence with the file, no traceback while the page is drawn."""
    run = make_run(calibration={"coverage": [], "pit": [entry]})
    with pytest.raises(ModelError, match=rf"scoreboard\.json.*{fault}"):
        load_story(run)
