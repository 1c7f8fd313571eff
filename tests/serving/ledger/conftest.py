"""Ledgers to test with, in SQLite and on a PostgreSQL server."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from closecast.forecast import Forecast
from closecast.market.bars import Bars
from closecast.market.sample import sample_bars
from closecast.models.baselines import EwmaT, Zero
from closecast.serving.ledger import Ledger, Publication

HORIZON = 5


class Market:
    """Two symbols of the sample over 120 sessions, and what is forecast of them."""

    def __init__(self) -> None:
        every = sample_bars()
        names = every.names(np.arange(len(every)))
        newest = np.unique(every.dates)[-120]
        self.bars = every.select(
            np.isin(names, ["IBM", "MSFT"]) & (every.dates >= newest)
        )
        self.dates = np.unique(self.bars.dates)

    def until(self, day: int) -> Bars:
        """Give what was known on a day, by its place among the dates."""
        return self.bars.select(self.bars.dates <= self.dates[day])

    def evening(self, day: int) -> dt.datetime:
        """Give a time after the close of New York on a day, before the next one."""
        return dt.datetime.combine(self.dates[day].item(), dt.time(22), dt.UTC)

    def forecasts(self, bars: Bars, factor: float = 0.85) -> dict[str, Forecast]:
        """Forecast the newest session of each symbol, beside two baselines."""
        rows = bars.offsets[1:] - 1
        models = {
            "closecast": ewma_t(factor),
            "ewma_t": ewma_t(0.8),
            "zero": Zero(horizon=HORIZON),
        }
        return {name: model.forecast(bars, rows) for name, model in models.items()}

    def publication(
        self, bars: Bars, *, seen: Bars | None = None, model: str = "a"
    ) -> Publication:
        """Prepare the forecasts of a panel's newest session."""
        forecasts = self.forecasts(bars)
        hashes = dict.fromkeys(forecasts, model * 64)
        return Publication.of(forecasts, bars, model_hashes=hashes, seen=seen)

    def record(self, ledger: Ledger, days: range, *, model: str = "a") -> None:
        """Record day by day, and score all at the end."""
        for day in days:
            publication = self.publication(self.until(day), model=model)
            ledger.record(publication, self.evening(day))
        ledger.score(self.until(days[-1]), self.evening(days[-1]))

    def run(self, ledger: Ledger, days: range) -> None:
        """Record and score day by day, as the daily job does."""
        for day in days:
            past = self.until(day)
            ledger.record(self.publication(past), self.evening(day))
            ledger.score(past, self.evening(day))


def ewma_t(factor: float) -> EwmaT:
    """Make an EWMA-t without fitting it."""
    return EwmaT(
        degrees_of_freedom=(5.0,) * HORIZON,
        factors=(factor,) * HORIZON,
        first_date="2000-01-03",
        last_date="2010-01-04",
    )


@pytest.fixture(scope="session")
def market() -> Market:
    """The market that is forecast."""
    return Market()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """An empty place for a ledger, in each kind of database."""
    if request.param == "sqlite":
        return tmp_path / "ledger.sqlite"
    return request.getfixturevalue("database")


@pytest.fixture
def ledger(place: str | Path, tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger with receipts."""
    with Ledger.open(place, receipts=tmp_path / "receipts") as opened:
        yield opened


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger in SQLite, for what has nothing to do with the database."""
    with Ledger.open(tmp_path / "own.sqlite") as opened:
        yield opened
