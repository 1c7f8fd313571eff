"""closecast beside PyTorch, NeuralForecast, Darts and Keras: whole processes, one run.

Every figure is of a process from its start to saved models: imports, preparation,
training, and for closecast also validation after each epoch, leak tests and, in the lab
task, its light baselines (all but GARCH) over the unseen block. glibc is
told to keep freed memory, which helps the others most. CPU seconds count every thread;
what others did on the machine meanwhile stands beside them. A share of the peak is the
matrix arithmetic of the training over all that a core could have done in that CPU time.

NeuralForecast, Darts and Keras need an environment of their own, since they ask for an
older pandas; `make bench` makes it, in `.venv-bench`:

    make .venv-bench/.installed
    python benchmarks/side_by_side.py --peers .venv-bench/bin/python \
        --tasks lab --repeat 1
    python benchmarks/side_by_side.py --peers .venv-bench/bin/python \
        --out benchmarks/results/side_by_side.json
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine

from closecast.engine.native import NativeEngine
from closecast.models.config import NetworkConfig
from closecast.testing import random_walk
from closecast.windows import WindowSpec, split_by_date
from engine import flops_of_a_window

SPEC = WindowSpec(context_length=10, horizon=5)
ONE = [(1e-3, 2)]
GRID = [(rate, depth) for rate in (1e-3, 1e-4, 1e-5) for depth in (1, 2, 3)]
PEERS = ("NeuralForecast", "Darts", "Keras")
ALL = ("closecast", "PyTorch", *PEERS)
TASKS: dict[str, dict[str, Any]] = {
    "lab": {"symbols": 1, "bars": 5000, "members": ONE, "epochs": 20, "of": ALL},
    "sweep": {"symbols": 1, "bars": 5000, "members": GRID, "epochs": 20, "of": ALL},
    "panel": {"symbols": 500, "bars": 2500, "members": ONE, "epochs": 1, "of": ALL},
    **{
        f"{symbols} symbols": {
            "symbols": symbols, "bars": 250, "members": ONE, "epochs": 1,
            "of": ALL if symbols <= 1000 else ALL[:2],
        }
        for symbols in (100, 1_000, 10_000)
    },
}  # fmt: skip


def write_prices(task: dict[str, Any], path: Path) -> int:
    """Simulate a panel into a file; give the number of its training windows."""
    bars = random_walk(task["symbols"], task["bars"])
    split = split_by_date(bars, SPEC)
    length = int((bars.dates[: task["bars"]] < split.validation_start).sum())
    np.savez(
        path,
        values=bars.values,
        offsets=bars.offsets,
        rows=split.train,
        length=length,
    )
    return len(split.train)


def busy_s() -> float:
    """Give the CPU seconds that this machine has spent on anything so far."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    user, nice, system, _, _, irq, softirq, _ = (int(field) for field in fields)
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def run(python: str, contender: str, task: dict[str, Any], threads: int, prices: Path):
    """Run one contender as a process; give its time, and how busy others were."""
    environment = os.environ | {
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
        "MALLOC_TRIM_THRESHOLD_": str(512 * 2**20),
        "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={str(threads > 1).lower()}",
    }
    script = str(Path(__file__).with_name("contenders.py"))
    cores = set(sorted(os.sched_getaffinity(0))[:threads])
    with tempfile.TemporaryDirectory() as folder:
        members = json.dumps(task["members"])
        before, busy = resource.getrusage(resource.RUSAGE_CHILDREN), busy_s()
        started = time.perf_counter()
        answer = subprocess.run(
            [python, script, contender, prices, folder, members, str(task["epochs"])],
            env=environment | {"CLOSECAST_HOME": folder},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        wall = time.perf_counter() - started
        after, busy = resource.getrusage(resource.RUSAGE_CHILDREN), busy_s() - busy
    if answer.returncode:
        sys.exit(f"{contender} failed:\n{answer.stderr[-3000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    own = json.loads(answer.stdout.splitlines()[-1])
    return {"cpu_s": cpu, "wall_s": wall, "others_cores": (busy - cpu) / wall, **own}


def flops(task: dict[str, Any], windows: int) -> float:
    """Count the matrix arithmetic of a task's training."""
    each = [
        NetworkConfig(head="point", num_layers=depth) for _, depth in task["members"]
    ]
    return sum(map(flops_of_a_window, each)) * windows * task["epochs"]


def measured(name: str, pythons: dict[str, str], repeat: int, peak: float):
    """Measure every contender on a task, alternately, by median."""
    task = TASKS[name]
    contenders = [one for one in task["of"] if one in pythons]
    with tempfile.TemporaryDirectory() as folder:
        prices = Path(folder) / "prices.npz"
        windows = write_prices(task, prices)
        runs: dict[tuple[str, int], list[dict[str, float]]] = {}
        for _ in range(repeat):
            for contender in contenders:
                for threads in (1, 2):
                    figures = run(pythons[contender], contender, task, threads, prices)
                    runs.setdefault((contender, threads), []).append(figures)
                    print(
                        name, contender, threads, figures, file=sys.stderr, flush=True
                    )
    steps = windows * task["epochs"] * len(task["members"])
    result: dict[str, Any] = {"windows": windows, "epochs": task["epochs"]}
    result["networks"] = len(task["members"])
    for (contender, threads), all_runs in runs.items():
        medians = {
            key: round(statistics.median(one[key] for one in all_runs), 2)
            for key in all_runs[0]
        }
        share = flops(task, windows) / (peak * medians["cpu_s"])
        medians |= {
            "windows_per_cpu_s": round(steps / medians["cpu_s"]),
            "share_of_peak": round(share, 3),
        }
        result.setdefault(contender, {})[f"{threads} threads"] = medians
    return result


def main() -> None:
    """Measure every task and say it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--peers", help="python of the environment with the others")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    pythons = dict.fromkeys(ALL[:2], sys.executable)
    if arguments.peers:
        pythons |= dict.fromkeys(PEERS, str(Path(arguments.peers).absolute()))
    engine = NativeEngine(1)
    peak = max(engine.kernels.peak_flops(20_000_000) for _ in range(3))
    where = {
        "machine": machine(),
        "peers": versions(pythons.get("Keras")),
        "peak_gflops_of_a_core": round(peak / 1e9, 1),
        "repeat": arguments.repeat,
    }
    for name in arguments.tasks:
        result = where | {"load_before": os.getloadavg()}
        result |= measured(name, pythons, arguments.repeat, peak)
        print(json.dumps({name: result}, indent=2))
        if arguments.out:
            keep(arguments.out, name, result)


def keep(out: Path, name: str, result: dict[str, Any]) -> None:
    """Write a task as soon as it is measured, beside those that were before."""
    others = json.loads(out.read_text()) if out.exists() else {}
    out.write_text(json.dumps(others | {name: result}, indent=2) + "\n")


def versions(python: str | None) -> dict[str, str]:
    """Name the versions of the others."""
    if python is None:
        return {}
    names = ("torch", "neuralforecast", "u8darts", "keras", "jax", "pandas")
    code = (
        "import json; from importlib.metadata import version; "
        f"print(json.dumps({{name: version(name) for name in {names}}}))"
    )
    answer = subprocess.run([python, "-c", code], capture_output=True, check=True)
    return dict(json.loads(answer.stdout))


if __name__ == "__main__":
    main()
