"""Walk forward through the whole panel of dev_panel.py, fold by fold, and restart.

Eight folds of 63 sessions, each with a training, its leak tests and every baseline of
its own. A fold that is done is kept in ``--cache`` and not done again, so that a run
that was cut off goes on where it was; progress is printed fold by fold. For a draft
that looks at no test year ``--every`` takes a part of the symbols and ``--before`` ends
the panel early.

    nice python benchmarks/walk_forward_panel.py FOLDER --cache DIR --out FILE
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from dev_panel import COVERAGES, SHIPPED, SPEC, read_panel
from machine import publish

from closecast.evaluation.scores import crps, hits
from closecast.evaluation.significance import diebold_mariano
from closecast.experiments.fitted import Fitted
from closecast.market.bars import Bars
from closecast.market.broken import broken_steps
from closecast.models.baselines import fit_baselines
from closecast.training.model import Job, train_jobs
from closecast.windows import Fold, WindowData, walk_forward
from closecast.windows.scaling import volatility
from closecast.windows.walk_forward import FOLDS, REFIT_EVERY

SETTINGS = replace(SHIPPED, seeds=1, epochs=3)
"""One seed and half the epochs of the model that is shipped: eight trainings have to
end in half an hour."""


def done(bars: Bars, fold: Fold) -> dict[str, Any]:
    """Train, test for leaks and score one fold."""
    began = time.perf_counter()
    split = fold.split
    settings = replace(
        SETTINGS,
        validation_start=str(split.validation_start),
        test_start=str(split.test_start),
    )
    job = Job(
        name=f"fold {fold.number}",
        settings=settings,
        train=split.train,
        validation=split.validation,
    )
    (model,) = train_jobs(bars, [job])
    trained = time.perf_counter()
    fitted = Fitted.of(model, bars, split)
    tested = time.perf_counter()
    baselines = fit_baselines(bars, split.train, SPEC)
    permuted = [] if fitted.permuted is None else [fitted.permuted]
    scores = {
        f"{name}:{what}": values
        for name, forecaster in [
            (one.name, one) for one in (fitted.voice, *baselines, *permuted)
        ]
        for what, values in scored(forecaster, bars, split.test).items()
    }
    ended = time.perf_counter()
    leaks = {test.name: test.passed for test in fitted.leak_tests}
    print(
        f"fold {fold.number}: {len(split.train)} train and {len(split.test)} test "
        f"windows, {trained - began:.0f} s training, {tested - trained:.0f} s leak "
        f"tests, {ended - tested:.0f} s baselines and scores",
        flush=True,
    )
    return {
        **scores,
        "rows": split.test,
        "seconds": np.array([trained - began, tested - trained, ended - tested]),
        "windows": np.array([len(split.train), len(split.validation)]),
        "leaks": np.array(json.dumps(leaks)),
    }


def scored(forecaster: Any, bars: Bars, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Give CRPS over volatility and interval hits of each window and step."""
    forecast, truth = forecaster.forecast(bars, rows), WindowData.of(bars, SPEC)
    came = truth.target(rows)
    loss = crps(forecast, came) / truth.scale[rows][:, None]
    inside = np.stack([hits(forecast, came, c) for c in COVERAGES], axis=-1)
    return {"loss": loss.astype(np.float32), "hit": inside.astype(bool)}


def kept(bars: Bars, fold: Fold, cache: Path) -> dict[str, np.ndarray]:
    """Do a fold, or take what an earlier run has kept of it."""
    name = f"{bars.fingerprint[:12]}-{SETTINGS.hash[:12]}-{fold.split.test_start}"
    path = cache / f"{name}.npz"
    if not path.exists():
        result = done(bars, fold)
        cache.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".part.npz")
        np.savez(beside, **result)
        beside.rename(path)
    else:
        print(f"fold {fold.number}: kept from an earlier run", flush=True)
    with np.load(path) as stored:
        return dict(stored)


def summary(bars: Bars, folds: list[dict[str, np.ndarray]]) -> dict[str, Any]:
    """Put the folds together."""
    names = [key.removesuffix(":loss") for key in folds[0] if key.endswith(":loss")]
    loss = {
        name: np.concatenate([fold[f"{name}:loss"] for fold in folds]).astype(float)
        for name in names
    }
    hit = np.concatenate([fold[f"{names[0]}:hit"] for fold in folds])
    rows = np.concatenate([fold["rows"] for fold in folds])
    own, dates = loss[names[0]], bars.dates[rows]
    scale = volatility(bars)[rows]
    third = np.searchsorted(np.quantile(scale, [1 / 3, 2 / 3]), scale)
    return {
        "steps": [
            {
                "step": step + 1,
                "against": {
                    name: against(own[:, step], loss[name][:, step], dates, step + 1)
                    | {"folds_above_0": above(folds, names[0], name, step)}
                    for name in names[1:]
                },
                "coverage": {
                    str(level): {
                        "all": round(float(hit[:, step, place].mean()), 4),
                        "by_volatility_tercile": [
                            round(float(hit[third == t, step, place].mean()), 4)
                            for t in range(3)
                        ],
                    }
                    for place, level in enumerate(COVERAGES)
                },
            }
            for step in range(SPEC.horizon)
        ],
        "test_windows": len(rows),
        "first_test_date": str(dates.min()),
        "last_test_date": str(dates.max()),
    }


def against(
    own: np.ndarray, other: np.ndarray, dates: np.ndarray, step: int
) -> dict[str, Any]:
    """Compare two losses, a date counting once in the test."""
    return {
        "skill_percent": round(100 * (1 - own.mean() / other.mean()), 3),
        "dm_p": diebold_mariano(own, other, dates, step).p_value,
    }


def above(folds: list[dict[str, np.ndarray]], own: str, name: str, step: int) -> int:
    """Count the folds with a skill above 0."""
    return sum(
        bool(fold[f"{own}:loss"][:, step].mean() < fold[f"{name}:loss"][:, step].mean())
        for fold in folds
    )


def main() -> None:
    """Walk, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--folds", type=int, default=FOLDS)
    parser.add_argument("--expanding", action="store_true")
    parser.add_argument("--every", type=int, default=1, help="symbol that is taken")
    parser.add_argument("--before", type=np.datetime64, help="end of the panel")
    arguments = parser.parse_args()
    bars, _ = read_panel(arguments.folder)
    keep = bars.symbol_ids % arguments.every == 0
    if arguments.before is not None:
        keep &= bars.dates < arguments.before
    bars = bars.select(keep)
    blocks = walk_forward(
        bars,
        SPEC,
        arguments.folds,
        refit_every=REFIT_EVERY,
        expanding=arguments.expanding,
        broken=broken_steps(bars),
    )
    print(f"{len(bars)} bars of {len(bars.symbols)} symbols", flush=True)
    folds = [kept(bars, block, arguments.cache) for block in blocks]
    seconds = np.array([fold["seconds"] for fold in folds])
    document = {
        "panel": bars.fingerprint,
        "bars": len(bars),
        "symbols": len(bars.symbols),
        "settings": SETTINGS.to_dict(),
        "expanding": arguments.expanding,
        "minutes": round(float(seconds.sum()) / 60, 1),
        "seconds_by_fold": {
            name: np.round(seconds[:, place], 1).tolist()
            for place, name in enumerate(("training", "leak_tests", "baselines"))
        },
        "train_windows": [int(fold["windows"][0]) for fold in folds],
        "leak_tests": [json.loads(str(fold["leaks"])) for fold in folds],
        **summary(bars, folds),
    }
    publish(document, arguments.out)


if __name__ == "__main__":
    main()
