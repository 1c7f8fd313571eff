"""Misses that come one after the other are told from those that do not."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from closecast.evaluation.calibration import MIN_EFFECTIVE
from closecast.evaluation.clustering import christoffersen, cluster_misses

DATES = np.arange("2010-01-01", 2001, dtype="datetime64[D]")


def _chain(after_hit, after_miss, seed=0, count=2000):
    """Misses of a Markov chain."""
    random, missed = np.random.default_rng(seed), [False]
    for draw in random.random(count):
        missed.append(bool(draw < (after_miss if missed[-1] else after_hit)))
    return np.array(missed)


def _by_hand(missed, nominal):
    """Both likelihood ratios of the paper, from the four counts."""
    before, now = missed[:-1], missed[1:]
    n = [[np.sum((before == i) & (now == j)) for j in (0, 1)] for i in (0, 1)]
    p01, p11 = n[0][1] / sum(n[0]), n[1][1] / sum(n[1])
    pooled = now.mean()

    def likelihood(a, b):
        return (
            n[0][0] * np.log(1 - a)
            + n[0][1] * np.log(a)
            + n[1][0] * np.log(1 - b)
            + n[1][1] * np.log(b)
        )

    own, promised = likelihood(p01, p11), 1 - nominal
    return (
        stats.chi2.sf(2 * (own - likelihood(pooled, pooled)), 1),
        stats.chi2.sf(2 * (own - likelihood(promised, promised)), 2),
    )


class TestChristoffersen:
    @pytest.mark.parametrize("after_miss", [0.2, 0.25, 0.4])
    def test_agrees_with_the_counts_written_out(self, after_miss):
        """Independence and conditional coverage of one symbol."""
        missed = _chain(0.2, after_miss)
        found = christoffersen(missed[:-1], missed[1:], DATES[1:], 0.8, 1)
        independent, conditional = _by_hand(missed, 0.8)

        assert found.independence_p == pytest.approx(independent)
        assert found.conditional_p == pytest.approx(conditional)
        assert found.miss_after_miss == pytest.approx(missed[1:][missed[:-1]].mean())

    def test_symbols_that_miss_together_count_as_one(self):
        """Forty copies of a symbol are no more evidence than one."""
        missed = _chain(0.2, 0.3)
        alone = christoffersen(missed[:-1], missed[1:], DATES[1:], 0.8, 1)
        panel = christoffersen(
            np.tile(missed[:-1], 40),
            np.tile(missed[1:], 40),
            np.tile(DATES[1:], 40),
            0.8,
            1,
        )

        assert panel.independence_p == pytest.approx(alone.independence_p)
        assert panel.conditional_p == pytest.approx(alone.conditional_p)
        assert panel.num_effective == pytest.approx(alone.num_effective)

    def test_no_miss_is_not_tested(self):
        """Shares stand alone where nothing was missed."""
        none = np.zeros(2000, bool)
        found = christoffersen(none, none, DATES[1:], 0.95, 1)

        assert found.miss_after_hit == 0
        assert found.miss_after_miss is None
        assert found.independence_p is None

    def test_what_is_as_promised_has_a_p_of_one(self):
        """One miss in five, and as many after a hit as after a miss."""
        now = np.tile([True, False, False, False, False], 200)
        before = np.repeat([True, False, False, False, False], 200)
        found = christoffersen(before, now, DATES[:1000], 0.8, 1)

        assert found.miss_after_hit == found.miss_after_miss == pytest.approx(0.2)
        assert found.independence_p == pytest.approx(1)
        assert found.conditional_p == pytest.approx(1)

    @pytest.mark.parametrize("misses", [0, 1, 39, 40])
    def test_some_hits_and_some_misses_are_needed(self, misses):
        """A single one of either is enough."""
        now = np.arange(40) < misses
        found = christoffersen(np.arange(40) % 2 == 0, now, DATES[:40], 0.8, 1)

        tested = 0 < misses < 40
        assert (found.independence_p is not None) is tested
        assert (found.conditional_p is not None) is tested

    @pytest.mark.parametrize("missing", [0, 1])
    def test_the_fewest_pairs_are_tested(self, missing):
        """As many as are asked for, and one fewer."""
        count = MIN_EFFECTIVE - missing
        now, before = np.arange(count) % 3 == 0, np.arange(count) % 2 == 0
        found = christoffersen(before, now, DATES[:count], 0.8, 1)

        assert found.num_effective == count
        assert (found.independence_p is not None) is (missing == 0)

    @pytest.mark.parametrize("share", [True, False])
    def test_pairs_that_are_all_the_same_count_as_dates(self, share):
        """Five symbols that never differ are one."""
        now = np.full(200, share)
        found = christoffersen(~now, now, np.tile(DATES[:40], 5), 0.8, 1)

        assert found.num_effective == 40

    def test_no_pair_is_worth_nothing(self):
        """Cutoffs that have no successor."""
        none = np.zeros(0, bool)

        assert christoffersen(none, none, DATES[:0], 0.8, 3).num_effective == 0


class TestClusterMisses:
    def test_pairs_are_those_of_loops_over_symbols(self, world):
        """Every h-th cutoff of a symbol after the one before it, in any order."""
        forecast = world.forecast(0.0, spread=0.9)
        order = np.random.default_rng(5).permutation(len(world.truth))[:1500]
        some, truth = forecast.take(order), world.truth[order]
        for found in cluster_misses(some, truth):
            step, tail = found.horizon, (1 - found.nominal) / 2
            low, high = some.quantile(tail), some.quantile(1 - tail)
            after = {True: [], False: []}
            for symbol in ("S0", "S1", "S2"):
                rows = [row for row in range(1500) if some.symbols[row] == symbol]
                rows = sorted(rows, key=lambda row: some.cutoffs[row])[::step]
                missed = [
                    not low[row, step - 1]
                    <= truth[row, step - 1]
                    <= high[row, step - 1]
                    for row in rows
                ]
                for before, now in pairwise(missed):
                    after[before].append(now)

            assert found.miss_after_hit == pytest.approx(np.mean(after[False]))
            assert found.miss_after_miss == pytest.approx(np.mean(after[True]))

    def test_a_right_forecast_of_a_random_walk_passes(self, world):
        """Neither interval misses in a row at any step."""
        found = cluster_misses(world.forecast(0.0), world.truth)

        assert [(one.horizon, one.nominal) for one in found[:3]] == [
            (1, 0.80),
            (1, 0.95),
            (2, 0.80),
        ]
        assert min(one.independence_p for one in found if one.nominal < 0.9) > 0.01

    def test_calm_and_storm_are_caught(self, make_world):
        """A spread that ignores the weather misses in a row."""
        world = make_world(symbols=1, horizon=1)
        storm = np.repeat([0.5, 1.5], 350)[:699, None]
        found = cluster_misses(world.forecast(0.0), world.truth * storm)[0]

        assert found.miss_after_miss > found.miss_after_hit + 0.05
        assert found.independence_p < 0.01
        assert found.to_dict()["nominal"] == 0.80
