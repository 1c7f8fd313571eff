"""Scenes on a real cluster, each told as JSON; conftest.py runs them.

python scenes.py SCENE FOLDER
"""

import json
import os
import subprocess
import sys
import threading
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np

import closecast as cc
from closecast.cluster import workers as room
from closecast.errors import ClusterError, WindowError
from closecast.experiments.workers import IN_PROCESS
from closecast.market.readers import to_frame
from closecast.testing import random_walk

QUICK = {
    "hidden_size": 50,
    "epochs": 60,  # a fleet trains for seconds, so that a node dies amid one
    "batch_size": 32,
    "early_stopping": False,
    "optimizer": "sgd",
}
GRID = {"learning_rate": [0.001, 0.01, 1000.0], "num_layers": [1, 2]}
WALK = {"folds": 3, "refit_every": 30}

PATIENCE_S = 20.0


def panel():
    """Two random walks; the same in every process."""
    return random_walk(2, 400)


def three_nodes():
    """Start a cluster of three nodes with one core each."""
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    nodes = [
        cluster.add_node(
            num_cpus=1,
            node_ip_address="127.0.0.1",
            include_dashboard=False,
            object_store_memory=80 * 2**20,
        )
        for _ in range(3)
    ]
    return cluster, nodes


def look(bars, _task, _on_epoch):
    """Tell how a worker sees what it was brought."""
    import ray

    time.sleep(0.5)  # so that one node does not take them all
    return {
        "node": ray.get_runtime_context().get_node_id(),
        "copied": bool(bars.values.flags.owndata or bars.values.flags.writeable),
        "sum": float(bars.values.sum()),
        "threads": os.environ["OMP_NUM_THREADS"],
    }


def fail(_home, task, _on_epoch):
    """Fail as a user's data makes it fail."""
    raise WindowError(f"Expected more bars, got {task}.")


def die(home, _task, _on_epoch):
    """End the worker's process, and leave a trace of it."""
    with (home / "deaths").open("a") as trace:
        trace.write("x")
    os._exit(1)


def wait(_home, _task, _on_epoch):
    """Work for long."""
    time.sleep(600)


def error_of(workers, work, shared, tasks):
    """Run tasks that must fail, and tell how."""
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        try:
            list(workers.run(work, shared, tasks))
        except Exception as error:  # told, whatever it is
            return {
                "kind": type(error).__name__,
                "text": str(error),
                "notes": [str(note.message) for note in notes],
            }
    return None


def swept(home, name, workers, on_progress=None):
    """Sweep into a folder of this name."""
    index = home / f"{name}.sqlite"
    cc.sweep(
        panel(),
        GRID,
        seeds=2,
        out=home / name,
        index=index,
        workers=workers,
        on_progress=on_progress,
        **QUICK,
    )


def columns_of(backtest):
    """Give a walk's forecasts as bytes."""
    return {k: np.asarray(v).tobytes() for k, v in backtest.to_columns().items()}


class Together:
    """Workers that begin when each of the three nodes has a task."""

    def __init__(self, workers, home):
        self.workers, self.home = workers, home

    def fleet_size(self, members, most):
        """Ask the workers."""
        return self.workers.fleet_size(members, most)

    def run(self, work, shared, tasks, on_epoch):
        """Let the workers run."""
        together = partial(begin_together, self.home, work)
        return self.workers.run(together, shared, tasks, on_epoch)


def begin_together(home, work, shared, task, on_epoch):
    """Wait for the other nodes, then work."""
    import ray

    (home / f"{ray.get_runtime_context().get_node_id()}.begun").touch()
    while len(list(home.glob("*.begun"))) < 3:
        time.sleep(0.01)
    return work(shared, task, on_epoch)


def sweep_with_a_death(home, workers, kill):
    """Sweep while a node is killed; tell what was reported and warned."""
    import ray

    puts, counts, put = [], [], ray.put

    def counting_put(value):
        puts.append(1)
        return put(value)

    def on_progress(progress):
        counts.append(len(progress.results))
        if progress.running is not None:
            kill()

    ray.put = counting_put
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        swept(home, "cluster", Together(workers, home), on_progress)
    ray.put = put
    return {
        "puts": len(puts),
        "counts": counts,
        "notes": [str(note.message) for note in notes],
    }


