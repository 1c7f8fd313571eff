"""What closecast is worth on 735 symbols: skill by step and class, tests, coverage.

Trains before 2014, chooses on 2014, scores 2015 to 2020 on a panel of US and Korean
stocks, ETFs and coins, which is not part of the repository: give its folder, with
``dev_panel.parquet`` and ``symbols.csv`` in it. CRPS is divided by the symbol's
causal EWMA volatility. Losses of a forecaster are kept under ``--cache``, by name
and block, so that a later run scores only what is new.

    python benchmarks/dev_panel.py FOLDER --out benchmarks/results/dev_panel.json
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from machine import publish

from closecast.evaluation.conformal import fit_conformal
from closecast.evaluation.path_band import calibration_windows, fit_path_band
from closecast.evaluation.resampling import block_length, confidence_set
from closecast.evaluation.scores import crps, hits
from closecast.evaluation.significance import average_per_date, diebold_mariano
from closecast.experiments.companion import Companion
from closecast.experiments.fitted import Fitted
from closecast.forecast import Forecast, Forecaster
from closecast.market.bars import Bars, from_columns
from closecast.models.baselines import (
    fit_ewma_t,
    fit_garch_t,
    fit_gjr_t,
    fit_har_t,
)
from closecast.models.baselines.boosting import fit_boosting
from closecast.training.checkpoint import load, save
from closecast.training.model import TrainedModel, train_fleet
from closecast.training.settings import WIDTHS, Settings
from closecast.windows import Split, WindowData, WindowSpec, split_by_date
from closecast.windows.leakage import run_leak_tests
from closecast.windows.scaling import volatility

SPEC = WindowSpec(context_length=10, horizon=5)
VALIDATION_START, TEST_START = "2014-01-01", "2015-01-01"
CHUNK = 360_000
"""Windows that a baseline forecasts at once, to bound the memory. The model forecasts
all at once: it reads what came true before."""

LEAK_EVERY = 20
"""Symbols of which one is asked for leaks."""

COVERAGES = (0.5, 0.8, 0.95)
SHIPPED = Settings(
    states="all",
    mean="zero",
    width="fitted",
    loss="crps",
    seeds=3,
    num_layers=1,
    schedule="cosine",
    batch_size=512,
    epochs=6,
    engine="native",
    blend="ewma_t",
    calibrate="conformal",
)
"""The training was chosen on 2014 alone, what follows it on the years before."""

BASELINES = {
    "ewma_t": fit_ewma_t,
    "har_t": fit_har_t,
    "garch_t": fit_garch_t,
    "gjr_t": fit_gjr_t,
    "boosting": fit_boosting,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Scored:
    """Losses of one forecaster: CRPS over volatility, hits of intervals and bands."""

    loss: np.ndarray
    hit: np.ndarray
    path: np.ndarray
    fit_cpu_s: float
    forecast_cpu_s: float


def read_panel(folder: Path) -> tuple[Bars, np.ndarray]:
    """Read the panel and the asset class of each row."""
    import pandas as pd

    frame = pd.read_parquet(folder / "dev_panel.parquet")
    columns = ["open", "high", "low", "close", "volume"]
    bars = from_columns(
        frame["symbol"].to_numpy(str),
        frame["date"].to_numpy(),
        frame[columns].to_numpy(float),
    )
    about = pd.read_csv(
        folder / "symbols.csv", dtype={"symbol": str}, keep_default_na=False
    ).set_index("symbol")
    classes = about["asset_class"].replace({"us_etf": "etf", "kr_etf": "etf"})
    return bars, classes.reindex(bars.symbols).to_numpy(str)[bars.symbol_ids]


def scored(
    forecaster: Any, bars: Bars, rows: np.ndarray, chunk: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Score a forecaster chunk by chunk."""
    data = WindowData.of(bars, SPEC)
    losses, inside, paths = [], [], []
    for start in range(0, len(rows), chunk):
        part = rows[start : start + chunk]
        forecast, truth = forecaster.forecast(bars, part), data.target(part)
        losses.append(crps(forecast, truth) / data.scale[part][:, None])
        inside.append(np.stack([hits(forecast, truth, c) for c in COVERAGES], axis=-1))
        paths.append(path_hits(forecast, truth))
    return (
        np.concatenate(losses).astype(np.float32),
        np.concatenate(inside),
        np.concatenate(paths),
    )


