r"""A panel on disk by shards: what a shard costs, and how large what comes back is.

A panel of simulated symbols with twenty years each is written and forecast, and some
of its shards are scored beside the baselines: CPU and wall seconds of a shard on one
core, its memory, and the bytes that a worker would be sent and would send back. With
``--ray`` the same forecast again on Ray's workers of this machine. Prices are
simulated, since only their number matters here. Some 2 minutes on two cores.

    python benchmarks/panel_shards.py --out benchmarks/results/panel_shards.json
"""

import argparse
import os
import pickle
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # as on a worker

import numpy as np
from machine import publish
from threadpoolctl import threadpool_limits

from closecast.cluster.workers import RayWorkers
from closecast.experiments.forecaster import Forecaster
from closecast.experiments.shards import (
    SYMBOLS,
    forecast_panel,
    forecast_shard,
    score_shard,
)
from closecast.market.bars import Bars
from closecast.testing import random_walk
from closecast.windows.on_disk import DiskPanel, write_panel

BARS = 5040
"""Sessions of twenty years."""


def symbols(count: int) -> Iterator[Bars]:
    """Simulate symbols, a shard at a time."""
    for seed in range(0, count, SYMBOLS):
        names = tuple(f"S{seed + place:06d}" for place in range(SYMBOLS))
        yield replace(random_walk(SYMBOLS, BARS, seed=seed), symbols=names)


def clock(work: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Give the wall and CPU seconds of some work, and what came of it."""
    before = time.process_time(), time.perf_counter()
    found = work()
    cpu, wall = time.process_time() - before[0], time.perf_counter() - before[1]
    return {"cpu_s": round(cpu, 3), "wall_s": round(wall, 3)}, found


def peak_gb() -> float:
    """Give the most memory that this process has held, mapped files among it."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)


def shard_costs(
    work: Callable[[Any, Any, None], Any], shared: Any, tasks: list[tuple[str, ...]]
) -> dict[str, Any]:
    """Do some shards one by one, the first one unmeasured."""
    work(shared, tasks[0], None)
    costs, results = zip(
        *(clock(lambda task=task: work(shared, task, None)) for task in tasks[1:]),
        strict=True,
    )
    cpu = float(np.median([cost["cpu_s"] for cost in costs]))
    return {
        "shards": len(costs),
        "symbols_of_a_shard": SYMBOLS,
        "cpu_s_of_a_shard": round(cpu, 3),
        "shards_per_core_and_second": round(1 / cpu, 3),
        "symbols_per_core_and_second": round(SYMBOLS / cpu, 1),
        "bytes_back_of_a_shard": len(pickle.dumps(results[0])),
        "peak_memory_gb": peak_gb(),
    }


def main() -> None:
    """Measure and say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--scored", type=int, default=2)
    parser.add_argument("--ray", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, threadpool_limits(1):
        writing, panel = clock(
            lambda: write_panel(home, symbols(SYMBOLS * arguments.shards))
        )
        model = Forecaster(engine="native", epochs=1).fit(random_walk(2, BARS))
        names = sorted(panel.symbols)
        tasks = [
            tuple(names[at : at + SYMBOLS]) for at in range(0, len(names), SYMBOLS)
        ]
        whole, forecast = clock(lambda: forecast_panel(model, panel))
        result = {
            "symbols": len(names),
            "bars": len(panel),
            "panel_bytes": sum(path.stat().st_size for path in Path(home).iterdir()),
            "writing": writing,
            "forecasting_all": whole,
            "forecasting": shard_costs(forecast_shard, (model, panel), tasks),
            "scoring": shard_costs(
                score_shard, (model, panel), tasks[: 1 + arguments.scored]
            ),
            "bytes_sent_once": len(pickle.dumps((model, panel))),
            "bytes_sent_with_a_shard": len(pickle.dumps(tasks[0])),
        }
        if arguments.ray:
            result["forecasting_all_on_ray"] = on_ray(model, panel, forecast)
    publish(result, arguments.out)


def on_ray(model: Any, panel: DiskPanel, forecast: Any) -> dict[str, Any]:
    """Forecast on the workers of this machine, once they have loaded."""
    with RayWorkers() as workers:
        forecast_panel(model, panel, workers=workers)
        spent, again = clock(lambda: forecast_panel(model, panel, workers=workers))
    same = np.array_equal(again.quantiles, forecast.quantiles)
    return {"wall_s": spent["wall_s"], "same bits": bool(same)}


if __name__ == "__main__":
    main()
