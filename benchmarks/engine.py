"""How many windows a second each engine trains and forecasts, side by side in one run.

Training counts whole epochs: gathering, dropout, both passes, the optimiser and the
validation of a few windows. A figure in CPU time stands for one core; a share of the
peak is what its arithmetic takes of the multiplications and additions that the core
can do. Prints and writes JSON with machine, versions and commit beside the figures.

    python benchmarks/engine.py --out benchmarks/results/engine.json
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from machine import publish

from closecast.engine.fleet import Engine, Member, OptimizerConfig
from closecast.engine.native import NativeEngine, supported
from closecast.engine.torch import TorchEngine
from closecast.models.config import NetworkConfig, initial_weights
from closecast.windows.scaling import WindowData
from closecast.windows.spec import WindowSpec

WINDOWS = 6400
SPEC = WindowSpec(context_length=10, horizon=5)
HEADS = ("point", "student_t")
BATCHES = (16, 128)
REPEATS = 3


def random_panel() -> WindowData:
    """Make random walks long enough for the windows."""
    rng = np.random.default_rng(0)
    rows = WINDOWS + 100
    logs = 3 + np.cumsum(rng.normal(0, 0.02, (rows, 5)), axis=0)
    return WindowData(SPEC, logs, rng.uniform(0.01, 0.03, rows), np.empty((rows, 0)))


def member(head: str, batch_size: int, epochs: int, **settings: Any) -> Member:
    """Make the network of the lecture: two layers of 50, dropout, batch norm."""
    return Member(
        name=f"{head}-{settings.get('seed', 0)}",
        network=NetworkConfig(head=head),
        optimizer=OptimizerConfig(
            batch_size=batch_size, epochs=epochs, early_stopping=False, **settings
        ),
        train=np.arange(WINDOWS) + 9,
        validation=np.arange(16) + WINDOWS + 20,
    )


def flops_of_a_window(network: NetworkConfig) -> int:
    """Count the arithmetic of matrix products in a training step, forward and back."""
    hidden, steps = network.hidden_size, SPEC.context_length
    total = 0
    for layer in range(network.num_layers):
        inputs = hidden if layer else network.input_size
        backward = 2 if layer else 1  # the first layer's input needs no gradient
        total += 2 * 4 * hidden * inputs * steps * (1 + backward)
        total += 2 * 4 * hidden * hidden * (steps - 1) * 3
    outputs = network.horizon * network.params_per_step
    return total + 2 * 3 * network.head_size * (hidden + outputs)


def clocked(engine: Engine, data: WindowData, one: Member, epochs: int) -> np.ndarray:
    """Give the CPU and wall seconds of a training of some epochs."""
    config = replace(one.optimizer, epochs=epochs)
    before = time.process_time(), time.perf_counter()
    engine.train(data, [replace(one, optimizer=config)])
    return np.subtract((time.process_time(), time.perf_counter()), before)


def per_epoch(engine: Engine, data: WindowData, one: Member) -> dict[str, float]:
    """Give windows a second by CPU and by wall: what further epochs add to a first."""
    epochs = one.optimizer.epochs
    each = [
        clocked(engine, data, one, 1 + epochs) - clocked(engine, data, one, 1)
        for _ in range(REPEATS)
    ]
    cpu, wall = np.median(each, axis=0) / epochs
    return {
        "windows_per_cpu_s": round(WINDOWS / cpu),
        "windows_per_wall_s": round(WINDOWS / wall),
    }


def fleet_wall(engine: Engine, data: WindowData, members: int) -> int:
    """Train a fleet; give windows a second by wall."""
    epochs = 4
    fleet = [member("student_t", 128, epochs, seed=seed) for seed in range(members)]
    start = time.perf_counter()
    engine.train(data, fleet)
    return round(members * epochs * WINDOWS / (time.perf_counter() - start))


def median_s(call: Callable[[], Any], runs: int, clock: Callable[[], float]) -> float:
    """Give the median seconds of a call after a warm-up."""
    call()
    times = []
    for _ in range(runs):
        start = clock()
        call()
        times.append(clock() - start)
    return statistics.median(times)


def forecasts(engine: Engine, data: WindowData) -> dict[str, float]:
    """Measure forecasts of many windows, and of one that nothing was prepared for."""
    network = NetworkConfig()
    weights, rows = initial_weights(network, 0), np.arange(WINDOWS) + 9

    def run(count: int) -> None:
        engine.outputs(data, network, weights, rows[:count])

    many = median_s(lambda: run(WINDOWS), 9, time.process_time)
    one = median_s(lambda: run(1), 50, time.perf_counter)
    return {
        "windows_per_cpu_s": round(WINDOWS / many),
        "one_window_us": round(one * 1e6),
    }


def measured(engine: Engine, data: WindowData, epochs: int) -> dict[str, Any]:
    """Measure one engine on one thread."""
    training = {
        f"{head}, batch {batch}": per_epoch(engine, data, member(head, batch, epochs))
        for head in HEADS
        for batch in BATCHES
    }
    return {"training": training, "forecasts": forecasts(engine, data)}


def peak_gflops(engine: NativeEngine, *, draft: bool = False) -> float:
    """Probe what a core can do, in billions of operations a second of CPU time."""
    kernels = engine.kernels
    return max(kernels.peak_flops(20_000_000, draft) for _ in range(3)) / 1e9


def add_shares(training: dict[str, dict[str, float]], gflops: float) -> None:
    """Set each figure against a peak."""
    for title, figures in training.items():
        flops = flops_of_a_window(NetworkConfig(head=title.split(",")[0]))
        share = figures["windows_per_cpu_s"] * flops / (gflops * 1e9)
        figures["share_of_peak"] = round(share, 3)


def measured_native(name: str, data: WindowData, epochs: int) -> dict[str, Any]:
    """Measure one set of kernels, against the peak of a core."""
    engine = NativeEngine(1, name)
    gflops = peak_gflops(engine)
    result = measured(engine, data, epochs)
    add_shares(result["training"], gflops)
    return {"peak_gflops": round(gflops, 1), **result}


def measured_drafts(data: WindowData, epochs: int) -> dict[str, Any]:
    """Measure training in bfloat16, against its own peak."""
    engine = NativeEngine(1)
    if not engine.kernels.HAS_BFLOAT16:
        return {"why_not": f"{engine.instruction_set} has no bfloat16"}
    gflops = peak_gflops(engine, draft=True)
    training = {
        f"{head}, batch {batch}": per_epoch(
            engine, data, member(head, batch, epochs, precision="bfloat16")
        )
        for head in HEADS
        for batch in BATCHES
    }
    add_shares(training, gflops)
    return {"peak_gflops": round(gflops, 1), "training": training}


def two_threads(data: WindowData, epochs: int) -> dict[str, Any]:
    """Measure what a second core adds, for a fleet and for one network."""
    one = member("student_t", 128, epochs)
    alone, shared = (
        per_epoch(NativeEngine(threads), data, one)["windows_per_wall_s"]
        for threads in (1, 2)
    )
    return {
        "fleet of 32, one thread": fleet_wall(NativeEngine(1), data, 32),
        "fleet of 32, two threads": fleet_wall(NativeEngine(2), data, 32),
        "one network, one thread": alone,
        "one network, two threads": shared,
        "one network, gain of the second core": round(shared / alone, 3),
    }


def main() -> None:
    """Measure everything and say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--epochs", type=int, default=6)
    arguments = parser.parse_args()
    data = random_panel()
    result: dict[str, Any] = {}
    result["native_windows_per_wall_s"] = two_threads(data, arguments.epochs)
    for name in supported():
        result[f"native {name}"] = measured_native(name, data, arguments.epochs)
    result["native, bfloat16"] = measured_drafts(data, arguments.epochs)
    result["torch, one thread"] = measured(TorchEngine(), data, arguments.epochs)
    publish(result, arguments.out)


if __name__ == "__main__":
    main()