def path_hits(forecast: Forecast, truth: np.ndarray) -> np.ndarray:
    """Tell which bands held the whole path; nothing where there is none."""
    if forecast.path_stretch is None:
        return np.zeros((len(truth), 0), bool)
    bands = [forecast.path_interval(level) for level in COVERAGES]
    held = [((low <= truth) & (truth <= high)).all(axis=1) for low, high in bands]
    return np.stack(held, axis=-1)


def run(
    name: str,
    fit: Callable[[], Any],
    bars: Bars,
    rows: np.ndarray,
    cache: Path | None,
    chunk: int = CHUNK,
) -> Scored:
    """Fit and score, or take what an earlier run has kept."""
    kept = None if cache is None else cache / f"{name}.npz"
    if kept is not None and kept.exists():
        return Scored(**np.load(kept))
    began = time.process_time()
    forecaster = fit()
    fitted = time.process_time()
    loss, hit, path = scored(forecaster, bars, rows, chunk)
    result = {
        "loss": loss,
        "hit": hit,
        "path": path,
        "fit_cpu_s": np.round(fitted - began, 1),
        "forecast_cpu_s": np.round(time.process_time() - fitted, 1),
    }
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez(kept, **result)
    print(name, "done", result["fit_cpu_s"], result["forecast_cpu_s"], flush=True)
    return Scored(**result)


def trained(
    bars: Bars, split: Split, settings: Settings, cache: Path | None
) -> TrainedModel:
    """Train closecast, or take the model that an earlier run has kept."""
    kept = None if cache is None else cache / f"model-{settings.hash[:12]}"
    if kept is not None and kept.exists():
        return load(kept)
    model = train_fleet(bars, [settings], split.train, split.validation, print)[0]
    if kept is not None:
        save(model, kept)
    return model


def as_shipped(model: TrainedModel, bars: Bars, split: Split) -> Fitted:
    """Let a model speak as it is shipped: blended, its intervals held, with a band."""
    rows = calibration_windows(split.validation)
    known, came = model.forecast(bars, rows), WindowData.of(bars, SPEC).target(rows)
    return Fitted(
        model=model,
        companion=Companion.fit(bars, split, SHIPPED),
        conformal=fit_conformal(known, came, split.test_start),
        path_band=fit_path_band(known, came),
    )


def leak_tests(voice: Forecaster[Bars], bars: Bars, test: np.ndarray) -> dict[str, Any]:
    """Ask the model on every twentieth symbol whether it sees its answer."""
    keep = bars.symbol_ids % LEAK_EVERY == 0
    asked = np.zeros(len(bars), bool)
    asked[test] = True
    rows = np.flatnonzero(asked[keep])
    results = run_leak_tests(voice, bars.select(keep), rows)
    return {one.name: {"passed": one.passed, "detail": one.detail} for one in results}


