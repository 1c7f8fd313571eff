"""Directions are tested where targets do not overlap, a date counting once."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from closecast.evaluation.direction import (
    direction_excess,
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
        """Who always says up, or down, shows nothing; nor does a market that does."""
        went = np.random.default_rng(5).random(800) < 0.5
        for one in (np.ones(800, bool), np.zeros(800, bool)):
            assert pesaran_timmermann(one, went, DATES) == (0, None, None)
            assert pesaran_timmermann(went, one, DATES) == (0, None, None)

    def test_dates_that_balance_are_not_tested(self):
        """Right and wrong on every date alike: nothing varies over dates."""
        named = np.tile([True, True, False, False], 100)
        went = np.tile([True, False, True, False], 100)
        found = pesaran_timmermann(named, went, np.repeat(DATES[:100], 4))

        assert found == (0, None, None)

    def test_symbols_of_a_date_are_added_up(self):
        """By loops: deviations of both, their product summed over each date."""
        random = np.random.default_rng(7)
        dates = random.choice(DATES[:60], 300)
        went = random.random(300) < 0.6
        named = np.where(random.random(300) < 0.7, went, random.random(300) < 0.4)
        up, share = sum(went) / 300, sum(named) / 300
        sums = dict.fromkeys(set(dates.tolist()), 0.0)
        for one, came, date in zip(named, went, dates.tolist(), strict=True):
            sums[date] += (one - share) * (came - up)
        total = sum(sums.values())
        statistic = total / np.sqrt(sum(one**2 for one in sums.values()))
        found = pesaran_timmermann(named, went, dates)

        assert found[0] == pytest.approx(2 * total / 300)
        assert found[1] == pytest.approx(statistic)
        assert found[2] == pytest.approx(stats.norm.sf(statistic))

    def test_too_few_dates_are_not_tested(self):
        """The gain stands alone."""
        named, went = np.random.default_rng(6).random((2, 12)) < 0.5
        _, statistic, p_value = pesaran_timmermann(named, went, DATES[:12])

        assert statistic is None
        assert p_value is None

    @pytest.mark.parametrize("dates", [19, 20])
    def test_twenty_dates_are_enough(self, dates):
        """Any number of symbols on them is no substitute."""
        named, went = np.random.default_rng(6).random((2, 5 * dates)) < 0.5
        found = pesaran_timmermann(named, went, np.tile(DATES[:dates], 5))

        assert (found[1] is not None) is (dates == 20)


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

        assert direction_excess(world.forecast(0.0), world.truth) == [(0.0, 0)] * 5
        assert (first.excess, first.gain, first.p_value) == (None, None, None)
        assert first.to_dict()["num_windows"] == 0

    def test_forecasts_that_never_move_are_worth_no_window(self, world):
        """A last close says up or down of nothing."""
        assert effective_directions(world.forecast(0.0), world.truth) == 0.0

    def test_each_step_is_what_loops_give(self, world):
        """Directions of windows that move, and of cutoffs whose targets are apart."""
        random = np.random.default_rng(9)
        rows = random.permutation(len(world.truth))[:900]
        truth = world.truth[rows].copy()
        mean = 0.3 * truth + random.normal(0.004, 0.02, truth.shape)
        truth[random.random(truth.shape) < 0.05] = 0.0
        mean[random.random(truth.shape) < 0.05] = 0.0
        forecast = world.forecast(0.0).take(rows)
        forecast = replace(forecast, mean=mean)

        for step, found in enumerate(judge_direction(forecast, truth)):
            moves = [n for n in range(900) if mean[n, step] and truth[n, step]]
            right = [mean[n, step] * truth[n, step] > 0 for n in moves]
            up = sum(truth[n, step] > 0 for n in moves) / len(moves)
            excess = sum(right) / len(moves) - max(up, 1 - up)
            days = sorted(set(forecast.cutoffs.tolist()))[:: step + 1]
            apart = [n for n in moves if forecast.cutoffs[n].item() in days]
            gain, statistic, p_value = pesaran_timmermann(
                mean[apart, step] > 0, truth[apart, step] > 0, forecast.cutoffs[apart]
            )

            assert found.horizon == step + 1
            assert found.excess == pytest.approx(excess)
            assert direction_excess(forecast, truth)[step][1] == len(moves)
            assert found.num_windows == len(apart)
            assert found.num_dates == len(set(forecast.cutoffs[apart].tolist()))
            assert found.gain == pytest.approx(gain)
            assert found.pesaran_timmermann == pytest.approx(statistic)
            assert found.p_value == pytest.approx(p_value)


class TestEffectiveDirections:
    @pytest.mark.parametrize("together", [0.0, 0.6])
    def test_is_what_loops_give(self, world, together):
        """Windows that move, by how much the accuracy varies over dates."""
        random = np.random.default_rng(10)
        day = np.tile(random.random(695) < together, 3)
        right = np.where(day, np.tile(random.random(695) < 0.5, 3),
                         random.random(2085) < 0.5)  # fmt: skip
        mean = np.where(right, 1.0, -1.0)[:, None] * np.sign(world.truth)
        mean[::7] = 0.0
        truth = world.truth.copy()
        truth[::11] = 0.0
        forecast = world.forecast(mean)

        moves = [n for n in range(2085) if mean[n, 0] and truth[n, 0]]
        accuracy = sum(right[n] for n in moves) / len(moves)
        sums, alone = {}, 0.0
        for n in moves:
            date, error = forecast.cutoffs[n].item(), right[n] - accuracy
            sums[date] = sums.get(date, 0.0) + error
            alone += error**2
        share = min(alone / sum(one**2 for one in sums.values()), 1.0)

        found = effective_directions(forecast, truth)
        assert found == pytest.approx(len(moves) * share)

    @pytest.mark.parametrize("odd", [0, 1, 3])
    def test_dates_that_balance_count_each(self, make_world, odd):
        """One right and one wrong of a date: no more than there are."""
        world = make_world(symbols=2, sessions=45)
        right = np.concatenate([np.ones(40), -np.ones(40)])
        right[40 : 40 + odd] = 1
        forecast = world.forecast(right[:, None] * np.sign(world.truth))

        assert effective_directions(forecast, world.truth) == 80

    def test_directions_that_are_all_right_count_each(self, world):
        """Nothing varies: as many as there are windows."""
        assert effective_directions(world.forecast(world.truth), world.truth) == 2085
