"""How many windows a second a GPU trains and forecasts, and which share of its peak.

A share of the peak is what the arithmetic of the products takes of the operations that
a large float32 product makes on the same card. Training counts whole epochs after the
first: shuffling, gathering, dropout, both passes, the optimiser and the validation of
some windows. Prints and writes JSON with machine, versions and commit beside them.

    python benchmarks/gpu.py --out benchmarks/results/gpu.json  # a minute on an H100
"""

import argparse
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from machine import publish

from closecast.engine.fleet import Member, OptimizerConfig
from closecast.engine.torch import TorchEngine
from closecast.models.config import NetworkConfig, initial_weights
from closecast.windows.scaling import WindowData
from closecast.windows.spec import WindowSpec
from engine import flops_of_a_window

SPEC = WindowSpec(context_length=10, horizon=5)
SYMBOLS, DAYS = 5000, 5000
ONE = {128: 2**18, 1024: 2**20, 8192: 2**20, 65_536: 2**20}
"""Windows of an epoch by the size of a batch, for a network by itself."""

FLEETS = {9: 2**16, 32: 2**15, 128: 2**14, 512: 2**14}
"""Windows of an epoch of each member, by the number of members."""

PLAIN = {1: 2**13, 9: 2**13, 128: 2**12}
"""The same where every instruction is PyTorch's and asked for by itself."""

PANEL_BATCH = 65_536
ENGINE = TorchEngine("cuda")


def panel(symbols: int, days: int) -> WindowData:
    """Make random walks, one after the other."""
    rng = np.random.default_rng(0)
    steps = rng.standard_normal((symbols, days, 5)) * 0.02
    logs = 3 + np.cumsum(steps, axis=1).reshape(-1, 5)
    return WindowData(
        SPEC, logs, rng.uniform(0.01, 0.03, len(logs)), np.empty((len(logs), 0))
    )


def cutoffs(symbols: int, days: int) -> np.ndarray:
    """Give the rows that have a whole window before them and targets after them."""
    inside = np.arange(SPEC.context_length - 1, days - SPEC.horizon)
    return (np.arange(symbols)[:, None] * days + inside).ravel()


def member(rows: np.ndarray, windows: int, batch: int, **settings: Any) -> Member:
    """Make the network of the lecture: two layers of 50, dropout, batch norm."""
    return Member(
        name=f"seed {settings.get('seed', 0)}",
        network=NetworkConfig(),
        optimizer=OptimizerConfig(batch_size=batch, early_stopping=False, **settings),
        train=rows[:windows],
        validation=rows[-1024:],
    )


def epoch_s(data: WindowData, fleet: list[Member]) -> float:
    """Train a fleet; give the seconds of an epoch of all, those after the first."""
    ends = {}

    def on_epoch(progress: Any) -> None:
        if progress.done == 1:
            ends[progress.number, progress.epoch] = time.perf_counter()

    ENGINE.train(data, fleet, on_epoch)
    last = fleet[0].optimizer.epochs
    first, second = (
        max(at for (_, epoch), at in ends.items() if epoch == one) for one in (1, last)
    )
    return (second - first) / (last - 1)


def training(
    data: WindowData, fleet: list[Member], flops_per_s: float
) -> dict[str, float]:
    """Give windows a second of a fleet, and which share of the floor's that is."""
    seconds = epoch_s(data, fleet)
    rate = len(fleet) * len(fleet[0].train) / seconds
    return {
        "windows_per_s": round(rate),
        "epoch_s": round(seconds, 3),
        "share_of_peak": round(
            rate * flops_of_a_window(fleet[0].network) / flops_per_s, 4
        ),
    }


def fleets(
    data: WindowData, rows: np.ndarray, sizes: dict[int, int], peak: float
) -> dict[str, dict[str, float]]:
    """Measure fleets of networks whose batches are of 128 windows."""
    return {
        f"{size} members": training(
            data,
            [member(rows, count, 128, epochs=3, seed=seed) for seed in range(size)],
            peak,
        )
        for size, count in sizes.items()
    }


def plain_fleets(
    data: WindowData, rows: np.ndarray, peak: float
) -> dict[str, dict[str, float]]:
    """Measure what kernels and graphs are worth: fleets without them."""
    room = "closecast.engine.torch"
    with (
        patch(f"{room}.batched.has_kernels", return_value=False),
        patch(f"{room}.dropout.has_kernels", return_value=False),
        patch(f"{room}.network.has_kernels", return_value=False),
    ):
        return fleets(data, rows, PLAIN, peak)


def seconds_of(call: Callable[[], object], runs: int) -> float:
    """Give the median seconds of a call, after three that do not count."""
    times = []
    for _ in range(runs + 3):
        torch.cuda.synchronize()
        start = time.perf_counter()
        call()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return float(np.median(times[3:]))


def ceilings() -> dict[str, float]:
    """Measure what the card can do: bytes copied, products of float32 and bfloat16."""
    source, target = (torch.randn(2**28, device="cuda") for _ in "ab")
    copy = seconds_of(lambda: target.copy_(source), 10)
    found = {"copy_gb_per_s": round(2 * 4 * 2**28 / copy / 1e9)}
    for kind in (torch.float32, torch.bfloat16):
        left, right = (torch.randn(8192, 8192, device="cuda", dtype=kind) for _ in "ab")
        seconds = seconds_of(lambda one=left, two=right: one @ two, 10)
        name = str(kind).removeprefix("torch.")
        found[f"{name}_tflops"] = round(2 * 8192**3 / seconds / 1e12, 1)
    return found


def forecasts(data: WindowData, rows: np.ndarray) -> dict[str, float]:
    """Measure forecasts of many windows, and of one."""
    network = NetworkConfig()
    run = ENGINE.prepare(data, network, initial_weights(network, 0))
    return {
        "windows_per_s": round(len(rows) / seconds_of(lambda: run(rows), 3)),
        "one_window_us": round(1e6 * seconds_of(lambda: run(rows[:1]), 50)),
    }


def card() -> dict[str, str | int]:
    """Say which card it is, and what talks to it."""
    found = torch.cuda.get_device_properties(0)
    return {
        "name": found.name,
        "memory_gb": round(found.total_memory / 1e9),
        "cuda": torch.version.cuda,
        "triton": version("triton"),
    }


def main() -> None:
    """Measure everything and publish it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    out = parser.parse_args().out
    limits = ceilings()
    peak = limits["float32_tflops"] * 1e12
    small, few = panel(300, DAYS), cutoffs(300, DAYS)
    one = {
        f"batch {batch}": training(small, [member(few, count, batch, epochs=3)], peak)
        for batch, count in ONE.items()
    }
    draft = member(few, 2**20, PANEL_BATCH, epochs=3, precision="bfloat16")
    forecast = forecasts(small, few)
    data, rows = panel(SYMBOLS, DAYS), cutoffs(SYMBOLS, DAYS)
    whole = member(rows, len(rows), PANEL_BATCH, epochs=2)
    found = {
        "card": card(),
        "ceilings": limits,
        "one network": one,
        "one network in bfloat16": {
            f"batch {PANEL_BATCH}": training(small, [draft], peak)
        },
        "fleets of batch 128": fleets(small, few, FLEETS, peak),
        "fleets without kernels and graphs": plain_fleets(small, few, peak),
        "forecasts": forecast,
        "panel": {"windows": len(rows), "batch": PANEL_BATCH}
        | training(data, [whole], peak),
    }
    publish(found, out)


if __name__ == "__main__":
    main()
