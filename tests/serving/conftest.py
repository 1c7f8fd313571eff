"""A small trained model, a shelf that it lies on, and prices to serve."""

import json
from pathlib import Path

import numpy as np
import pytest

from closecast.experiments.forecaster import Forecaster
from closecast.market.bars import Bars
from closecast.market.sample import sample_bars
from closecast.serving.shelf import Shelf

BOARD = {
    "verdict": "No evidence of skill in the mean.",
    "why": ["Mean against zero: at 0 of 5 steps.", "One split, one seed."],
    "suspicious": False,
    "num_windows": 120,
    "split": {"test": {"first": "2012-01-03", "last": "2012-06-29", "windows": 120}},
    "leak_tests": {"truncation": {"passed": True, "detail": "0 of 600 moved"}},
    "rows": [
        {
            "model": "closecast",
            "horizon": step,
            "crps": 0.55,
            "rmse": 0.017,
            "coverage_80": 0.81,
            "coverage_95": 0.94,
            "skill_crps_vs": {"zero": 0.07, "ewma_t": -0.01},
        }
        for step in range(1, 6)
    ],
}
"""What a scoreboard says at least; the judge's own tests make whole ones."""


@pytest.fixture(scope="session")
def bars() -> Bars:
    """Give two stocks of the sample, some hundred bars each."""
    every = sample_bars()
    named = np.isin(np.asarray(every.symbols)[every.symbol_ids], ["AAPL", "IBM"])
    recent = every.dates >= np.datetime64("2011-06-01")
    return every.select(named & recent)


@pytest.fixture(scope="session")
def forecaster(bars: Bars) -> Forecaster:
    """Train as little as possible."""
    small = Forecaster(hidden_size=4, num_layers=1, epochs=1, batch_size=256)
    return small.fit(bars)


@pytest.fixture(scope="session")
def model_folder(forecaster: Forecaster, tmp_path_factory) -> Path:
    """Store the model alone."""
    folder = tmp_path_factory.mktemp("model")
    forecaster.save(folder)
    return folder


@pytest.fixture(scope="session")
def run_folder(forecaster: Forecaster, tmp_path_factory) -> Path:
    """Store a run: the model and its scoreboard."""
    folder = tmp_path_factory.mktemp("run")
    forecaster.save(folder / "model")
    (folder / "scoreboard.json").write_text(json.dumps(BOARD))
    return folder


@pytest.fixture
def shelf(run_folder: Path, tmp_path: Path) -> Shelf:
    """Put the run on a shelf and let it serve."""
    place = Shelf(tmp_path / "shelf")
    place.add(run_folder, reason="the first one")
    place.promote(1, reason="there is no other")
    return place


@pytest.fixture(scope="session")
def prices_file(bars: Bars, tmp_path_factory) -> Path:
    """Write the bars as a file that a server is given."""
    import pandas as pd

    path = tmp_path_factory.mktemp("prices") / "prices.csv"
    frame = pd.DataFrame(
        bars.values, columns=["open", "high", "low", "close", "volume"]
    )
    frame.insert(0, "date", bars.dates.astype(str))
    frame.insert(0, "symbol", np.asarray(bars.symbols)[bars.symbol_ids])
    frame.to_csv(path, index=False)
    return path
