"""What calibrating intervals is worth on the embedded prices, over five seeds.

Each seed is trained once and scored four times on the newest fifth of 2000-2013: as
it is, with split conformal intervals, with intervals that adapt as closes come true,
and the five seeds as one ensemble. Prints and writes JSON.

    python benchmarks/conformal_coverage.py --out benchmarks/results/conformal.json
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from machine import publish

from closecast.evaluation.scores import crps, hits
from closecast.experiments.fitted import Fitted
from closecast.experiments.forecaster import Forecaster
from closecast.market.sample import sample_bars
from closecast.windows import WindowData, split_by_date
from closecast.windows.scaling import volatility

SEEDS = 5


def figures(voice, bars, test, spec):
    """Score a forecaster: CRPS over volatility and coverage, each by step."""
    forecast = voice.forecast(bars, test)
    truth = WindowData.of(bars, spec).target(test)
    scale = volatility(bars)[test][:, None]
    held = {
        level: hits(forecast, truth, level).mean(axis=0) for level in (0.5, 0.8, 0.95)
    }
    return {
        "crps": float((crps(forecast, truth) / scale).mean()),
        "worst_gap_of_coverage": {
            str(level): float(np.abs(share - level).max())
            for level, share in held.items()
        },
    }


def variants(fitted: Fitted):
    """Give a model without calibration, calibrated once, and adapting."""
    adapting = fitted.voice
    return {
        "none": fitted.model,
        "split_conformal": replace(adapting, step_size=0.0),
        "adaptive": adapting,
    }


def summary(results):
    """Give mean, standard deviation and worst over seeds."""
    crps_values = [one["crps"] for one in results]
    gaps = {
        level: [one["worst_gap_of_coverage"][level] for one in results]
        for level in results[0]["worst_gap_of_coverage"]
    }
    return {
        "crps": {
            "mean": round(float(np.mean(crps_values)), 6),
            "sd": round(float(np.std(crps_values, ddof=1)), 6)
            if len(results) > 1
            else None,
            "worst": round(max(crps_values), 6),
        },
        "worst_gap_of_coverage": {
            level: {"mean": round(float(np.mean(g)), 4), "worst": round(max(g), 4)}
            for level, g in gaps.items()
        },
    }


def main() -> None:
    """Train, score and say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    bars = sample_bars()
    model = Forecaster(seeds=SEEDS, calibrate="conformal").fit(bars).model
    spec = model.settings.window_spec
    split = split_by_date(bars, spec)
    alone = [variants(Fitted.of(one, bars, split)) for one in model.members]
    together = variants(Fitted.of(model, bars, split))
    result = {
        "seeds": SEEDS,
        "one_seed": {
            name: summary([figures(one[name], bars, split.test, spec) for one in alone])
            for name in together
        },
        "ensemble": {
            name: figures(voice, bars, split.test, spec)
            for name, voice in together.items()
        },
    }
    publish(result, arguments.out)


if __name__ == "__main__":
    main()
