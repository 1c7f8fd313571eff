"""Simulated markets have the answers that they promise."""

import numpy as np
import pytest

from closecast.testing import autoregression, garch_walk, random_walk


def _returns(bars, count):
    return np.diff(np.log(bars.close.reshape(count, -1)), axis=1)


def _memory(values):
    """Correlate each value with the one before it."""
    return np.corrcoef(values[:, 1:].ravel(), values[:, :-1].ravel())[0, 1]


def test_a_garch_walk_remembers_its_volatility_and_not_its_returns():
    """Squared returns are correlated, returns are not; the level is as asked."""
    returns = _returns(garch_walk(4, 4000, volatility=0.01, seed=1), 4)

    assert abs(_memory(returns)) < 0.05
    assert _memory(np.abs(returns)) > 0.1
    assert returns.std() == pytest.approx(0.01, rel=0.15)


def test_a_walk_without_shocks_does_not_cluster():
    """Every parameter of the variance does what it says."""
    returns = _returns(garch_walk(4, 4000, shock=0.0, memory=0.0, seed=2), 4)

    assert abs(_memory(np.abs(returns))) < 0.03


@pytest.mark.parametrize("coefficient", [0.4, -0.2])
def test_an_autoregression_goes_on_in_part(coefficient):
    """The correlation of neighbouring returns is the coefficient."""
    returns = _returns(autoregression(4, 3000, coefficient=coefficient, seed=3), 4)

    assert _memory(returns) == pytest.approx(coefficient, abs=0.03)


@pytest.mark.parametrize("market", [random_walk, garch_walk, autoregression])
def test_the_same_seed_gives_the_same_market(market):
    """Markets can be made again, and another seed gives another one."""
    assert market(2, 50, seed=4).fingerprint == market(2, 50, seed=4).fingerprint
    assert market(2, 50, seed=4).fingerprint != market(2, 50, seed=5).fingerprint
