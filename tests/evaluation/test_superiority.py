"""The best of many is believed only after all are counted."""

import numpy as np
import pytest
from arch.bootstrap import SPA, StepM

from closecast.evaluation.dependence import long_run_variances
from closecast.evaluation.resampling import SEED, block_length
from closecast.evaluation.superiority import REPETITIONS, _variances, superiority


def _losses(better=0.0, models=8, dates=400, seed=1):
    random = np.random.default_rng(seed)
    losses = {"benchmark": random.exponential(size=dates)}
    for number in range(models):
        losses[f"m{number}"] = random.exponential(size=dates)
    losses["good"] = losses["benchmark"] * (1 - better) + random.normal(0, 0.01, dates)
    return losses


@pytest.mark.parametrize("gain", [-0.05, 0.0, 0.05, 0.2])
def test_agrees_with_arch_for_one_model(gain):
    """The consistent p-value, where units do not matter."""
    own, other = 2 + np.random.default_rng(5).normal(size=(2, 400))
    losses = {"benchmark": own, "m": other - gain}
    found = superiority(losses, "benchmark", 1, "crps")
    block = block_length((own - losses["m"])[:, None], 1)
    spa = SPA(own, losses["m"], block, REPETITIONS, "stationary", seed=SEED)
    spa.compute()

    assert found.spa_p == pytest.approx(spa.pvalues["consistent"])
    assert found.num_models == 1


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_arch_for_many_models(seed):
    """SPA and StepM of gains in units of their uncertainty, some good, some wild."""
    losses = _losses(better=0.02, seed=seed)
    losses |= {"wild": 3 * losses["m0"], "fair": losses["good"] + 0.01}
    own, *others = losses.values()
    gains = own[:, None] - np.stack(others, axis=1)
    gains /= np.sqrt(long_run_variances(gains, 2))
    given = (np.zeros(len(own)), -gains)
    block = block_length(gains, 2)
    spa = SPA(*given, block, REPETITIONS, "stationary", seed=SEED)
    spa.compute()
    step = StepM(*given, 0.1, block, REPETITIONS, "stationary", seed=SEED)
    step.compute()

    found = superiority(losses, "benchmark", 2, "crps")

    assert found.spa_p == pytest.approx(spa.pvalues["consistent"])
    names = list(losses)[1:]
    assert found.superior == tuple(names[place] for place in step.superior_models)


@pytest.mark.parametrize("horizon", [1, 4])
@pytest.mark.parametrize("dates", [60, 300])
@pytest.mark.parametrize("reach", [(-5, 0.5), (-3, 4)])
def test_agrees_with_arch_where_some_are_clearly_worse(horizon, dates, reach):
    """Forty models, from far worse to a little or much better, each a bit apart."""
    random = np.random.default_rng(dates + horizon)
    own = 9 + random.normal(size=dates)
    gains = random.normal(size=(dates, 40)) + 0.3 * random.normal(size=(dates, 1))
    gains -= gains.mean(axis=0)
    gains += np.linspace(*reach, 40) * gains.std(axis=0) / np.sqrt(dates)
    losses = {"benchmark": own}
    losses |= {f"m{n}": own - gain for n, gain in enumerate(gains.T)}
    gains = gains / np.sqrt(long_run_variances(gains, horizon))
    given = (np.zeros(dates), -gains)
    block = block_length(gains, horizon)
    spa = SPA(*given, block, REPETITIONS, "stationary", seed=SEED)
    spa.compute()
    step = StepM(*given, 0.1, block, REPETITIONS, "stationary", seed=SEED)
    step.compute()

    found = superiority(losses, "benchmark", horizon, "crps")

    assert found.spa_p == pytest.approx(spa.pvalues["consistent"])
    assert found.superior == tuple(f"m{place}" for place in step.superior_models)