def cluster(home):
    """Three nodes, of which one after the other dies."""
    told = {}
    cluster, nodes = three_nodes()

    def kill_one():
        if len(nodes) == 3:
            cluster.remove_node(nodes.pop(), allow_graceful=False)

    bars = panel()
    with cc.RayWorkers(cluster.address) as workers:
        told["sizes"] = [workers.fleet_size(n, 16) for n in (1, 12, 48, 49)]
        told["looks"] = [one for _, one in workers.run(look, bars, [1, 2, 3])]
        told["sum"] = float(bars.values.sum())
        told["sweep"] = sweep_with_a_death(home, workers, kill_one)
        told["own error"] = error_of(workers, fail, home, [7])
        told["lost thrice"] = error_of(workers, die, home, ["only"])
        told["deaths"] = len((home / "deaths").read_text())
        forecaster = cc.Forecaster(**QUICK, num_layers=1)
        there = columns_of(forecaster.cross_validate(bars, **WALK, workers=workers))
        ours = room.passport
        room.passport = lambda: {**ours(), "closecast": "0.0.1"}
        told["another version"] = error_of(workers, look, bars, [1])
        room.passport = ours
        told["dead"] = death_of_all(nodes, workers, home)
    swept(home, "alone", IN_PROCESS)
    told["backtest"] = there == columns_of(forecaster.cross_validate(bars, **WALK))
    return told


def death_of_all(nodes, workers, home):
    """Kill the last nodes, the head among them, while a task runs."""

    def kill_all():
        for node in nodes:
            node.kill_all_processes(check_alive=False, allow_graceful=False)

    threading.Timer(1.0, kill_all).start()
    began = time.monotonic()
    told = error_of(workers, wait, home, ["only"])
    return {**told, "elapsed_s": time.monotonic() - began}


class Mourning:
    """Workers that begin together, and end when one of the nodes is dead."""

    def __init__(self, workers, home):
        self.workers, self.home = workers, home

    def run(self, work, shared, tasks):
        """Let the workers run."""
        together = partial(begin_together, self.home, partial(mourn, self.home, work))
        return self.workers.run(together, shared, tasks)


def mourn(home, work, shared, task, on_epoch):
    """Do the work once a node is dead."""
    while not (home / "dead").exists():
        time.sleep(0.01)
    return work(shared, task, on_epoch)


def shards(home):
    """A panel on disk is forecast and scored by three nodes, of which one dies."""
    import ray

    from closecast.experiments import shards as room
    from closecast.windows.on_disk import write_panel

    room.SYMBOLS = 2
    bars = random_walk(12, 320)
    disk = write_panel(home / "panel", [bars])
    forecaster = cc.Forecaster(hidden_size=8, epochs=1, num_layers=1).fit(bars)
    cluster, nodes = three_nodes()
    puts, put, done = [], ray.put, []

    def kill_one():
        while len(list(home.glob("*.begun"))) < 3:
            time.sleep(0.01)
        cluster.remove_node(nodes.pop(), allow_graceful=False)
        (home / "dead").touch()

    def counting_put(value):
        puts.append(1)
        return put(value)

    with (
        cc.RayWorkers(cluster.address) as workers,
        warnings.catch_warnings(record=True) as notes,
    ):
        warnings.simplefilter("always")
        ray.put = counting_put
        threading.Thread(target=kill_one).start()
        there = room.forecast_panel(
            forecaster,
            disk,
            workers=Mourning(workers, home),
            on_shard=lambda *progress: done.append(progress),
        )
        ray.put = put
        scored = room.score_panel(forecaster, disk, workers=workers)
        (home / "panel").rename(home / "moved")
        lost = error_of(workers, room.forecast_shard, (forecaster, disk), [("W00",)])
        (home / "moved").rename(home / "panel")
    cluster.shutdown()
    return {
        "notes": [str(note.message) for note in notes],
        "puts": len(puts),
        "done": done,
        "same forecast": same(there, room.forecast_panel(forecaster, disk)),
        "same as in memory": same(there, forecaster.forecast(bars)),
        "same score": scored.to_dict() == room.score_panel(forecaster, disk).to_dict(),
        "no panel": lost,
    }


