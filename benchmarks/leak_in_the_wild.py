"""Catch a known leak where it lives: a library's own cross-validation.

neuralforecast's ``cross_validation`` without ``refit`` fits the scalers of
``local_scaler_type`` on the whole frame, test windows included. So changing nothing but
closes after a cutoff moves the forecast made at it. With ``refit=True``, or without a
scaler, it does not. The library needs another pandas than closecast's, so it is
installed by itself:

    python -m venv /tmp/wild
    /tmp/wild/bin/python -m pip install neuralforecast jaxtyping narwhals pyarrow
    PYTHONPATH=src /tmp/wild/bin/python benchmarks/leak_in_the_wild.py \
        --out benchmarks/results/leak_in_the_wild.json
"""

import argparse
import json
import logging
import os
import platform
import subprocess
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

from closecast.errors import LeakageError
from closecast.experiments.outside import leak_test
from closecast.experiments.record import stamps_of
from closecast.testing import random_walk
from closecast.windows.leakage import LeakResult, require_no_leak

HORIZON, SYMBOLS, BARS = 5, 2, 300
LIBRARIES = ("neuralforecast", "statsforecast", "torch", "pandas", "numpy")


def neural(scaler: str | None) -> Any:
    """Make a small network in neuralforecast, always from the same seed."""
    from neuralforecast import NeuralForecast
    from neuralforecast.models import MLP

    model = MLP(
        h=HORIZON,
        input_size=10,
        hidden_size=16,
        max_steps=20,
        random_seed=1,
        scaler_type="identity",
        enable_progress_bar=False,
        logger=False,
        enable_checkpointing=False,
        accelerator="cpu",
    )
    return NeuralForecast([model], freq="B", local_scaler_type=scaler)


class Fresh:
    """A new model for each cross-validation, so that none remembers the last one."""

    def __init__(self, scaler: str | None) -> None:
        self.scaler = scaler

    def cross_validation(
        self, df: Any, n_windows: int, step_size: int, *, refit: bool = False
    ) -> Any:
        """Cross-validate as the library does."""
        return neural(self.scaler).cross_validation(
            df=df, n_windows=n_windows, step_size=step_size, refit=refit
        )


def classical() -> Any:
    """Make the three statistical models of the protocol in statsforecast."""
    from statsforecast import StatsForecast
    from statsforecast.models import AutoARIMA, AutoETS, AutoTheta

    return StatsForecast([AutoETS(), AutoARIMA(), AutoTheta()], freq="B")


def tested(forecaster: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Run the leak tests and say whether one would have stopped."""
    bars = random_walk(SYMBOLS, BARS)
    results: list[LeakResult] = leak_test(
        forecaster, bars, horizon=HORIZON, options=options
    )
    try:
        require_no_leak(results)
    except LeakageError as error:
        return {"caught": True, "error": str(error), "tests": stamps_of(results)}
    return {"caught": False, "tests": stamps_of(results)}


def main() -> None:
    """Test each way of cross-validating."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    logging.disable(logging.INFO)
    warnings.simplefilter("ignore")
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    cases = {
        "neuralforecast, local_scaler_type=standard, refit=False": (
            Fresh("standard"),
            {"refit": False},
        ),
        "neuralforecast, local_scaler_type=standard, refit=True": (
            Fresh("standard"),
            {"refit": True},
        ),
        "neuralforecast, no scaler, refit=False": (Fresh(None), {"refit": False}),
        "statsforecast, AutoETS, AutoARIMA, AutoTheta": (classical(), {}),
    }
    result = {
        "machine": {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "commit": commit.stdout.strip(),
            **{name: version(name) for name in LIBRARIES},
        },
        "prices": f"random walk, {SYMBOLS} symbols, {BARS} bars",
        "cases": {name: tested(*case) for name, case in cases.items()},
    }
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
