"""The likelihood is that of arch, and its maximum is found."""

import numpy as np
import pytest
from arch import arch_model

from closecast.models.baselines.garch_fit import (
    MAX_PERSISTENCE,
    _Series,
    fit_reaction,
)


def simulate(shock, fall, memory, sessions=1500, seed=0):
    """Returns of a GJR market, in units of their deviation."""
    random, variance, returns = np.random.default_rng(seed), 1.0, np.empty(sessions)
    keeps = shock + fall / 2 + memory
    for session in range(sessions):
        noise = random.standard_t(6) * np.sqrt(4 / 6)
        returns[session] = now = noise * np.sqrt(variance)
        news = (shock + fall * (now < 0)) * now**2
        variance = 1 - keeps + news + memory * variance
    return returns / np.sqrt(np.mean(returns**2))


def oracle(returns, *, falls):
    """The model as arch has it."""
    return arch_model(
        returns,
        mean="Zero",
        vol="GARCH",
        p=1,
        o=int(falls),
        q=1,
        dist="t",
        rescale=False,
    )


@pytest.mark.parametrize("falls", [False, True])
@pytest.mark.parametrize(
    "reaction", [(0.08, 0.0, 0.9), (0.02, 0.12, 0.85), (0.12, -0.08, 0.8)]
)
def test_the_maximum_is_that_of_arch(reaction, falls):
    """Weights and level agree, also where rises count more than falls."""
    returns = simulate(*reaction)
    level, found = fit_reaction(returns, falls=falls)
    theirs = oracle(returns, falls=falls).fit(disp="off").params

    constant = level * (1 - found.persistence)
    assert constant == pytest.approx(theirs["omega"], abs=3e-3)
    assert found.shock == pytest.approx(theirs["alpha[1]"], abs=3e-3)
    assert found.fall == pytest.approx(theirs.get("gamma[1]", 0.0), abs=3e-3)
    assert found.memory == pytest.approx(theirs["beta[1]"], abs=6e-3)


@pytest.mark.parametrize("falls", [False, True])
def test_the_likelihood_is_that_of_arch(falls):
    """At one place, to many digits."""
    returns = simulate(0.08, 0.04, 0.85, sessions=300)
    series = _Series.of(returns, falls=falls)
    place = series.start()
    level, found = series.at(place).found(falls=falls)
    values = [level * (1 - found.persistence), found.shock]
    values += [found.fall] * falls + [found.memory, 2 + np.exp(place[-1])]
    theirs = oracle(returns, falls=falls).fix(values).loglikelihood

    assert series.at(place).likelihood == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("falls", [False, True])
def test_the_slope_is_that_of_small_steps(falls):
    """Scores add up to the numerical gradient."""
    series = _Series.of(simulate(0.08, 0.04, 0.85, sessions=300), falls=falls)
    place = series.start() + 0.1
    by_steps = [
        (series.at(place + step).likelihood - series.at(place - step).likelihood) / 2e-5
        for step in 1e-5 * np.eye(len(place))
    ]

    np.testing.assert_allclose(series.at(place).slope, by_steps, rtol=1e-5, atol=1e-6)


def test_an_integrated_variance_has_a_finite_level():
    """Persistence ends below 1, and the level with it."""
    random = np.random.default_rng(3)
    drifting = np.exp(np.cumsum(0.05 * random.normal(size=1500)))
    returns = random.normal(size=1500) * drifting
    level, found = fit_reaction(returns / returns.std(), falls=True)

    assert found.persistence == MAX_PERSISTENCE
    assert 0 < level < 1000
