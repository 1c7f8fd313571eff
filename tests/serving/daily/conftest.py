"""A small model, prices that grow day by day, and a clock that a test moves."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from closecast.experiments.forecaster import Forecaster
from closecast.market.bars import Bars
from closecast.market.readers import to_frame
from closecast.market.sample import sample_bars
from closecast.serving.daily.clock import WallClock
from closecast.serving.daily.config import DailyConfig, config_of
from closecast.serving.daily.job import Done, daily


@pytest.fixture(scope="session")
def prices() -> Bars:
    """The newest 240 sessions of two symbols of the sample."""
    every = sample_bars()
    names = every.names(np.arange(len(every)))
    newest = np.unique(every.dates)[-240]
    return every.select(np.isin(names, ["IBM", "MSFT"]) & (every.dates >= newest))


@pytest.fixture(scope="session")
def model(prices: Bars, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that knows little, with intervals that adapt."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    dates = np.unique(prices.dates)
    blocks = {"validation_start": str(dates[-100]), "test_start": str(dates[-50])}
    small = {"hidden_size": 4, "num_layers": 1, "epochs": 1, "batch_norm": False}
    known = prices.select(prices.dates <= dates[-20])
    Forecaster(**small, **blocks, calibrate="conformal").fit(known).save(folder)
    return folder


class Desk:
    """The job over prices that grow day by day."""

    def __init__(self, prices: Bars, config: DailyConfig, file: Path) -> None:
        self.prices, self.config, self.file = prices, config, file
        self.dates = np.unique(prices.dates)
        self.slept: list[float] = []

    def evening(self, day: int) -> dt.datetime:
        """Give a time after the close of New York on a day, before the next one."""
        return dt.datetime.combine(self.dates[day].item(), dt.time(22), dt.UTC)

    def bring(self, day: int, bars: Bars | None = None) -> None:
        """Let the prices reach up to a day, by its place among the dates."""
        known = self.prices if bars is None else bars
        frame = to_frame(known.select(known.dates <= self.dates[day]), "pandas")
        frame.to_parquet(self.file)

    def clock(self, day: int, **later: float) -> WallClock:
        """Make a clock that stands still on an evening, and notes what it slept."""
        now = self.evening(day) + dt.timedelta(**later)
        return WallClock(now=lambda: now, sleep=self.slept.append)

    def run(self, day: int, **changes: object) -> Done:
        """Bring the prices of a day and run the job on its evening."""
        self.bring(day)
        return daily(replace(self.config, **changes), self.clock(day))


@pytest.fixture
def config(model: Path, tmp_path: Path) -> DailyConfig:
    """Settings of a job in a folder of its own."""
    values = {"model": str(model), "prices": "prices.parquet", "home": "home"}
    return config_of(values, tmp_path / "daily.toml")


@pytest.fixture
def desk(prices: Bars, config: DailyConfig, tmp_path: Path) -> Desk:
    """The job, ready to run."""
    return Desk(prices, config, tmp_path / "prices.parquet")


@pytest.fixture
def changed() -> Callable[[Bars, str, np.datetime64, float], Bars]:
    """Multiply the prices of a symbol from a date on."""

    def change(bars: Bars, symbol: str, first: np.datetime64, factor: float) -> Bars:
        rows = (bars.names(np.arange(len(bars))) == symbol) & (bars.dates >= first)
        values = bars.values.copy()
        values[rows, :4] *= factor
        return replace(bars, values=values)

    return change
