"""A hole in a window is found before any training; one outside of them is not."""

import re

import numpy as np
import pytest

from closecast.engine import holes
from closecast.engine.fleet import Member, OptimizerConfig
from closecast.engine.holes import require_no_holes
from closecast.engine.native import NativeEngine, supported
from closecast.errors import TrainingError
from closecast.models.config import NetworkConfig
from closecast.windows.scaling import WindowData
from closecast.windows.spec import WindowSpec

SPEC = WindowSpec(context_length=6, horizon=3)
READ = (10 - 5, 79 + 3)
"""First and last row that the member's windows read."""

MEMBER = Member(
    name="m",
    network=NetworkConfig(horizon=3, hidden_size=4, state_size=1),
    optimizer=OptimizerConfig(epochs=1, batch_size=16),
    train=np.arange(10, 60),
    validation=np.arange(65, 80),
)


@pytest.fixture(params=[7, holes.ROWS_AT_ONCE])
def data(request, monkeypatch):
    """Give a whole panel, looked at in several parts and in one."""
    monkeypatch.setattr(holes, "ROWS_AT_ONCE", request.param)
    rng = np.random.default_rng(0)
    logs = 3 + np.cumsum(rng.normal(0, 0.02, (100, 5)), axis=0)
    return WindowData(SPEC, logs, np.full(100, 0.02), np.zeros((100, 1)))


HOLES = [
    ("logs", (slice(None), 0), np.nan),
    ("logs", (slice(None), 3), np.inf),
    ("scale", (slice(None),), 0.0),
    ("scale", (slice(None),), np.nan),
    ("state", (slice(None), 0), np.nan),
]


@pytest.mark.parametrize(("table", "place", "value"), HOLES)
@pytest.mark.parametrize("row", [READ[0], 30, 62, READ[1]])
def test_a_hole_in_a_window_is_refused(data, table, place, value, row):
    """The message names the member and the row, whatever the window reads there."""
    getattr(data, table)[(row, *place[1:])] = value

    with pytest.raises(
        TrainingError,
        match=rf"windows without holes, got \d+ of 65 .*member m, first at row {row}\)",
    ):
        require_no_holes(data, [MEMBER])


@pytest.mark.parametrize(("table", "place", "value"), HOLES)
@pytest.mark.parametrize("row", [READ[0] - 1, READ[1] + 1])
def test_a_hole_that_nobody_reads_does_not_matter(data, table, place, value, row):
    """One row beyond the windows on either side."""
    getattr(data, table)[(row, *place[1:])] = value

    require_no_holes(data, [MEMBER])


def test_every_window_that_reads_it_is_counted(data):
    """A context of six and a target of three: eight or nine windows read one row."""
    data.logs[30, 2] = np.nan

    with pytest.raises(TrainingError) as found:
        require_no_holes(data, [MEMBER])

    assert re.search(r"got (\d+) of", str(found.value)).group(1) == "9"


def test_an_unknown_volume_is_no_hole(data):
    """Before a symbol's first trade there is none."""
    data.logs[:40, 4] = np.nan

    require_no_holes(data, [MEMBER])


def engines():
    """Give what trains here."""
    found = [NativeEngine(1)] if supported() else []
    try:
        from closecast.engine.torch import TorchEngine
    except ModuleNotFoundError:
        return found
    return [*found, TorchEngine()]


@pytest.mark.parametrize("engine", engines(), ids=lambda engine: engine.name)
def test_engines_look_before_they_train(data, engine):
    """No epoch is reported."""
    data.logs[30, 0] = np.nan
    seen = []

    with pytest.raises(TrainingError, match=r"windows without holes"):
        engine.train(data, [MEMBER], seen.append)

    assert seen == []
