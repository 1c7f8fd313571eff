r"""The lab's sweep beside a plain loop, what is not training, and a fleet of many.

3 learning rates x 3 depths x 20 epochs over 3,486 windows: the whole sweep with its
verdict, in CPU time on one core and in wall time on all, and the same nine networks in
a plain PyTorch loop over windows that are cut beforehand, one thread, malloc tuned for
both. What is not training is parted into judging and the experiment layer. Then 128
members beside 128 / cores times the kernel time of one. Prices are simulated, since
only their number matters here. Some 2 minutes on two cores that have nothing else to
do.

    python benchmarks/lab_sweep.py --out benchmarks/results/lab_sweep.json
"""

import argparse
import itertools
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import torch
from machine import publish
from threadpoolctl import threadpool_limits

from closecast.engine.fleet import Member, OptimizerConfig
from closecast.engine.native.engine import NativeEngine, cores
from closecast.engine.torch.engine import _settled_torch
from closecast.engine.torch.panel import ResidentPanel
from closecast.experiments import fitted, members, winner
from closecast.experiments.forecaster import Forecaster
from closecast.experiments.sweep import sweep
from closecast.models.config import NetworkConfig
from closecast.models.lstm import StackedLSTM, loss
from closecast.testing import random_walk
from closecast.windows import WindowData, WindowSpec, split_by_date

RATES, DEPTHS = (1e-3, 1e-4, 1e-5), (1, 2, 3)
GRID = {"learning_rate": RATES, "num_layers": DEPTHS}
BARS = 5000  # so that the training block has 3,486 windows


def clock(work: Callable[[], object]) -> dict[str, float]:
    """Give the wall and CPU seconds of some work."""
    before = process_time(), perf_counter()
    work()
    cpu, wall = process_time() - before[0], perf_counter() - before[1]
    return {"wall_s": round(wall, 3), "cpu_s": round(cpu, 3)}


def plain_loop(epochs: int) -> None:
    """Train the nine networks as a careful person would by hand."""
    bars, spec = random_walk(1, BARS), WindowSpec(context_length=10, horizon=5)
    split = split_by_date(bars, spec)
    device = torch.device("cpu")
    with _settled_torch(1, device):
        panel = ResidentPanel(WindowData.of(bars, spec), device)
        cut = {}
        for name in ("train", "validation", "test"):
            rows = panel.rows(getattr(split, name))
            cut[name] = (*panel.inputs(rows), panel.targets(rows))
        for rate, depth in itertools.product(RATES, DEPTHS):
            train_one(StackedLSTM(NetworkConfig(num_layers=depth)), rate, cut, epochs)


def train_one(network: StackedLSTM, rate: float, cut: dict, epochs: int) -> None:
    """Train one network: shuffle, step, validate, and look at all blocks at last."""
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    *inputs, target = cut["train"]
    for _ in range(epochs):
        network.train()
        for batch in torch.randperm(len(target)).split(128):
            raw = network(*(one[batch] for one in inputs))
            step_loss = loss("student_t", raw, target[batch])
            optimizer.zero_grad()
            step_loss.backward()
            optimizer.step()
        errors(network, cut, ["validation"])
    errors(network, cut, cut)  # what the lecture's bars are drawn of


def errors(network: StackedLSTM, cut: dict, names: Iterable[str]) -> list[float]:
    """Give the loss of a network on some blocks."""
    network.eval()
    with torch.no_grad():
        return [
            float(loss("student_t", network(*cut[name][:-1]), cut[name][-1]))
            for name in names
        ]


PARTS = {
    "training": [(members, "train_each")],
    "judging": [
        (members, "_scored"),
        (fitted.Fitted, "of"),
        (winner, "ask_luck"),
        (winner, "baseline_losses"),
        (Forecaster, "fit_baselines"),
        (Forecaster, "evaluate"),
    ],
}
"""What the parts of a sweep are called; what is in none of them is the experiment
layer: fleets, checkpoints, the ledger of trials, files and their sums."""


