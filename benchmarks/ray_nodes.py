r"""Ray: what it costs over one process, and what a dead node costs.

First the lab's sweep in this process and on Ray's workers of the same machine, with the
starting and stopping of Ray apart. Then, round after round, a cluster of three nodes
with one core each, of which one is killed at a random moment of a sweep: every file of
the run is compared with the run of a single process, and every result must come once.

Ray talks over the machine's own address where it can, so this needs a network of its
own. Some 25 s a round on two cores, 5 minutes for ten rounds and the sweeps.

    unshare --net sh -c 'ip link set lo up && exec "$@"' sh \
        python benchmarks/ray_nodes.py --out benchmarks/results/ray_nodes.json
"""

import argparse
import os
import random
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Timer
from typing import Any

os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "benchmark" * 4}

from machine import publish

from closecast.cluster.workers import RayWorkers
from closecast.experiments.sweep import sweep
from closecast.experiments.workers import IN_PROCESS, Workers
from closecast.testing import random_walk

GRID = {"learning_rate": (1e-3, 1e-4, 1e-5), "num_layers": (1, 2, 3)}
BARS = 5000  # so that the training block has 3,486 windows
STORE_BYTES = 100 * 2**20


def clock(work: Callable[[], object]) -> dict[str, float]:
    """Give the wall seconds of some work."""
    start = time.perf_counter()
    work()
    return {"wall_s": round(time.perf_counter() - start, 2)}


def lab_sweep(home: Path, epochs: int, workers: Workers, **more: Any) -> None:
    """Train the lab's nine networks."""
    sweep(
        random_walk(1, BARS), GRID, seeds=1, epochs=epochs, early_stopping=False,
        out=home / "run", index=home / "index.sqlite", workers=workers, **more,
    )  # fmt: skip


def overhead(home: Path, epochs: int) -> dict[str, Any]:
    """Time the lab's sweep here and on the workers of this machine."""
    lab_sweep(home / "warm", 1, IN_PROCESS)
    alone = clock(lambda: lab_sweep(home / "alone", epochs, IN_PROCESS))
    start = time.perf_counter()
    with RayWorkers() as workers:
        up = time.perf_counter() - start
        cold = clock(lambda: lab_sweep(home / "cold", epochs, workers))
        warm = clock(lambda: lab_sweep(home / "ray", epochs, workers))
        stopping = time.perf_counter()
    return {
        "in process": alone,
        "start of Ray, wall_s": round(up, 2),
        "on Ray, workers not there yet": cold,
        "on Ray": warm,
        "stop of Ray, wall_s": round(time.perf_counter() - stopping, 2),
        "same bytes": tree(home / "alone" / "run") == tree(home / "ray" / "run"),
    }


def tree(run: Path) -> dict[str, bytes]:
    """Read every file of a run."""
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in run.rglob("*")
        if path.is_file()
    }


def dead_node(home: Path, epochs: int, after_s: float) -> dict[str, Any]:
    """Sweep on three nodes and kill one of them after some seconds."""
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    nodes = [
        cluster.add_node(
            num_cpus=1,
            node_ip_address="127.0.0.1",
            include_dashboard=False,
            object_store_memory=STORE_BYTES,
        )
        for _ in range(3)
    ]
    returned: Counter[str] = Counter()
    try:
        with RayWorkers(cluster.address) as workers, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            killer = Timer(after_s, cluster.remove_node, (nodes[2], False))
            killer.start()
            lab_sweep(home, epochs, Watched(workers, returned))
            killer.join()
            left = len(workers._ray.nodes()) - 1
    finally:
        cluster.shutdown()
    return {
        "killed_after_s": round(after_s, 2),
        "each result once": sorted(returned.values()) == [1] * len(returned),
        "tasks": len(returned),
        "nodes left": left,
    }


class Watched:
    """Workers whose results are counted on their way."""

    def __init__(self, workers: RayWorkers, returned: Counter[str]) -> None:
        self.workers, self.returned = workers, returned

    def fleet_size(self, members: int, most: int) -> int:
        """Ask the workers."""
        return self.workers.fleet_size(members, most)

    def run(self, *given: Any, **named: Any):
        """Let the workers run, and count what comes back."""
        for place, outcome in self.workers.run(*given, **named):
            self.returned[str(place)] += 1
            yield place, outcome


def main() -> None:
    """Measure and say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    moments = random.Random(0)  # noqa: S311  no secret
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        cost = overhead(home, arguments.epochs)
        span = cost["on Ray"]["wall_s"]
        alone, rounds = tree(home / "alone" / "run"), []
        for number in range(arguments.rounds):
            there = home / f"round {number}"
            told = dead_node(there, arguments.epochs, moments.uniform(0.1, span))
            rounds.append({**told, "nothing lost": tree(there / "run") == alone})
            print(rounds[-1], flush=True)
    result = {
        "epochs": arguments.epochs,
        "lab sweep": cost,
        "rounds": rounds,
        "rounds with nothing lost and each result once": sum(
            one["nothing lost"] and one["each result once"] for one in rounds
        ),
    }
    publish(result, arguments.out)


if __name__ == "__main__":
    main()
