"""Skill where none can be is a leak, and luck is none."""

import numpy as np
import pytest

from closecast.evaluation.no_skill import MAX_P, label_shuffle

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
