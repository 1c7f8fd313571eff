"""How often a market that nobody can forecast is said to be forecast.

A hundred simulated random walks, half of them Gaussian and half with GARCH noise, go
through the whole of fit and evaluate with small settings. Each must get "no evidence of
skill", in the mean and, against the baselines that know the volatility, in the density.

    nice python benchmarks/random_walks.py --out benchmarks/results/random_walks.json
"""

import argparse
import time
import warnings
from pathlib import Path

from machine import publish

from closecast.errors import ClosecastWarning
from closecast.experiments.forecaster import Forecaster
from closecast.testing import garch_walk, random_walk

SETTINGS = {
    "hidden_size": 8,
    "num_layers": 1,
    "epochs": 3,
    "batch_size": 64,
    "engine": "native",
}
SYMBOLS, BARS = 2, 700


def judge(number: int) -> dict[str, object]:
    """Simulate a market, train on it, and take down the verdict."""
    market = garch_walk if number % 2 else random_walk
    bars = market(SYMBOLS, BARS, seed=1000 + number)
    board = Forecaster(**SETTINGS, seed=number).fit(bars).evaluate(bars)
    text = board.verdict.lower()
    return {
        "market": market.__name__,
        "seed": 1000 + number,
        "mean": "no evidence of skill in the mean" in text,
        "density": "no evidence of skill in the density" in text,
        "suspicious": board.scoreboard.suspicious,
        "leak_tests": all(test.passed is not False for test in board.leak_tests),
    }


def main() -> None:
    """Count the walks that are said to hold no skill."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--walks", type=int, default=100)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ClosecastWarning)
    start = time.process_time()
    walks = []
    for number in range(arguments.walks):
        walks.append(judge(number))
        print(number, walks[-1], flush=True)
    told = {
        name: sum(bool(walk[name]) for walk in walks) for name in ("mean", "density")
    }
    result = {
        "settings": SETTINGS,
        "symbols": SYMBOLS,
        "bars": BARS,
        "walks": len(walks),
        "no_evidence": sum(bool(w["mean"] and w["density"]) for w in walks),
        "no_evidence_by_part": told,
        "suspicious": sum(bool(walk["suspicious"]) for walk in walks),
        "leak_tests_passed": sum(bool(walk["leak_tests"]) for walk in walks),
        "false_alarms": [w for w in walks if not (w["mean"] and w["density"])],
        "cpu_s": round(time.process_time() - start, 1),
    }
    publish(result, arguments.out)


if __name__ == "__main__":
    main()
