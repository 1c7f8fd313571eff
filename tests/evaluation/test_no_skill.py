"""Skill where none can be is a leak, and luck is none."""

import numpy as np
import pytest
from scipy import stats

from closecast.evaluation.no_skill import MAX_P, label_shuffle
from closecast.evaluation.significance import diebold_mariano

DATES = np.repeat(np.arange("2020-01-01", "2020-03-01", dtype="M8[D]"), 3)


def judge(gain, dates=DATES, steps=2):
    """Errors that are drift's, less a gain and noise."""
    random = np.random.default_rng(0)
    drift = random.normal(size=(len(dates), steps)) ** 2
    own = drift * (1 - gain) + 0.1 * random.normal(size=drift.shape)
    return label_shuffle(own, drift, dates, "dealt out anew")


@pytest.mark.parametrize(("gain", "passed"), [(0.3, False), (0.0, True), (-0.3, True)])
def test_skill_is_a_leak(gain, passed):
    """A smaller error fails, an equal or a larger one does not."""
    result = judge(gain)

    assert result.passed is passed
    assert result.detail.startswith("dealt out anew: R2 against drift ")


def test_luck_is_no_leak():
    """Of three hundred lots without skill hardly one fails."""
    random = np.random.default_rng(1)
    failed = 0
    for _ in range(300):
        drift = random.normal(size=(len(DATES), 1)) ** 2
        own = drift + random.normal(size=drift.shape)
        failed += label_shuffle(own, drift, DATES, "").passed is False
    assert failed <= 300 * MAX_P + 2


def test_few_dates_prove_nothing():
    """Ten dates are no pass."""
    assert judge(0.3, DATES[:30]).passed is None


@pytest.mark.parametrize("gains", [(0.1, 0.02), (-0.1, 0.1), (-0.1, -0.2)])
def test_the_chance_is_that_of_the_best_step_times_the_steps(gains):
    """One-sided, from the test of equal accuracy; R2 is the best as well."""
    random = np.random.default_rng(3)
    drift = random.normal(size=(len(DATES), 2)) ** 2
    own = drift * (1 - np.array(gains)) + 0.3 * random.normal(size=drift.shape)
    chances, best = [], []
    for step in (0, 1):
        test = diebold_mariano(own[:, step], drift[:, step], DATES, step + 1)
        chances.append(stats.t.cdf(test.statistic, test.num_dates - 1))
        best.append(1 - own[:, step].mean() / drift[:, step].mean())
    chance = min(2 * min(chances), 1.0)

    found = label_shuffle(own, drift, DATES, "dealt")

    assert found.detail == (
        f"dealt: R2 against drift {max(best):+.2%} at best over 60 dates, by luck with "
        f"p = {chance:.2g}"
    )
    assert found.passed is bool(chance > MAX_P)


def test_steps_without_enough_dates_are_left_out():
    """Twenty-three dates judge five steps ahead, not six."""
    random = np.random.default_rng(4)
    dates = np.arange("2020-01-01", 23, dtype="M8[D]")
    drift = 1 + random.random((23, 6))
    own = drift - 0.5 + 0.1 * random.random((23, 6))
    own[:, 5] = 0.0
    found = label_shuffle(own, drift, dates, "")

    chances = [
        diebold_mariano(own[:, step], drift[:, step], dates, step + 1).p_value / 2
        for step in range(5)
    ]
    assert found.detail.endswith(f"p = {5 * min(chances):.2g}")


@pytest.mark.parametrize("still", [[0], [1], [0, 1]])
def test_prices_that_stand_still_prove_nothing(still):
    """Nothing is divided by an error of 0, at any step."""
    drift = np.ones((len(DATES), 2))
    drift[:, still] = 0.0
    found = label_shuffle(0.5 * drift, drift, DATES, "dealt")

    assert found.passed is None
    assert found.detail == "dealt: no price moves against drift"


@pytest.mark.parametrize("gain", [0.03, -0.03])
def test_of_one_step_the_chance_is_one_sided(gain):
    """Small where the error is smaller than drift's, near 1 where it is larger."""
    random = np.random.default_rng(5)
    drift = random.normal(size=(len(DATES), 1)) ** 2
    own = drift - gain + 0.3 * random.normal(size=drift.shape)
    test = diebold_mariano(own[:, 0], drift[:, 0], DATES, 1)
    chance = stats.t.cdf(test.statistic, test.num_dates - 1)

    assert (0.01 < chance < 0.3) if gain > 0 else (0.6 < chance < 0.97)
    assert label_shuffle(own, drift, DATES, "").detail.endswith(f"p = {chance:.2g}")
