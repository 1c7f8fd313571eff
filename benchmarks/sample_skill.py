"""What the default model is worth on the embedded prices, over five seeds.

One split by date, so a figure of one period: the newest fifth of 2000-2013. Prints
and writes JSON with machine, versions and commit beside the figures.

    python benchmarks/sample_skill.py --out benchmarks/results/sample_skill.json
"""

import argparse
from pathlib import Path

import numpy as np
from machine import publish

from closecast.experiments.forecaster import Forecaster
from closecast.market.sample import sample_bars

SEEDS = range(5)


def summary(values: list[float]) -> dict[str, float]:
    """Give mean, standard deviation and worst over seeds."""
    figures = {
        "mean": np.mean(values),
        "sd": np.std(values, ddof=1),
        "worst": min(values),
    }
    return {name: round(float(figure), 5) for name, figure in figures.items()}


def main() -> None:
    """Train, judge and say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    bars = sample_bars()
    boards = [
        Forecaster(seed=seed).fit(bars).evaluate(bars).to_dict() for seed in SEEDS
    ]
    own = [[r for r in b["rows"] if r["model"] == "closecast"] for b in boards]
    result = {
        "seeds": len(boards),
        "verdicts": [board["verdict"] for board in boards],
        "by_horizon": [
            {
                "horizon": rows[0]["horizon"],
                **{
                    f"crps_skill_vs_{baseline}": summary(
                        [row["skill_crps_vs"][baseline] for row in rows]
                    )
                    for baseline in ("ewma_t", "har_t", "garch_t")
                },
                "seeds_in_confidence_set": sum(row["in_mcs"] is True for row in rows),
                "rmse_skill_vs_zero": summary(
                    [row["skill_rmse_vs"]["zero"] for row in rows]
                ),
                "coverage_80": summary([row["coverage_80"] for row in rows]),
                "coverage_95": summary([row["coverage_95"] for row in rows]),
            }
            for rows in zip(*own, strict=True)
        ],
    }
    publish(result, arguments.out)


if __name__ == "__main__":
    main()
