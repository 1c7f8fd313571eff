"""Where tasks are done, and in which order, changes nothing that comes of them."""

from dataclasses import dataclass, field

import numpy as np
import pytest

import closecast as cc
from closecast.experiments.index import Index
from closecast.experiments.workers import IN_PROCESS
from closecast.testing import random_walk

QUICK = {"hidden_size": 4, "epochs": 2, "batch_size": 32}
GRID = {"learning_rate": [0.001, 0.01, 1000.0], "optimizer": ["sgd"]}


@dataclass
class Backwards:
    """Takes two tasks at a time, gives the later one back first, counts all."""

    trials: Index | None = None
    asked: list[int] = field(default_factory=list)
    counted: list[int] = field(default_factory=list)

    def fleet_size(self, members, most):
        return min(2, members, most)

    def run(self, work, shared, tasks, on_epoch=None):
        held = []
        for place, task in enumerate(tasks):
            self.asked.append(place)
            if self.trials is not None:
                self.counted.append(self.trials.trials(shared[0].fingerprint))
            held.append((place, work(shared, task, on_epoch)))
            if len(held) == 2:
                yield from reversed(held)
                held = []
        yield from reversed(held)


@pytest.fixture(scope="module")
def bars():
    """Two random walks."""
    return random_walk(2, 360)


def tree(folder):
    """Read every file of a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_sweep_is_the_same_in_any_order(bars, tmp_path):
    """Fleets of other sizes, done in another order, leave the same bytes."""
    for name, workers in (("here", IN_PROCESS), ("there", Backwards())):
        cc.sweep(
            bars,
            GRID,
            seeds=1,
            out=tmp_path / name,
            index=tmp_path / f"{name}.sqlite",
            workers=workers,
            **QUICK,
        )

    assert tree(tmp_path / "here") == tree(tmp_path / "there")
    assert workers.asked == [0, 1]


def test_a_member_counts_when_its_task_is_asked_for(bars, tmp_path):
    """A fleet that workers have begun is counted, one that waits is not."""
    workers = Backwards(Index(tmp_path / "i.sqlite"))
    index = tmp_path / "i.sqlite"
    cc.sweep(bars, GRID, seeds=1, index=index, workers=workers, **QUICK)

    assert workers.counted == [2, 3]


def test_a_search_trains_its_batches_by_workers(bars, tmp_path):
    """Each batch of proposals is handed out."""
    workers = Backwards()
    space = {"learning_rate": {"low": 1e-3, "high": 1e-1, "log": True}}
    cc.search(
        bars,
        space,
        trials=3,
        seeds=1,
        batch=2,
        index=tmp_path / "i.sqlite",
        workers=workers,
        **QUICK,
    )

    assert workers.asked == [0, 0]


@pytest.mark.parametrize("refit", [True, False])
def test_a_backtest_is_the_same_in_any_order(bars, refit):
    """Folds come back in their order, whoever walked them."""
    forecaster, workers = cc.Forecaster(**QUICK, num_layers=1), Backwards()
    walk = {"folds": 3, "refit_every": 30, "refit": refit}
    here = forecaster.cross_validate(bars, **walk)
    there = forecaster.cross_validate(bars, **walk, workers=workers)

    assert here.to_dict() == there.to_dict()
    for name, column in here.to_columns().items():
        assert np.array_equal(column, there.to_columns()[name])
    assert workers.asked == ([0, 1] if refit else [0])
