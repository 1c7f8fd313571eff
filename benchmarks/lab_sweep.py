"""The lab's sweep: 3 learning rates x 3 depths x 20 epochs over 3,486 windows.

Times the whole sweep, how much of it is not training, and the same nine networks in a
plain PyTorch loop over windows that are cut beforehand: one thread each, malloc tuned
for both. Prices are simulated, since only their number matters here.

    python benchmarks/lab_sweep.py --out benchmarks/results/lab_sweep.json
"""

import argparse
import itertools
import json
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from machine import machine

from closecast.engine.torch.engine import _settled_torch
from closecast.engine.torch.panel import ResidentPanel
from closecast.experiments import members as room
from closecast.experiments.sweep import sweep
from closecast.models.config import NetworkConfig
from closecast.models.lstm import StackedLSTM, loss
from closecast.testing import random_walk
from closecast.windows import WindowData, WindowSpec, split_by_date

RATES, DEPTHS = (1e-3, 1e-4, 1e-5), (1, 2, 3)
BARS = 5000  # so that the training block has 3,486 windows


def clock(work: Callable[[], object]) -> dict[str, float]:
    """Give the wall and CPU seconds of some work."""
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    work()
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": round(wall, 2), "cpu_s": round(cpu, 2)}


def plain_loop(epochs: int) -> None:
    """Train the nine networks as a careful person would by hand."""
    bars, spec = random_walk(1, BARS), WindowSpec(context_length=10, horizon=5)
    split = split_by_date(bars, spec)
    device = torch.device("cpu")
    with _settled_torch(1, device):
        panel = ResidentPanel(WindowData.of(bars, spec), device)
        cut = {}
        for name in ("train", "validation"):
            rows = panel.rows(getattr(split, name))
            cut[name] = (*panel.inputs(rows), panel.targets(rows))
        for rate, depth in itertools.product(RATES, DEPTHS):
            train_one(StackedLSTM(NetworkConfig(num_layers=depth)), rate, cut, epochs)


def train_one(network: StackedLSTM, rate: float, cut: dict, epochs: int) -> None:
    """Train one network: shuffle, step, validate."""
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
        network.eval()
        with torch.no_grad():
            *seen, truth = cut["validation"]
            float(loss("student_t", network(*seen), truth))


def main() -> None:
    """Measure both and say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--epochs", type=int, default=20)
    arguments = parser.parse_args()
    training = 0.0
    train_each = room.train_each

    def timed(*given, **named):
        nonlocal training
        start = time.perf_counter()
        trained = train_each(*given, **named)
        training += time.perf_counter() - start
        return trained

    room.train_each = timed
    bars = random_walk(1, BARS)
    grid = {"learning_rate": RATES, "num_layers": DEPTHS}
    plain_loop(1)  # warm both
    with tempfile.TemporaryDirectory() as folder:
        swept = clock(
            lambda: sweep(
                bars, grid, seeds=1, epochs=arguments.epochs, early_stopping=False,
                out=Path(folder) / "run", index=Path(folder) / "index.sqlite",
            )
        )  # fmt: skip
    layer = swept["wall_s"] - training
    result = {
        "machine": machine(),
        "windows": BARS - 1500 - 14,
        "epochs": arguments.epochs,
        "sweep": swept,
        "training_wall_s": round(training, 2),
        "experiment_layer_share": round(layer / training, 4),
        "plain_loop": clock(lambda: plain_loop(arguments.epochs)),
    }
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