class Stopwatch:
    """Wall and CPU seconds of the parts of a sweep."""

    def __init__(self) -> None:
        self.spent: dict[str, Counter[str]] = {}
        for part, functions in PARTS.items():
            self.spent[part] = Counter()
            for home, name in functions:
                setattr(home, name, self._timed(part, getattr(home, name)))

    def _timed(self, part: str, function: Callable) -> Callable:
        def timed(*given: Any, **named: Any) -> Any:
            before = process_time(), perf_counter()
            found = function(*given, **named)
            spent = self.spent[part]
            spent["cpu_s"] += process_time() - before[0]
            spent["wall_s"] += perf_counter() - before[1]
            return found

        return timed

    def clock(self, work: Callable[[], object]) -> dict[str, Any]:
        """Give the seconds of a sweep and of its parts."""
        for spent in self.spent.values():
            spent.clear()
        whole = clock(work)
        parts = {part: dict(spent) for part, spent in self.spent.items()}
        parts["experiment layer"] = {
            unit: whole[unit] - sum(part[unit] for part in parts.values())
            for unit in whole
        }
        return {
            **whole,
            **{
                part: {unit: round(s, 3) for unit, s in spent.items()}
                for part, spent in parts.items()
            },
            "layer_share_of_training": round(
                parts["experiment layer"]["cpu_s"] / parts["training"]["cpu_s"], 4
            ),
        }


def run_sweep(folder: str, epochs: int, seeds: int = 1, grid: dict = GRID) -> None:
    """Sweep into a new run below a folder."""
    home = Path(tempfile.mkdtemp(dir=folder))
    sweep(
        random_walk(1, BARS), grid, seeds=seeds, epochs=epochs, early_stopping=False,
        out=home / "run", index=home / "index.sqlite",
    )  # fmt: skip


@contextmanager
def one_core() -> Iterator[None]:
    """Leave the engine and BLAS one core."""
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        with threadpool_limits(1):
            yield
    finally:
        del os.environ["OMP_NUM_THREADS"]


def kernel_seconds(epochs: int) -> float:
    """Train one network of the default shape on one core, and nothing besides."""
    bars, spec = random_walk(1, BARS), WindowSpec(context_length=10, horizon=5)
    split = split_by_date(bars, spec)
    member = Member(
        name="alone", network=NetworkConfig(), train=split.train,
        validation=split.validation,
        optimizer=OptimizerConfig(epochs=epochs, early_stopping=False),
    )  # fmt: skip
    engine, data = NativeEngine(threads=1), WindowData.of(bars, spec)
    return clock(lambda: engine.train(data, [member]))["wall_s"]


def fleet(
    folder: str, stopwatch: Stopwatch, members: int, epochs: int
) -> dict[str, Any]:
    """Hold many members against as many times one member's kernel time."""
    before = kernel_seconds(epochs)
    grid = {"learning_rate": (1e-3, 1e-4)}
    spent = stopwatch.clock(lambda: run_sweep(folder, epochs, members // 2, grid))
    kernel = (before + kernel_seconds(epochs)) / 2
    ideal = members / cores() * kernel
    trained = spent["training"]["wall_s"]
    return {
        "members": members,
        "epochs": epochs,
        "kernel_s_of_one_member": round(kernel, 3),
        "members_times_kernel_by_cores_s": round(ideal, 2),
        "training_wall_s": trained,
        "training_over_ideal": round(trained / ideal, 3),
        "whole_sweep": spent,
    }


def lab(folder: str, stopwatch: Stopwatch, epochs: int) -> dict[str, Any]:
    """Hold the lab's sweep against the plain loop: CPU on one core, wall on all."""
    plain_loop(1)
    run_sweep(folder, 1)  # both have loaded what they need
    with one_core():
        swept = stopwatch.clock(lambda: run_sweep(folder, epochs))
    plain = clock(lambda: plain_loop(epochs))
    every = stopwatch.clock(lambda: run_sweep(folder, epochs))
    return {
        "windows": BARS - 1500 - 14,
        "epochs": epochs,
        "plain_loop, one core": plain,
        "sweep, one core": swept,
        "sweep, all cores": every,
        "cpu_over_plain": round(swept["cpu_s"] / plain["cpu_s"], 3),
        "wall_over_plain": round(every["wall_s"] / plain["wall_s"], 3),
    }


def main() -> None:
    """Measure and say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--members", type=int, default=128)
    arguments = parser.parse_args()
    stopwatch = Stopwatch()
    epochs = max(1, arguments.epochs // 4)
    with tempfile.TemporaryDirectory() as folder:
        result = {
            "lab sweep": lab(folder, stopwatch, arguments.epochs),
            "fleet": fleet(folder, stopwatch, arguments.members, epochs),
        }
    publish(result, arguments.out)


if __name__ == "__main__":
    main()
