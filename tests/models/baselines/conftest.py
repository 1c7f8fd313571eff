"""Simulated panels for the baselines."""

from collections.abc import Callable

import numpy as np
import pytest

from closecast.market.bars import Bars, from_columns


def _panel(returns: np.ndarray) -> Bars:
    """Turn log returns (symbol, session) into a panel of len + 1 weekdays."""
    symbols, sessions = returns.shape[0], returns.shape[1] + 1
    logs = np.concatenate([np.zeros((symbols, 1)), np.cumsum(returns, axis=1)], axis=1)
    close = 100 * np.exp(logs).ravel()
    days = np.busday_offset("2010-01-04", np.arange(sessions))
    values = np.stack([close, close, close, close, np.ones_like(close)], axis=1)
    names = np.repeat([f"S{i:02d}" for i in range(symbols)], sessions)
    return from_columns(names, np.tile(days, symbols), values)


@pytest.fixture
def panel() -> Callable[[np.ndarray], Bars]:
    """Make a panel of given log returns."""
    return _panel


@pytest.fixture
def walk() -> Bars:
    """Three Gaussian random walks of 400 sessions."""
    return _panel(np.random.default_rng(7).normal(0, 0.02, (3, 399)))
