"""A sweep that is killed at random moments ends with the bytes of one that was not.

Each round begins a new sweep, kills it with SIGKILL at a random moment of its life,
starts the same command again, perhaps kills that too, and lets the last one end. Then
every file of its run is compared with an uninterrupted run's, and the count of trials.

    python benchmarks/sweep_kills.py --out benchmarks/results/sweep_kills.json
"""

import argparse
import os
import random
import shutil
import signal
import tempfile
import time
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # no thread may live where a process forks

from machine import publish
from processes import forked

from closecast.experiments.index import Index
from closecast.experiments.sweep import sweep
from closecast.market.bars import Bars
from closecast.testing import random_walk

GRID = {"learning_rate": [0.001, 0.01], "num_layers": [1, 2]}
SETTINGS = {
    "hidden_size": 8, "epochs": 12, "early_stopping": False, "batch_size": 32,
    "engine": "native",
}  # fmt: skip


def start(bars: Bars, home: Path) -> int:
    """Begin or go on with the sweep of a folder, in a process of its own."""

    def begin() -> None:
        sweep(bars, GRID, seeds=3, out=home / "run", index=home / "i", **SETTINGS)

    child, said = forked(begin)
    said.close()
    return child


def ended(child: int) -> int:
    """Wait for a process and give its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def tree(home: Path) -> dict[str, bytes]:
    """Read every file of a run."""
    run = home / "run"
    return {
        str(p.relative_to(run)): p.read_bytes() for p in run.rglob("*") if p.is_file()
    }


def finish(bars: Bars, home: Path) -> tuple[dict[str, bytes], int]:
    """Let a sweep run to its end; give its files and the trials counted."""
    if ended(start(bars, home)):
        raise SystemExit("Expected a sweep to end, got an error: see above.")
    return tree(home), Index(home / "i").trials(bars.fingerprint)


def kill(bars: Bars, home: Path, after: float) -> bool:
    """Kill a sweep some seconds after its start; whether it was still alive."""
    child = start(bars, home)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    code = ended(child)
    if code not in {0, -signal.SIGKILL}:
        raise SystemExit("Expected a sweep to be killed or to end, got an error.")
    return code != 0


def measure(kills: int, seed: int, folder: Path) -> dict[str, float]:
    """Kill, resume and compare until there were enough kills."""
    chance, bars = random.Random(seed), random_walk(2, 400)  # noqa: S311
    (folder / "whole").mkdir()
    began = time.perf_counter()
    expected = finish(bars, folder / "whole")
    took = time.perf_counter() - began
    hit, tried, runs, identical = 0, 0, 0, 0
    while hit < kills:
        home = folder / "killed"
        home.mkdir()
        again = True
        while again:
            killed = kill(bars, home, chance.uniform(0, took))
            hit, tried = hit + killed, tried + 1
            again = killed and chance.random() < 0.5
        runs, identical = runs + 1, identical + (finish(bars, home) == expected)
        shutil.rmtree(home)
    return {
        "seconds_uninterrupted": round(took, 2),
        "kills": hit,
        "ended_before_the_kill": tried - hit,
        "runs": runs,
        "runs_identical": identical,
    }


def main() -> None:
    """Measure and say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(arguments.kills, arguments.seed, Path(folder))
    publish(found, arguments.out)


if __name__ == "__main__":
    main()
