"""A process that saves models is killed at random moments: is one ever half-read?

A writer saves two models in turn, into a new folder or over the other one, and says
when each is saved. It is killed with SIGKILL at a random moment. A folder that was new
must then hold the whole model or be refused; one that was acknowledged must be whole;
one that was written over must hold one of the two models. Never may a folder speak as
neither.

    python benchmarks/model_kills.py --out benchmarks/results/model_kills.json

300 kills of each kind take some minutes on one core.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # no thread may live where a process forks

import safetensors.numpy
from machine import publish

from closecast.errors import ModelError
from closecast.experiments.forecaster import Forecaster
from closecast.market.bars import Bars
from closecast.testing import random_walk

LOADED = safetensors.numpy
"""What saving loads, loaded before any process begins."""

TINY = {"hidden_size": 8, "num_layers": 1, "epochs": 1, "batch_size": 64}


def write(models: list[Forecaster], home: Path, said: int, *, over: bool) -> None:
    """Save without end; say what is saved."""
    number = 0
    if over:
        models[1].save(home / "model")  # there is one to be saved over
    os.write(said, b"-1\n")  # it has begun
    while True:
        place = home / ("model" if over else f"model-{number}")
        models[number % 2].save(place)
        os.write(said, f"{number}\n".encode())
        number += 1


def started(models: list[Forecaster], home: Path, *, over: bool) -> tuple[int, int]:
    """Begin a writer; give its process and a pipe of what it says."""
    read, said = os.pipe()
    child = os.fork()
    if child:
        os.close(said)
        return child, read
    try:
        write(models, home, said, over=over)
    except BaseException:
        traceback.print_exc()
    os._exit(1)


@dataclass
class Killer:
    """Kills writers some saves after they began, as fast or slow as the machine is."""

    dice: random.Random
    typical_s: float = 0.05

    def kill(self, child: int, read: int) -> int:
        """Kill a writer; give the number that it acknowledged last, -1 for none."""
        with os.fdopen(read) as said:
            lines, at = [said.readline()], time.monotonic()
            for _ in range(self.dice.randrange(4)):
                lines.append(said.readline())
                took = time.monotonic() - at
                self.typical_s, at = 0.8 * self.typical_s + 0.2 * took, at + took
            time.sleep(self.dice.uniform(0, 1.5 * self.typical_s))
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            lines += said.read().splitlines()
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            raise SystemExit("Expected a writer to be killed, got one that ended.")
        return int(lines[-1])


def spoken(folder: Path, bars: Bars) -> bytes | None:
    """Give what a folder forecasts; None where it is refused."""
    try:
        return Forecaster.load(folder).forecast(bars).quantiles.tobytes()
    except ModelError:
        return None


def measure(kills: int, seed: int, home: Path, *, over: bool) -> dict[str, int]:
    """Kill, look and count."""
    dice, bars = random.Random(seed), random_walk(2, 300)  # noqa: S311  no secret
    models = [
        Forecaster(**TINY, seed=s, calibrate="conformal").fit(bars) for s in (0, 1)
    ]
    known = [model.forecast(bars).quantiles.tobytes() for model in models]
    counts: Counter[str] = Counter()
    killer = Killer(dice)
    while counts["kills"] < kills:
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        last = killer.kill(*started(models, home, over=over))
        counts["kills"] += 1
        counts["acknowledged"] += last + 1
        for place in sorted(home.glob("model*")):
            counts[judged(place, spoken(place, bars), known, last, over=over)] += 1
    return {
        name: counts[name]
        for name in ("kills", "acknowledged", "whole", "refused", "lost", "mixed")
    }


def judged(place: Path, found: bytes | None, known: list[bytes], last: int, *,
           over: bool) -> str:  # fmt: skip
    """Say what became of a folder."""
    if found is not None and found not in known:
        return "mixed"
    if over:
        return "refused" if found is None else "whole"
    number = int(place.name.rpartition("-")[2])
    if found is None:
        return "lost" if number <= last else "refused"
    return "whole" if found == known[number % 2] else "mixed"


def main() -> None:
    """Kill, count and say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    sys.stdout.flush()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        found = {
            name: measure(arguments.kills, arguments.seed, home, over=over)
            for name, over in (("new folder", False), ("over another", True))
        }
    publish(found, arguments.out)


if __name__ == "__main__":
    main()
