"""A made-up run folder, whole and of the size a demo has."""

import json
import math
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

BASELINES = ("zero", "drift", "ewma_t")
HORIZONS = (1, 2, 3, 4, 5)
QUANTILES = {"q05": -1.64, "q10": -1.28, "q25": -0.67, "q75": 0.67, "q90": 1.28}


def sessions(first: date, count: int) -> list[date]:
    """Count weekdays from a date on."""
    days = (first + timedelta(days=gap) for gap in range(2 * count + 3))
    return [day for day in days if day.weekday() < 5][:count]


def score_row(model: str, horizon: int) -> dict[str, Any]:
    """Write one row of a scoreboard."""
    worse = {"closecast": 0.0, "zero": 0.021, "drift": 0.019, "ewma_t": 0.006}[model]
    others = [name for name in BASELINES if name != model]
    root = math.sqrt(horizon)
    gain = 0.004 * horizon
    return {
        "model": model,
        "horizon": horizon,
        "crps": (0.548 + worse) * root,
        "crps_raw": (0.0091 + worse / 90) * root,
        "mae": (0.0124 + worse / 500) * root,
        "rmse": (0.0181 - worse / 500) * root,
        "coverage_50": 0.502 + 0.003 * horizon,
        "coverage_80": 0.793 + 0.004 * horizon + worse * 2,
        "coverage_95": 0.951 - 0.003 * horizon + worse / 2,
        "skill_crps_vs": {
            name: 0.035 - 0.012 * place - gain for place, name in enumerate(others)
        },
        "skill_rmse_vs": {
            name: -0.001 * place - gain / 4 for place, name in enumerate(others)
        },
        "skill_crps_interval_vs": {
            name: [0.02 - 0.012 * place - gain, 0.05 - 0.012 * place - gain]
            for place, name in enumerate(others)
        },
        "skill_rmse_interval_vs": dict.fromkeys(others),
        "in_mcs": model in {"closecast", "ewma_t"},
        "in_mcs_mean": True,
        "dm_p_vs": {
            name: 0.0004 * 6 ** (place + horizon / 2) % 1
            for place, name in enumerate(others)
        },
        "dm_p_mean_vs": dict.fromkeys(others, None if horizon == 5 else 0.41),
    }


def calibration() -> dict[str, Any]:
    """Write coverage by group, far off in one of them, and a level PIT."""
    return {
        "coverage": [
            {
                "group": group,
                "horizon": horizon,
                "nominal": nominal,
                "coverage": nominal - (0.2 if group == "2012" else 0.01),
                "num_windows": 1035,
                "num_effective": 400.0,
                "kupiec_p": 0.001 if group == "2012" else 0.4,
            }
            for group in ("all", "volatility low", "2011", "2012")
            for horizon in HORIZONS
            for nominal in (0.5, 0.8, 0.95)
        ],
        "pit": [
            {"horizon": horizon, "shares": [0.1] * 10, "uniform_p": 0.77}
            for horizon in HORIZONS
        ],
    }


def scoreboard(symbols: tuple[str, ...], source: str) -> dict[str, Any]:
    """Write a whole scoreboard."""
    return {
        "verdict": "No evidence of skill in the mean; "
        "evidence of skill in the density; the intervals hold.",
        "why": [
            "The mean is no better than the last close: RMSE skill -0.4 %, p = 0.41.",
            "The distribution is sharper than EWMA-t by 0.7 % in CRPS, and the 90 % "
            "interval of that skill holds zero.",
        ],
        "rows": [
            score_row(model, horizon)
            for model in ("closecast", *BASELINES)
            for horizon in HORIZONS
        ],
        "leak_tests": {
            "future_perturbation": {
                "passed": True,
                "detail": "Noise after the cutoff moved none of 40 forecasts.",
            },
            "truncation": {"passed": True, "detail": "40 of 40 forecasts are equal."},
            "target_overlap": {"passed": True, "detail": "No target crosses a cut."},
        },
        "copycat": {
            "verdict": "no information beyond the last close",
            "why_five": "One day ahead the forecast is the last close again: the "
            "forecast change moves 0.02 for each 1.00 of actual change.",
            "r2_price": 0.9987,
            "r2_price_persistence": 0.9988,
            "change_lag_0": -0.013,
            "change_lag_1": 0.87,
            "theil_u2": 1.0012,
            "spread_share": None,
            "ic_interval": [-0.02, 0.03],
        },
        "data": {
            "fingerprint": "sha256:9f2c4e1b7a0d3c58e6f1",
            "symbols": list(symbols),
            "first": "2000-03-01",
            "last": "2013-03-01",
            "bars": 13672,
            "source": source,
        },
        "split": {
            "train": {"first": "2000-03-14", "last": "2008-09-22", "windows": 8480},
            "validation": {
                "first": "2008-10-01",
                "last": "2010-07-01",
                "windows": 2190,
            },
            "test": {"first": "2010-07-12", "last": "2013-02-22", "windows": 3105},
        },
        "seeds": 1,
        "calibration": calibration(),
        "ranking": [
            {
                "horizon": horizon,
                "ic": 0.011 * horizon,
                "rank_ic": 0.0314,
                "icir": 0.2,
                "rank_icir": 0.1,
                "rank_ic_interval": None if horizon == 5 else [-0.02, 0.08],
                "num_dates": 611,
            }
            for horizon in HORIZONS
        ],
        "slices": [
            {
                "kind": kind,
                "group": group,
                "horizon": horizon,
                "baseline": "ewma_t",
                "skill_crps": 0.0123 - 0.004 * place,
                "interval": [0.001, 0.02] if place else None,
                "num_windows": 300,
            }
            for kind, groups in (("period", ("2011", "2012")), ("symbol", symbols))
            for place, group in enumerate(groups)
            for horizon in (1, 5)
        ],
        "settings": {
            "context_length": 10,
            "horizon": 5,
            "learning_rate": 0.001,
            "batch_norm": True,
            "device": None,
        },
    }


