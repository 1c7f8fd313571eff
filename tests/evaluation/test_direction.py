"""Directions are tested where targets do not overlap, a date counting once."""

import numpy as np
import pytest
from scipy import stats

from closecast.evaluation.direction import (
    effective_directions,
    judge_direction,
    pesaran_timmermann,
)

DATES = np.arange("2015-01-01", 800, dtype="datetime64[D]")


def _by_hand(named, went):
    """The statistic of the paper, equations 5 to 8."""
    n = len(named)
    px, py = named.mean(), went.mean()
    hit = np.mean(named == went)
    expected = px * py + (1 - px) * (1 - py)
    of_hit = expected * (1 - expected) / n
    of_expected = (
        (2 * py - 1) ** 2 * px * (1 - px) / n
        + (2 * px - 1) ** 2 * py * (1 - py) / n
        + 4 * px * py * (1 - px) * (1 - py) / n**2
    )
    return hit - expected, (hit - expected) / np.sqrt(of_hit - of_expected)


class TestPesaranTimmermann:
    @pytest.mark.parametrize("agree", [0.5, 0.56])
    def test_agrees_with_the_paper_for_one_symbol(self, agree):
        """Gain and statistic of equations 5 to 8."""
        random = np.random.default_rng(3)
        went = random.random(800) < 0.55
        named = np.where(random.random(800) < agree, went, ~went)
        gain, statistic, p_value = pesaran_timmermann(named, went, DATES)
        expected_gain, expected = _by_hand(named, went)

        assert gain == pytest.approx(expected_gain)
        assert statistic == pytest.approx(expected, rel=0.03, abs=0.02)
        assert p_value == pytest.approx(stats.norm.sf(statistic))

    def test_copies_of_a_symbol_are_no_evidence(self):
        """Thirty symbols that move as one are worth one."""
        random = np.random.default_rng(4)
        named, went = random.random((2, 800)) < 0.5
        alone = pesaran_timmermann(named, went, DATES)
        panel = pesaran_timmermann(
            np.tile(named, 30), np.tile(went, 30), np.tile(DATES, 30)
        )

        assert panel == pytest.approx(alone)

    def test_one_direction_only_is_not_tested(self):
        """Who always says up shows nothing."""
        went = np.random.default_rng(5).random(800) < 0.5

        assert pesaran_timmermann(np.ones(800, bool), went, DATES) == (0, None, None)

    def test_too_few_dates_are_not_tested(self):
        """The gain stands alone."""
        named, went = np.random.default_rng(6).random((2, 12)) < 0.5
        _, statistic, p_value = pesaran_timmermann(named, went, DATES[:12])

        assert statistic is None
        assert p_value is None


class TestJudgeDirection:
    def test_knowing_the_direction_is_seen(self, world):
        """The truth's own sign gains near half at every step."""
        steps = judge_direction(world.forecast(world.truth * 0.1), world.truth)

        assert all(step.gain > 0.4 and step.p_value < 1e-6 for step in steps)

    def test_targets_do_not_overlap(self, world):
        """Step h keeps every h-th date."""
        steps = judge_direction(world.forecast(world.truth * 0.1), world.truth)

        counts = [step.num_dates for step in steps]
        assert counts == [-(-695 // step) for step in range(1, 6)]

    def test_a_forecast_of_zero_names_none(self, world):
        """No direction, no figure."""
        first = judge_direction(world.forecast(0.0), world.truth)[0]

        assert (first.excess, first.gain, first.p_value) == (None, None, None)
        assert first.to_dict()["num_windows"] == 0

    def test_forecasts_that_never_move_are_worth_no_window(self, world):
        """A last close says up or down of nothing."""
        assert effective_directions(world.forecast(0.0), world.truth) == 0.0
