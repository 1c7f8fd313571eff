"""One epoch over a panel on disk: time, memory, and how both grow with the windows.

Simulates symbols of twenty years one by one, writes them into a panel, and trains in
a fresh process whose peak of resident memory is the kernel's own figure. What counts
as the panel are the files that training reads: logarithms, scale and the cutoffs of
the split. A figure is only as quiet as the machine: the load stands beside it.

    python benchmarks/out_of_core.py --symbols 20 40          # to try it
    python benchmarks/out_of_core.py --out benchmarks/results/out_of_core.json
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from machine import publish

from closecast.market.bars import Bars
from closecast.testing import random_walk

BARS = 5_014 + 270
"""Sessions of about twenty years, and those that the split holds back."""

TRAINED = ("logs.f64", "scale.f64", "train.i64", "validation.i64")
SYMBOLS = (200, 500, 1_000, 2_000, 5_000)


def simulated(symbols: int) -> Iterator[Bars]:
    """Make walks one by one, each under a name of its own."""
    for number in range(symbols):
        walk = random_walk(1, BARS, seed=number)
        yield Bars(
            symbols=(f"W{number:05d}",),
            offsets=walk.offsets,
            dates=walk.dates,
            values=walk.values,
        )


def train(folder: Path) -> dict[str, Any]:
    """Train one epoch on a panel; give time and memory of this process."""
    from closecast.training.on_disk import train_on_disk
    from closecast.training.settings import Settings
    from closecast.windows.on_disk import DiskPanel

    panel = DiskPanel.open(folder)
    settings = Settings(engine="native", epochs=1, early_stopping=False)
    started = time.perf_counter()
    calendar = np.asarray(panel.dates[:BARS])
    cuts = (str(calendar[-250]), str(calendar[-20]))
    split = panel.split(settings.window_spec, *cuts)
    split_s = time.perf_counter() - started
    marks = [(time.process_time(), time.perf_counter())]
    train_on_disk(
        panel,
        settings,
        split,
        lambda _: marks.append((time.process_time(), time.perf_counter())),
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    files = sum((folder / name).stat().st_size for name in TRAINED)
    cpu, wall = np.subtract(marks[-1], marks[0])
    return {
        "windows": len(split.train),
        "split_s": round(split_s, 2),
        "epoch_wall_s": round(wall, 2),
        "epoch_cpu_s": round(cpu, 2),
        "windows_per_wall_s": round(len(split.train) / wall),
        "panel_mb": round(files / 1e6, 1),
        "rss_mb": round(peak / 1e6, 1),
        "rss_beyond_panel_mb": round((peak - files) / 1e6, 1),
    }


def measured(symbols: int) -> dict[str, Any]:
    """Write a panel, and train on it in a process of its own."""
    from closecast.windows.on_disk import write_panel

    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        write_panel(folder, simulated(symbols))
        written_s = time.perf_counter() - started
        load = os.getloadavg()[0]
        command = [sys.executable, __file__, "--train", folder]
        answer = subprocess.run(command, check=True, capture_output=True, text=True)
    figures = {"symbols": symbols, "write_s": round(written_s, 1), "load_before": load}
    return figures | json.loads(answer.stdout)


def exponent(runs: list[dict[str, Any]], name: str) -> float:
    """Fit by how much a figure grows with the windows: 1 is in proportion."""
    logs = np.log([[run["windows"], run[name]] for run in runs])
    return round(float(np.polyfit(logs[:, 0], logs[:, 1], 1)[0]), 3)


def main() -> None:
    """Measure every size and say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--symbols", type=int, nargs="+", default=SYMBOLS)
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train:
        print(json.dumps(train(arguments.train)))
        return
    runs = [measured(symbols) for symbols in arguments.symbols]
    result = {"bars": BARS, "runs": runs}
    if len(runs) > 1:
        result["exponent_of_wall"] = exponent(runs, "epoch_wall_s")
        result["exponent_of_cpu"] = exponent(runs, "epoch_cpu_s")
        result["exponent_off"] = round(abs(result["exponent_of_cpu"] - 1), 3)
    publish(result, arguments.out)


if __name__ == "__main__":
    main()