def same(ours, theirs):
    """Compare two forecasts to the bit."""
    return bool(
        np.array_equal(ours.symbols, theirs.symbols)
        and np.array_equal(ours.quantiles, theirs.quantiles)
        and np.array_equal(ours.mean, theirs.mean)
    )


DRIVER = """
seeds = 2
epochs = 40
batch_size = 32
early_stopping = false
optimizer = "sgd"
[grid]
learning_rate = [0.001, 0.01]
num_layers = [1, 2]
"""


def driver(home):
    """The command is killed amid its sweep and given again, by the same flags."""
    to_frame(panel(), "pandas").to_csv(home / "prices.csv", index=False)
    (home / "grid.toml").write_text(DRIVER)
    cluster, _ = three_nodes()
    there = ["--on", "ray", "--address", cluster.address]
    told = {}
    first = command(home, "run", *there)
    while first.poll() is None and not list(home.glob("run/members/*/member.json")):
        time.sleep(0.01)
    first.kill()
    first.wait()
    told["done before"] = len(list(home.glob("run/members/*/member.json")))
    told["judged before"] = (home / "run" / "sweep.json").exists()
    told["exit"] = [command(home, "run", *there).wait()]
    cluster.shutdown()
    told["exit"].append(command(home, "alone").wait())
    return told


def command(home, name, *flags):
    """Start ``closecast sweep``."""
    words = ["-m", "closecast", "sweep", "grid.toml", "prices.csv", "--json"]
    where = ["--out", name, "--index", f"{name}.sqlite"]
    return subprocess.Popen(
        [sys.executable, *words, *where, *flags],
        cwd=home,
        stdout=subprocess.DEVNULL,
    )


def open_door(_home):
    """A cluster that lets anybody in."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 1,
            "node_ip_address": "127.0.0.1",
            "include_dashboard": False,
            "object_store_memory": 80 * 2**20,
        },
    )
    try:
        with cc.RayWorkers(cluster.address):
            return None
    except ClusterError as error:
        return {"text": str(error)}
    finally:
        cluster.shutdown()


def own(_home):
    """A session of this process alone."""
    with cc.RayWorkers() as workers:
        folder = session_folder()
        told = {
            "looks": [one for _, one in workers.run(look, panel(), [1])],
            "listening": listening(),
            "modes": [oct(path.stat().st_mode & 0o777) for path in folder.parents],
            "nested": nested_error(),
        }
    with cc.RayWorkers() as workers:
        again = [one for _, one in workers.run(look, panel(), [1])]
    return {
        **told,
        "again": again,
        "token in the environment": "RAY_AUTH_TOKEN" in os.environ,
        "processes after": descendants(),
        "folder after": folder.parents[1].exists(),
        "token on disk": (Path.home() / ".ray" / "auth_token").exists(),
    }


def session_folder():
    """Where Ray keeps the sockets of this session."""
    import ray

    return Path(ray._private.worker._global_node.get_session_dir_path())


def nested_error():
    """Ask for workers while there are some."""
    try:
        with cc.RayWorkers():
            return None
    except ClusterError as error:
        return str(error)


def rows_of(*command):
    """Run a command and give the lines that it prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def listening():
    """Addresses that somebody in this network listens on, without ports."""
    ends = [row.split()[3] for row in rows_of("ss", "-ltnH")]
    return sorted({end.rpartition(":")[0] for end in ends})


def descendants():
    """Processes that this one has started, or they, and that live on."""
    rows = [row.split(None, 2) for row in rows_of("ps", "-A", "-o", "pid=,ppid=,comm=")]
    family = [str(os.getpid())]
    for ancestor in family:
        family += [pid for pid, parent, _ in rows if parent == ancestor]
    return [name for pid, _, name in rows if pid in family[1:] and name != "ps"]


if __name__ == "__main__":
    scene, folder = sys.argv[1], Path(sys.argv[2])
    scenes = {
        "cluster": cluster,
        "driver": driver,
        "open_door": open_door,
        "own": own,
        "shards": shards,
    }
    told = scenes[scene](folder)
    (folder / f"{scene}.json").write_text(json.dumps(told))
    os._exit(0)  # Ray would wait for the nodes that were killed