@pytest.mark.parametrize("block", [1, 3, 8])
def test_the_variance_of_a_drawn_mean_by_loops(block):
    """Two draws lie in one block, a circle of dates, or have nothing to do with it."""
    gains = np.cumsum(np.random.default_rng(block).normal(size=(12, 2)), axis=0)
    centred = gains - gains.sum(axis=0) / 12
    expected = np.zeros(2)
    for first in range(12):
        for second in range(12):
            apart = abs(first - second)
            together = (1 - 1 / block) ** apart
            covariance = sum(centred[n] * centred[(n + apart) % 12] for n in range(12))
            expected += together * covariance / 12 / 12**2

    np.testing.assert_allclose(_variances(gains, block), expected)


def test_a_model_that_is_better_on_every_date_is_named():
    """By more and by less, and never by nothing."""
    losses = _losses(models=2)
    random = np.random.default_rng(9)
    losses["always"] = losses["benchmark"] - 1 - 0.2 * random.random(400)

    assert "always" in superiority(losses, "benchmark", 1, "crps").superior


def test_all_may_be_better():
    """Where every model beats the benchmark each is named."""
    losses = _losses(better=0.1, models=0)
    losses["second"] = losses["good"] - 0.001 * losses["benchmark"]

    found = superiority(losses, "benchmark", 1, "crps")

    assert found.superior == ("good", "second")


def test_holds_its_size():
    """Of worthless sets of five about one in ten falls below p = 0.10."""
    p_values = [
        superiority(
            {
                str(m): np.random.default_rng([n, m]).exponential(size=99)
                for m in range(6)
            },
            "0",
            1,
            "crps",
        ).spa_p
        for n in range(60)
    ]
    assert np.mean(np.array(p_values) < 0.10) < 0.25


def test_a_better_model_is_named_with_its_skill():
    """Of nine models the one that is better, and by how much."""
    found = superiority(_losses(better=0.05), "benchmark", 5, "crps")

    assert found.superior == ("good",)
    assert found.spa_p < 0.10
    assert found.best_skill >= 0.04


def test_luck_among_many_is_not_believed():
    """The best of forty worthless models beats nothing."""
    found = superiority(_losses(models=40, seed=2), "benchmark", 1, "crps")

    assert found.best_skill > 0
    assert found.spa_p > 0.10
    assert found.superior == ()


@pytest.mark.parametrize("dates", [19, 400])
def test_nothing_to_test_with_says_nothing(dates):
    """Too few dates, or a constant difference, have no p-value."""
    loss = np.random.default_rng(3).exponential(size=dates)
    found = superiority({"benchmark": loss, "same": loss + 0.1}, "benchmark", 1, "crps")

    assert found.spa_p is None
    assert found.best_skill < 0
    assert found.to_dict()["superior"] == ()


@pytest.mark.parametrize(("dates", "horizon"), [(20, 1), (24, 6)])
def test_the_fewest_dates_are_tested(dates, horizon):
    """One fewer is not."""
    losses = _losses(dates=dates)
    fewer = {name: loss[1:] for name, loss in losses.items()}

    assert superiority(losses, "benchmark", horizon, "crps").spa_p is not None
    assert superiority(fewer, "benchmark", horizon, "crps").spa_p is None


def test_a_model_that_never_varies_against_the_benchmark_is_left_out():
    """The others are tested as if it were not there, and it is still counted."""
    losses = _losses(better=0.05, models=3)
    same = {**losses, "same": losses["benchmark"].copy()}
    shifted = {**losses, "shifted": losses["benchmark"] - 1e-3}
    alone = superiority(losses, "benchmark", 2, "crps")
    for more in (same, shifted):
        found = superiority(more, "benchmark", 2, "crps")

        assert found.spa_p == alone.spa_p
        assert found.superior == alone.superior
        assert found.num_models == alone.num_models + 1


def test_the_best_is_the_one_with_the_least_loss():
    """Whether or not it is tested."""
    losses = _losses(models=5)
    means = {name: sum(loss) / len(loss) for name, loss in losses.items()}
    own = means.pop("benchmark")
    found = superiority(losses, "benchmark", 3, "squared_error")

    assert found.best == min(means, key=means.get)
    assert found.best_skill == pytest.approx(1 - min(means.values()) / own)
    assert (found.score, found.horizon) == ("squared_error", 3)
