"""A model that wins in storms only is seen to."""

import numpy as np
import pytest

from closecast.evaluation.regimes import by_volatility

COUNT = 600
DATES = np.arange("2012-01-01", COUNT, dtype="datetime64[D]")


def _world(seed=0):
    random = np.random.default_rng(seed)
    return random.exponential(size=COUNT), random.permutation(np.arange(1.0, COUNT + 1))


def test_a_gain_in_storms_only():
    """Skill and p-value of the third it lies in, and none in the others."""
    loss, scale = _world()
    noise = np.random.default_rng(9).normal(0, 0.05, COUNT)
    better = loss * np.where(scale > 400, 0.9, 1.0) + noise
    found = by_volatility(better, loss, DATES, scale, horizon=1, baseline="ewma_t")

    low, middle, high = found.regimes
    assert high.skill_crps == pytest.approx(0.1, abs=0.02)
    assert high.p_value < 0.001
    assert min(low.p_value, middle.p_value) > 0.01
    assert found.p_value < 0.001
    assert [one.num_windows for one in found.regimes] == [200, 200, 200]


def test_agrees_with_the_formula_written_out():
    """A Wald statistic with Bartlett's weights, three test functions."""
    loss, scale = _world(1)
    other = loss + np.random.default_rng(2).normal(0, 0.1, COUNT)
    found = by_volatility(loss, other, DATES, scale, horizon=5, baseline="har_t")

    third = np.searchsorted(np.quantile(scale, [1 / 3, 2 / 3]), scale)
    z = (loss - other)[:, None] * (third[:, None] == np.arange(3))
    centred, lags = z - z.mean(0), int(np.ceil(COUNT ** (1 / 3)))
    omega = centred.T @ centred / COUNT
    for lag in range(1, lags + 1):
        gamma = centred[lag:].T @ centred[:-lag] / COUNT
        omega += (1 - lag / (lags + 1)) * (gamma + gamma.T)
    statistic = COUNT * z.mean(0) @ np.linalg.inv(omega) @ z.mean(0)
    from scipy.stats import chi2

    assert found.p_value == pytest.approx(chi2.sf(statistic, 3))
    for number, one in enumerate(found.regimes):
        alone = COUNT * z.mean(0)[number] ** 2 / omega[number, number]
        here = third == number
        assert one.volatility == ("low", "middle", "high")[number]
        assert one.p_value == pytest.approx(chi2.sf(alone, 1))
        assert one.num_windows == here.sum()
        assert one.skill_crps == pytest.approx(1 - loss[here].sum() / other[here].sum())


def test_equal_models_hold_the_size():
    """Of equal forecasts about one in ten falls below p = 0.10."""
    p_values = []
    for seed in range(200):
        random = np.random.default_rng(seed)
        loss, other = random.exponential(size=(2, COUNT))
        scale = random.random(COUNT) + 0.1
        found = by_volatility(loss, other, DATES, scale, horizon=1, baseline="b")
        p_values.append(found.p_value)

    assert 0.04 < np.mean(np.array(p_values) < 0.10) < 0.20


def test_too_few_dates_have_skills_without_p_values():
    """Skill stands alone."""
    loss, scale = _world()
    found = by_volatility(
        loss[:15], loss[:15] * 2, DATES[:15], scale[:15], horizon=1, baseline="b"
    )

    assert found.p_value is None
    assert all(one.p_value is None for one in found.regimes)
    assert all(one.skill_crps == pytest.approx(0.5) for one in found.regimes)


def test_one_volatility_is_one_regime():
    """A panel without weather has one test function."""
    loss, _ = _world()
    found = by_volatility(
        loss, loss * 1.1, DATES, np.full(COUNT, 0.02), horizon=1, baseline="b"
    )

    assert len(found.regimes) == 1
    assert found.to_dict()["baseline"] == "b"


def test_an_advantage_that_never_varies_has_no_joint_test():
    """A third in which both are the same has no variance to test with."""
    loss, scale = _world()
    calm = np.searchsorted(np.quantile(scale, [1 / 3, 2 / 3]), scale) == 0
    other = np.where(calm, loss, loss + np.random.default_rng(3).normal(0, 1, COUNT))
    found = by_volatility(loss, other, DATES, scale, horizon=1, baseline="ewma_t")

    assert found.p_value is None
    assert [one.p_value is None for one in found.regimes] == [True, False, False]


def test_symbols_of_a_date_are_added_up_in_each_third():
    """Copies of a symbol are no more evidence than one."""
    loss, scale = _world(4)
    other = loss + np.random.default_rng(5).normal(0.02, 0.3, COUNT)
    alone = by_volatility(loss, other, DATES, scale, horizon=2, baseline="b")
    many = by_volatility(
        np.tile(loss, 7), np.tile(other, 7), np.tile(DATES, 7), np.tile(scale, 7),
        horizon=2, baseline="b",
    )  # fmt: skip

    assert many.p_value == pytest.approx(alone.p_value)
    assert [one.p_value for one in many.regimes] == pytest.approx(
        [one.p_value for one in alone.regimes]
    )
    assert [one.num_windows for one in many.regimes] == [1400] * 3


def test_two_volatilities_are_two_regimes():
    """The middle third has no window, and no figure."""
    loss, _ = _world(6)
    other = loss + np.random.default_rng(7).normal(0, 0.1, COUNT)
    scale = np.where(np.arange(COUNT) % 2 == 0, 0.01, 0.03)
    found = by_volatility(loss, other, DATES, scale, horizon=1, baseline="b")

    assert [one.volatility for one in found.regimes] == ["low", "middle"]
    assert found.p_value is not None


def test_thirds_that_move_as_one_have_no_joint_test():
    """A calm and a stormy symbol with the same difference on every date."""
    loss, _ = _world(8)
    other = loss + np.random.default_rng(9).normal(0, 0.1, COUNT)
    found = by_volatility(
        np.tile(loss, 2), np.tile(other, 2), np.tile(DATES, 2),
        np.repeat([0.01, 0.03], COUNT), horizon=1, baseline="b",
    )  # fmt: skip

    assert found.p_value is None
    assert len({one.p_value for one in found.regimes}) == 1
    assert found.regimes[0].p_value is not None


def test_a_small_statistic_has_a_large_p_value():
    """Differences that all but vanish over time."""
    loss, scale = _world(10)
    order = np.argsort(np.argsort(scale)) // 200
    around = np.random.default_rng(11).normal(0, 0.1, COUNT)
    for third in range(3):
        around[order == third] -= around[order == third].mean()
    found = by_volatility(loss + around, loss, DATES, scale, horizon=1, baseline="b")

    assert found.p_value > 0.999
