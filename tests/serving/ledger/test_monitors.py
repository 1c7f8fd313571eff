"""Monitors keep still while all is well, and speak when it is not."""

import numpy as np
import pytest

from closecast.serving.ledger import Ledger, Monitor
from closecast.serving.ledger.monitors import (
    LIMITS,
    MIN_DATES,
    STATES,
    coverage_monitor,
    crps_monitor,
    cusum,
    worst,
)

DAYS = np.datetime64("2020-01-01") + np.arange(4000)


def held(share: float, days: int, seed: int, symbols: int = 1) -> tuple:
    """Draw hits of that share, and their dates."""
    dice = np.random.default_rng(seed)
    dates = np.repeat(DAYS[:days], symbols)
    return dice.random(len(dates)) < share, dates


def naive_cusum(losses: np.ndarray) -> list[float]:
    """Write the recursion down as the textbook does."""
    stands = []
    for at, loss in enumerate(losses):
        if at < MIN_DATES:
            stands.append(0.0)
            continue
        spread = (sum(past**2 for past in losses[:at]) / at) ** 0.5
        move = min(max(loss / spread, -3.0), 3.0)
        stands.append(max(0.0, stands[-1] + move - 0.25))
    return stands


def test_the_cusum_is_the_textbooks():
    """Step by step, from the dates before alone."""
    losses = np.random.default_rng(1).standard_t(4, 200) + 0.2

    assert np.allclose(cusum(losses), naive_cusum(losses))


def test_a_model_as_good_as_its_yardstick_is_left_alone():
    """On 200 simulated records of a year, retrain is said in at most one of 20."""
    dice = np.random.default_rng(2)
    ends = [cusum(dice.standard_t(5, 250)).max() for _ in range(200)]

    assert np.mean(np.array(ends) > LIMITS["watch"]) < 0.6
    assert np.mean(np.array(ends) > LIMITS["retrain"]) < 0.15
    assert np.mean(np.array(ends) > LIMITS["stop"]) < 0.03


@pytest.mark.parametrize(("worse", "state"), [(0.0, "fine"), (0.5, "stop")])
def test_a_model_that_got_worse_is_told(worse: float, state: str):
    """Half a standard deviation a date is found within a hundred dates."""
    dice = np.random.default_rng(3)
    losses = np.concatenate([dice.normal(size=100), dice.normal(worse, size=100)])

    monitor = crps_monitor(losses, DAYS[:200])

    assert monitor.state == state
    assert (monitor.name, monitor.dates, monitor.early) == ("crps", 200, False)


def test_one_crash_is_no_drift():
    """However bad a single date was."""
    losses = np.full(100, -0.1)
    losses[60] = 1000.0

    assert crps_monitor(losses, DAYS[:100]).state == "fine"


def test_a_model_equal_to_its_yardstick_is_fine():
    """No difference has no spread to divide by."""
    assert crps_monitor(np.zeros(100), DAYS[:100]).state == "fine"


@pytest.mark.parametrize(
    ("share", "state"),
    [(0.8, "fine"), (0.62, "watch"), (0.57, "retrain"), (0.2, "stop")],
)
def test_coverage_has_a_band(share: float, state: str):
    """The further from what was promised, the more is said."""
    hits = np.arange(60) % 100 < 100
    hits[: round(60 * (1 - share))] = False
    hits = np.random.default_rng(4).permutation(hits)

    monitor = coverage_monitor("coverage_80", hits, DAYS[:60], 0.8)

    assert monitor.state == state
    assert monitor.low < 0.8 < monitor.high


def test_intervals_that_hold_too_much_are_told():
    """Wider than promised is not calibrated either."""
    hits, dates = np.ones(60, bool), DAYS[:60]

    assert coverage_monitor("coverage_80", hits, dates, 0.8).state != "fine"


def test_only_the_last_dates_count():
    """What was wrong long ago is not told for ever."""
    bad, good = np.zeros(100, bool), held(0.8, 60, 5)[0]

    monitor = coverage_monitor("x", np.concatenate([bad, good]), DAYS[:160], 0.8)

    assert (monitor.state, monitor.dates) == ("fine", 60)


def test_symbols_of_one_date_are_not_many_trials():
    """Twenty symbols that move together widen the band to that of one."""
    one, dates = held(0.62, 60, 6)

    together = coverage_monitor("x", np.repeat(one, 20), np.repeat(dates, 20), 0.8)
    alone = coverage_monitor("x", one, dates, 0.8)

    assert together.value == alone.value
    assert together.low == pytest.approx(alone.low, abs=0.05)


def test_coverage_of_good_intervals_seldom_alarms():
    """On 300 simulated quarters, as often as the bands say."""
    states = [
        coverage_monitor("x", *held(0.8, 60, seed), 0.8).state for seed in range(300)
    ]

    assert sum(state != "fine" for state in states) < 15
    assert sum(STATES.index(state) > 1 for state in states) < 4


def test_few_dates_say_nothing():
    """And that they say nothing is said."""
    hits, dates = np.zeros(19, bool), DAYS[:19]

    assert coverage_monitor("x", hits, dates, 0.8).early
    assert crps_monitor(np.ones(19), dates).early
    assert worst([coverage_monitor("x", hits, dates, 0.8)]) == "fine"
    assert worst([]) == "fine"


def test_the_live_record_is_watched(sqlite: Ledger, market):
    """Three monitors over what came true of the judged model."""
    market.record(sqlite, range(-30, 0))

    monitors = sqlite.monitors()

    assert [one.name for one in monitors] == ["coverage_80", "coverage_95", "crps"]
    assert all(isinstance(one, Monitor) and one.dates == 29 for one in monitors)
    assert not any(one.early for one in monitors)


def test_a_retrained_model_starts_afresh(sqlite: Ledger, market):
    """Once it has dates enough; until then the record of its forerunner stands."""
    market.record(sqlite, range(-50, -25))
    market.record(sqlite, range(-25, -14), model="b")
    assert sqlite.monitors()[0].dates == 35

    market.record(sqlite, range(-14, 0), model="b")
    assert sqlite.monitors()[0].dates == 24