def skills(
    results: dict[str, Scored], rows: np.ndarray, bars: Bars, classes: np.ndarray
) -> list[dict[str, Any]]:
    """Compare closecast with each baseline at each step."""
    dates, kinds = bars.dates[rows], classes[rows]
    at_exchanges = np.isin(dates, dates[kinds != "crypto"])
    own = results["closecast"].loss.astype(float)
    table = []
    for step in range(SPEC.horizon):
        per_date = np.column_stack(
            [
                average_per_date(one.loss[:, step].astype(float), dates)
                for one in results.values()
            ]
        )
        block = block_length(per_date - per_date[:, :1], step + 1)
        members = confidence_set(per_date, block)
        row: dict[str, Any] = {
            "step": step + 1,
            "crps": {
                k: round(float(v.loss[:, step].mean()), 5) for k, v in results.items()
            },
            "confidence_set_90": None
            if members is None
            else [name for name, kept in zip(results, members, strict=True) if kept],
            "against": {},
        }
        for name, other in results.items():
            if name == "closecast":
                continue
            loss = other.loss[:, step].astype(float)
            test = diebold_mariano(own[:, step], loss, dates, step + 1)
            row["against"][name] = {
                "skill_percent": _percent(own[:, step], loss),
                "dm_p": test.p_value,
                "dm_p_exchange_dates": diebold_mariano(
                    own[at_exchanges, step],
                    loss[at_exchanges],
                    dates[at_exchanges],
                    step + 1,
                ).p_value,
                "by_class": {
                    str(kind): _percent(own[kinds == kind, step], loss[kinds == kind])
                    for kind in np.unique(kinds)
                },
            }
        table.append(row)
    return table


def _percent(loss: np.ndarray, other: np.ndarray) -> float:
    return round(100 * (1 - float(loss.mean()) / float(other.mean())), 3)


def coverage(own: Scored, scale: np.ndarray) -> list[dict[str, Any]]:
    """Give the share of closes inside each interval, by step and volatility."""
    tercile = np.searchsorted(np.quantile(scale, [1 / 3, 2 / 3]), scale)
    return [
        {
            "step": step + 1,
            "interval": nominal,
            "all": round(float(own.hit[:, step, place].mean()), 4),
            "by_volatility_tercile": [
                round(float(own.hit[tercile == third, step, place].mean()), 4)
                for third in range(3)
            ],
        }
        for step in range(SPEC.horizon)
        for place, nominal in enumerate(COVERAGES)
    ]


def main() -> None:
    """Train, score and say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--block", choices=("validation", "test"), default="test")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", nargs="*", default=["closecast", *BASELINES])
    parser.add_argument("--width", choices=WIDTHS, default=SHIPPED.width)
    parser.add_argument("--seeds", type=int, default=SHIPPED.seeds)
    arguments = parser.parse_args()
    bars, classes = read_panel(arguments.folder)
    split = split_by_date(bars, SPEC, VALIDATION_START, TEST_START)
    settings = replace(SHIPPED, seeds=arguments.seeds, width=arguments.width)
    rows = getattr(split, arguments.block)
    results = {}
    if "closecast" in arguments.only:
        model = trained(bars, split, settings, arguments.cache)
        voice = as_shipped(model, bars, split).voice
        leaks = leak_tests(voice, bars, rows)
        results["closecast"] = run(
            f"closecast-{settings.hash[:12]}",
            lambda: voice,
            bars,
            rows,
            arguments.cache,
            len(rows),
        )
    for name, fit in BASELINES.items():
        if name in arguments.only:
            fitted = partial(fit, bars, split.train, SPEC)
            results[name] = run(name, fitted, bars, rows, arguments.cache)
    if "closecast" not in results:
        return
    document = {
        "panel": bars.fingerprint,
        "block": arguments.block,
        "windows": {"train": len(split.train), arguments.block: len(rows)},
        "settings": settings.to_dict(),
        "leak_tests": leaks,
        "learning_curves": [
            {
                "best_epoch": one.curve.best_epoch,
                "validation_loss": [round(x, 5) for x in one.curve.validation_loss],
            }
            for one in model.members
        ],
        "cpu_s": {
            k: {"fit": float(v.fit_cpu_s), "forecast": float(v.forecast_cpu_s)}
            for k, v in results.items()
        },
        "steps": skills(results, rows, bars, classes),
        "coverage": coverage(results["closecast"], volatility(bars)[rows]),
        "path_coverage": dict(
            zip(
                map(str, COVERAGES),
                results["closecast"].path.mean(axis=0).round(4).tolist(),
                strict=True,
            )
        ),
    }
    publish(document, arguments.out)


if __name__ == "__main__":
    main()
