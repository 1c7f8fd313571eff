"""The same prices, settings and seed give the same bytes: fifty times of fifty.

A model is trained again and again, each time otherwise: with 1, 2 and 4 threads, in a
process of its own, alone and as one of a fleet of 1 to 12 with others of other seeds,
in any place of the fleet. SHA-256 of its weights, its learning curve and its forecasts
must be those of the first training, for each of the native engine's instruction sets
apart: between two sets they may differ.

    python benchmarks/determinism.py --out benchmarks/results/determinism.json

Some two minutes on one core.
"""

import argparse
import hashlib
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
SETTINGS = {
    "hidden_size": 8, "num_layers": 2, "epochs": 3, "batch_size": 64, "dropout": 0.2,
    "batch_norm": True,
}  # fmt: skip
SEED = 7


def train(seeds: list[int]) -> str:
    """Train a fleet and give the hash of the member of ``SEED``."""
    from dataclasses import replace

    import numpy as np

    from closecast.testing import random_walk
    from closecast.training.model import train_fleet
    from closecast.training.settings import Settings
    from closecast.windows import split_by_date

    bars = random_walk(3, 300)
    first = Settings.of(SETTINGS)
    split = split_by_date(bars, first.window_spec)
    members = [replace(first, seed=seed) for seed in seeds]
    models = train_fleet(bars, members, split.train, split.validation)
    model = models[seeds.index(SEED)]
    digest = hashlib.sha256()
    for name in sorted(model.weights):
        digest.update(np.ascontiguousarray(model.weights[name]).tobytes())
    forecast = model.forecast(bars, bars.offsets[1:] - 1)
    for array in (forecast.mean, forecast.quantiles):
        digest.update(array.tobytes())
    digest.update(repr(model.curve).encode())
    return digest.hexdigest()


def elsewhere(seeds: list[int], threads: int, instruction_set: str) -> str:
    """Train in a process of its own."""
    own = {
        "OMP_NUM_THREADS": str(threads),
        "CLOSECAST_ENGINE_ISA": instruction_set,
        "CLOSECAST_ENGINE": "native",
        "PYTHONHASHSEED": "random",
    }
    done = subprocess.run(
        [sys.executable, __file__, "--train", ",".join(map(str, seeds))],
        env={**os.environ, **own}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def measure(times: int, seed: int) -> dict[str, object]:
    """Train many times, each otherwise, and compare."""
    from closecast.engine.native import supported

    dice = random.Random(seed)  # noqa: S311  no secret
    sets = supported()
    expected = {name: elsewhere([SEED], 1, name) for name in sets}
    same: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for number in range(times):
        threads = (1, 2, 4)[number % 3]
        others = dice.sample(range(100, 200), dice.choice((0, 1, 3, 11)))
        fleet = [*others, SEED]
        dice.shuffle(fleet)
        name = sets[number % len(sets)]
        identical = elsewhere(fleet, threads, name) == expected[name]
        for part in (f"{threads} threads", f"fleet of {len(fleet)}", name):
            asked[part] += 1
            same[part] += identical
        same["all"] += identical
    return {
        "trainings": times,
        "identical": same["all"],
        "by": {part: f"{same[part]} of {asked[part]}" for part in sorted(asked)},
    }


def main() -> None:
    """Measure and say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", help=argparse.SUPPRESS)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if arguments.train:
        print(train([int(one) for one in arguments.train.split(",")]))
        return
    from machine import publish

    found = measure(arguments.times, arguments.seed)
    publish(found, arguments.out)


if __name__ == "__main__":
    main()
