"""Simulated truths and forecasts with known answers."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.special import ndtri

from closecast.forecast import LEVELS, Forecast
from closecast.market.bars import from_columns
from closecast.testing import random_walk


@dataclass(frozen=True, kw_only=True)
class World:
    """Gaussian random walks of several symbols, cut at every session.

    Attributes:
        closes: Closes, shape (symbol, session).
        horizon: Steps forecast.
        volatility: Of one session.
    """

    closes: np.ndarray
    horizon: int
    volatility: float

    @property
    def truth(self) -> np.ndarray:
        """Log returns from each cutoff, symbol after symbol."""
        logs, count = np.log(self.closes), self.closes.shape[1] - self.horizon
        steps = [
            logs[:, step : count + step] - logs[:, :count]
            for step in range(1, self.horizon + 1)
        ]
        return np.stack(steps, axis=-1).reshape(-1, self.horizon)

    @property
    def scale(self) -> np.ndarray:
        """Volatility at each cutoff."""
        return np.full(len(self.truth), self.volatility)

    def forecast(self, mean: np.ndarray | float, spread: float = 1.0) -> Forecast:
        """Give a Gaussian forecast; a spread of 1 is the true one."""
        symbols, sessions = self.closes.shape
        count = sessions - self.horizon
        days = np.arange("2010-01-01", sessions, dtype="datetime64[D]")
        mean = np.broadcast_to(mean, (symbols * count, self.horizon)).astype(float)
        steps = np.sqrt(np.arange(1, self.horizon + 1))
        unit = spread * self.volatility * steps[:, None] * ndtri(LEVELS)
        targets = np.arange(count)[:, None] + np.arange(1, self.horizon + 1)
        return Forecast(
            symbols=np.repeat([f"S{i}" for i in range(symbols)], count),
            cutoffs=np.tile(days[:count], symbols),
            target_dates=np.tile(days[targets], (symbols, 1)),
            last_close=self.closes[:, :count].ravel(),
            mean=mean,
            quantiles=mean[..., None] + unit,
        )


@pytest.fixture
def make_world() -> Callable[..., World]:
    """Simulate random walks."""

    def make(symbols=3, sessions=700, horizon=5, seed=11):
        returns = np.random.default_rng(seed).normal(0, 0.02, (symbols, sessions))
        closes = 50 * np.exp(np.cumsum(returns, axis=1))
        return World(closes=closes, horizon=horizon, volatility=0.02)

    return make


@pytest.fixture
def world(make_world) -> World:
    """Three random walks of 700 sessions, five steps ahead."""
    return make_world()


@pytest.fixture(scope="session")
def two_markets():
    """Walks on the sessions of Seoul (K, L) and of New York (N, O), 2010 and 2011."""
    days = np.arange(np.datetime64("2010-01-04"), np.datetime64("2012-01-01"))
    months = days.astype("datetime64[M]").astype(int) % 12 + 1
    day = (days - days.astype("datetime64[M]")).astype(int) + 1
    shut = {  # all of them, or the market is not known
        "KL": [(3, 1), (5, 5), (8, 15), (10, 3), (12, 31)],
        "NO": [(7, 4), (7, 5), (2, 15), (2, 21), (5, 31), (5, 30), (9, 6), (9, 5),
               (11, 25), (11, 24)],
    }  # fmt: skip
    names, dates, values = [], [], []
    for symbols, closed in shut.items():
        there = ~np.any([(months == m) & (day == d) for m, d in closed], axis=0)
        own = days[there & np.is_busday(days)]
        walk = random_walk(2, len(own), seed=len(names))
        for symbol, (_, start, end) in zip(symbols, walk, strict=True):
            names += [symbol] * (end - start)
            dates.append(own)
            values.append(walk.values[start:end])
    return from_columns(np.array(names), np.concatenate(dates), np.concatenate(values))