def closes_csv(symbols: tuple[str, ...]) -> str:
    """Write the last sixty closes of each symbol."""
    days = sessions(date(2012, 12, 10), 60)
    lines = ["symbol,date,close"]
    for place, symbol in enumerate(symbols):
        for step, day in enumerate(days):
            wave = math.sin(step * (0.31 + place / 17)) + 0.6 * math.sin(step * 1.7)
            close = 40 * 3**place * (1 + 0.02 * wave + 0.0007 * step)
            lines.append(f'"{symbol}",{day},{close:.4f}')
    return "\n".join(lines) + "\n"


def forecast_csv(symbols: tuple[str, ...]) -> str:
    """Write the next five closes of each symbol."""
    closes = [row.rsplit(",", 2) for row in closes_csv(symbols).splitlines()[1:]]
    days = sessions(date(2012, 12, 10), 65)[60:]
    head = "symbol,cutoff,step,date,last_close,mean,median,q05,q10,q25,q75,q90,q95"
    lines = [head]
    for place, symbol in enumerate(symbols):
        _, cutoff, close = closes[60 * place + 59]
        last = float(close)
        for step, day in enumerate(days, start=1):
            wide = 0.015 * math.sqrt(step) * (1 + place / 5)
            levels = [*QUANTILES.values(), 1.64]
            prices = [last * math.exp(wide * level) for level in levels]
            cells = [last, last * 1.001, last * 1.0008, *prices]
            numbers = ",".join(f"{cell:.6f}" for cell in cells)
            lines.append(f'"{symbol}",{cutoff},{step},{day},{numbers}')
    return "\n".join(lines) + "\n"


def metrics_jsonl() -> str:
    """Write a curve whose validation loss turns at epoch 9."""
    lines = [
        {
            "epoch": epoch,
            "train_loss": 1.62 - 0.2 * (1 - math.exp(-epoch / 4)) - 0.002 * epoch,
            "validation_loss": 1.5 + 0.0008 * (epoch - 9) ** 2,
        }
        for epoch in range(1, 18)
    ]
    return "".join(json.dumps(line) + "\n" for line in lines)


def write_run(
    folder: Path,
    symbols: tuple[str, ...] = ("AAPL", "IBM"),
    source: str = "sample",
    **board: object,
) -> Path:
    """Write a run; symbols, source and entries of the scoreboard may differ."""
    (folder / "model").mkdir(parents=True, exist_ok=True)
    text = json.dumps(scoreboard(symbols, source) | board)
    (folder / "scoreboard.json").write_text(text)
    (folder / "forecast.csv").write_text(forecast_csv(symbols))
    (folder / "closes.csv").write_text(closes_csv(symbols))
    (folder / "model" / "metrics.jsonl").write_text(metrics_jsonl())
    (folder / "model" / "model.json").write_text('{"curve": {"best_epoch": 9}}')
    return folder


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Make a run folder of its own for a test."""
    return partial(write_run, tmp_path / "run")


@pytest.fixture(scope="session")
def shared_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the run folder that no test changes."""
    return write_run(tmp_path_factory.mktemp("reports") / "run")
