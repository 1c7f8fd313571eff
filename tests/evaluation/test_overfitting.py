"""A winner is judged by how many it was chosen from."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from scipy import stats

from closecast.errors import SettingError
from closecast.evaluation import overfitting
from closecast.evaluation.overfitting import (
    deflated_sharpe,
    deflated_sharpe_of_moments,
    expected_maximum,
    probability_of_overfitting,
)


class TestDeflatedSharpe:
    @pytest.mark.parametrize(("trials", "probability"), [(100, 0.9004), (46, 0.9505)])
    def test_the_published_example(self, trials, probability):
        """Bailey and Lopez de Prado (2014): a yearly 2.5 over five years of days."""
        found = deflated_sharpe_of_moments(
            2.5 / np.sqrt(250),
            1250,
            skewness=-3,
            kurtosis=10,
            trials=trials,
            variance_of_trials=0.5 / 250,
        )

        assert found.probability == pytest.approx(probability, abs=2e-4)
        if trials == 100:
            assert found.expected_best == pytest.approx(0.1132, abs=1e-4)

    def test_few_periods_by_hand(self):
        """Ten of them, a skewed gain with heavy tails."""
        found = deflated_sharpe_of_moments(
            0.6, 10, skewness=-0.5, kurtosis=5, trials=3, variance_of_trials=0.04
        )
        error = 1 + 0.5 * 0.6 + (5 - 1) / 4 * 0.36
        best = 0.2 * expected_maximum(3)

        assert found.expected_best == pytest.approx(best)
        score = (0.6 - best) * 3 / np.sqrt(error)
        assert found.probability == pytest.approx(stats.norm.cdf(score))

    def test_the_largest_of_many_normal_numbers(self):
        """The approximation of its mean, against simulation."""
        draws = np.random.default_rng(0).standard_normal((20_000, 50)).max(axis=1)

        assert expected_maximum(50) == pytest.approx(draws.mean(), abs=0.03)

    def test_gains_give_their_own_moments(self):
        """From the sample as from its moments."""
        gains = np.random.default_rng(1).normal(0.05, 1, 800)
        found = deflated_sharpe(gains, 20, 0.001)
        z = (gains - gains.mean()) / gains.std()
        by_moments = deflated_sharpe_of_moments(
            gains.mean() / gains.std(ddof=1),
            800,
            skewness=np.mean(z**3),
            kurtosis=np.mean(z**4),
            trials=20,
            variance_of_trials=0.001,
        )

        assert found == by_moments
        assert found.to_dict()["trials"] == 20

    def test_more_trials_are_less_convincing(self):
        """The same gains out of 10 and out of 1,000."""
        gains = np.random.default_rng(2).normal(0.1, 1, 800)

        few, many = (deflated_sharpe(gains, n, 0.001).probability for n in (10, 1000))
        assert few > many

    @pytest.mark.parametrize(
        ("gains", "trials"), [(np.ones(50), 5), (np.arange(50.0), 1)]
    )
    def test_what_cannot_be_judged_is_refused(self, gains, trials):
        """One trial, or gains that do not vary."""
        with pytest.raises(SettingError, match=r"at least 2 trials|gains that vary"):
            deflated_sharpe(gains, trials, 0.001)

    def test_two_trials_and_no_variance_can_be_judged(self):
        """The least that is asked for."""
        found = deflated_sharpe(np.array([1.0, 2.0]), 2, 0.0)

        assert found.expected_best == 0
        assert found.num_periods == 2
        for gains, variance in ((np.array([1.0]), 0.1), (np.arange(9.0), -0.1)):
            with pytest.raises(SettingError, match=r"gains that vary|at least 0, got"):
                deflated_sharpe(gains, 2, variance)


class TestProbabilityOfOverfitting:
    def test_a_naive_loop_agrees(self):
        """Every way to halve six blocks, written out."""
        gains = np.random.default_rng(3).normal(size=(60, 5))
        parts = np.split(gains, 6)
        below = []
        for half in combinations(range(6), 3):
            here = np.concatenate([parts[i] for i in half]).mean(axis=0)
            there = np.concatenate([parts[i] for i in range(6) if i not in half])
            there = there.mean(axis=0)
            rank = (there <= there[here.argmax()]).sum() / 6
            below.append(rank <= 0.5)

        found = probability_of_overfitting(gains, 6)
        assert found.probability == pytest.approx(np.mean(below))
        assert found.num_splits == 20

    @pytest.mark.parametrize("at_once", [1, 50, 2**22])
    @pytest.mark.parametrize(("dates", "blocks"), [(41, 8), (27, 6), (8, 2)])
    def test_every_figure_is_what_loops_give(self, monkeypatch, dates, blocks, at_once):
        """Blocks of unequal length, trials that tie, halves compared in parts."""
        monkeypatch.setattr(overfitting, "CELLS_AT_ONCE", at_once)
        gains = np.random.default_rng(dates).integers(-3, 4, (dates, 5)).astype(float)
        gains[:, 3] = gains[:, 1]
        long = dates % blocks
        sizes = [dates // blocks + (n < long) for n in range(blocks)]
        ends = np.cumsum([0, *sizes])
        parts = [gains[start:end] for start, end in pairwise(ends)]
        low, lost, here, there = [], [], [], []
        for half in combinations(range(blocks), blocks // 2):
            first = np.concatenate([parts[n] for n in half]).mean(axis=0)
            rest = [part for n, part in enumerate(parts) if n not in half]
            second = np.concatenate(rest).mean(axis=0)
            best = first.argmax()
            worse = sum(one < second[best] - 1e-12 for one in second)
            same = sum(abs(one - second[best]) < 1e-12 for one in second)
            low.append((worse + same / 2 + 0.5) / 6 <= 0.5)
            lost.append(second[best] < 0)
            here.append(first[best])
            there.append(second[best])

        found = probability_of_overfitting(gains, blocks)

        assert found.probability == pytest.approx(np.mean(low))
        assert found.loss_probability == pytest.approx(np.mean(lost))
        assert found.slope == pytest.approx(np.polyfit(here, there, 1)[0])
        assert (found.trials, found.num_splits) == (5, len(low))

    def test_winners_that_are_all_the_same_have_no_slope(self):
        """Gains of nothing, of which none is a loss."""
        found = probability_of_overfitting(np.zeros((64, 3)))

        assert found.slope is None
        assert found.loss_probability == 0

    @pytest.mark.parametrize("trials", [1, 2])
    def test_two_trials_can_be_compared(self, trials):
        """One cannot."""
        gains = np.random.default_rng(1).normal(size=(64, trials))
        if trials == 2:
            assert probability_of_overfitting(gains).trials == 2
        else:
            with pytest.raises(SettingError, match="and 2 trials"):
                probability_of_overfitting(gains)

    def test_worthless_trials_disappoint_half_the_time(self):
        """The winner of noise is as often below the median as above."""
        shares = [
            probability_of_overfitting(
                np.random.default_rng(seed).normal(size=(320, 30)), 8
            ).probability
            for seed in range(40)
        ]
        assert 0.4 < np.mean(shares) < 0.6

    def test_a_trial_that_is_better_does_not(self):
        """A steady gain wins both halves."""
        gains = np.random.default_rng(5).normal(size=(640, 20))
        gains[:, 7] += 1.0
        found = probability_of_overfitting(gains)

        assert found.probability == 0
        assert found.loss_probability == 0
        assert found.to_dict()["trials"] == 20

    @pytest.mark.parametrize("blocks", [3, 1, 40])
    def test_blocks_that_do_not_fit_are_refused(self, blocks):
        """Odd, one, or too short."""
        with pytest.raises(SettingError, match="even number of blocks"):
            probability_of_overfitting(np.zeros((64, 3)), blocks)
