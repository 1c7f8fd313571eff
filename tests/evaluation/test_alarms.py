"""Alarms ring above their thresholds and only there."""

from dataclasses import replace

import numpy as np
import pytest

from closecast.evaluation.alarms import (
    MAX_CRPS_SKILL,
    MAX_R2,
    MAX_RANK_IC,
    MAX_SHARPE,
    NET_COST_BP,
    SUPPORTED,
    raise_alarms,
    raise_row_alarms,
)
from closecast.evaluation.costs import cost_curve
from closecast.evaluation.direction import direction_excess, effective_directions
from closecast.evaluation.ranking import rank_symbols
from closecast.evaluation.rows import score_rows


def _alarms(world, judged):
    baselines = {
        "zero": world.forecast(0.0),
        "ewma_t": world.forecast(0.0, spread=1.01),
    }
    rows = score_rows({"lstm": judged, **baselines}, world.truth, world.scale)
    own = [row for row in rows if row.model == "lstm"]
    return raise_alarms(own, judged, world.truth)


class TestRaiseAlarms:
    def test_an_honest_forecast_rings_none(self, world):
        """Noise of an ordinary size is not suspicious."""
        noise = np.random.default_rng(1).normal(0, 0.002, world.truth.shape)

        assert _alarms(world, world.forecast(noise)) == ()

    def test_r2_of_one_session(self, world):
        """R2 of 4 % against zero is named with its threshold."""
        share = 1 - np.sqrt(1 - 0.04)
        alarms = _alarms(world, world.forecast(world.truth * share))

        assert (
            "R2 of the one-session return against zero is 4.0%, above 2%" in alarms[0]
        )

    def test_direction_needs_many_windows(self, make_world):
        """All directions right on 95 dates is no alarm of direction, on 1095 one."""
        few, many = (make_world(symbols=1, sessions=n) for n in (100, 1100))

        for world, expected in ((few, False), (many, True)):
            judged = world.forecast(np.sign(world.truth) * 1e-5)
            alarms = _alarms(world, judged)
            assert any("the direction of one session" in a for a in alarms) is expected

    def test_directions_of_one_date_count_little(self, make_world):
        """1425 directions that are right or wrong together are no alarm."""
        world = make_world(symbols=15, sessions=100)
        sign = np.tile(np.random.default_rng(3).choice([1, 1, 1, -1], 95), 15)
        judged = world.forecast(sign[:, None] * np.sign(world.truth) * 1e-5)

        assert direction_excess(judged, world.truth)[0][0] > 0.1
        assert effective_directions(judged, world.truth) == pytest.approx(95)
        alarms = _alarms(world, judged)
        assert not any("the direction of one session" in a for a in alarms)

    def test_a_figure_that_luck_brings_rings_none(self, make_world):
        """R2 far above 2 % over 60 sessions, its interval near 0, is no alarm."""
        world = make_world(symbols=1, sessions=65)
        lucky = np.random.default_rng(19).normal(0, 0.004, world.truth.shape)
        judged = world.forecast(lucky)
        rows = score_rows(
            {"lstm": judged, "zero": world.forecast(0.0)}, world.truth, world.scale
        )[:5]

        assert rows[0].r2_vs["zero"] > 0.07
        assert not any("R2" in a for a in raise_alarms(rows, judged, world.truth))

    @pytest.mark.parametrize(("share", "rings"), [(0.05, True), (0.0, False)])
    def test_a_sharpe_ratio_net_of_cost(self, world, share, rings):
        """Signs that earn too much after cost are named with the cost."""
        noise = np.random.default_rng(7).normal(0, 0.002, world.truth.shape)
        judged = world.forecast(share * world.truth + noise)
        rows = score_rows(
            {"lstm": judged, "zero": world.forecast(0.0)}, world.truth, world.scale
        )[:5]
        costs = cost_curve(judged, world.truth)
        alarms = raise_alarms(rows, judged, world.truth, costs=costs)

        assert any("net of 5 basis points" in a for a in alarms) is rings

    def test_crps_skill(self, world):
        """A density far better than EWMA-t is named."""
        peek = world.forecast(world.truth, spread=0.5)

        assert any("CRPS skill against ewma_t" in a for a in _alarms(world, peek))

    def test_crps_skill_against_garch(self, world):
        """A density far better than GARCH-t is named, whatever EWMA-t did."""
        peek = world.forecast(world.truth, spread=0.5)
        forecasts = {"lstm": peek, "garch_t": world.forecast(0.0)}
        rows = score_rows(forecasts, world.truth, world.scale)[:5]

        assert any(
            "CRPS skill against garch_t" in a
            for a in raise_alarms(rows, peek, world.truth)
        )

    @pytest.mark.parametrize(("share", "rings"), [(0.03, True), (0.0, False)])
    def test_rank_ic(self, make_world, share, rings):
        """Who sorts the symbols of a day too well is looked at."""
        world = make_world(symbols=8)
        noise = np.random.default_rng(4).normal(0, 0.003, world.truth.shape)
        judged = world.forecast(share * world.truth + noise)
        rows = score_rows(
            {"lstm": judged, "zero": world.forecast(0.0)}, world.truth, world.scale
        )[:5]
        ranking = rank_symbols(judged, world.truth)
        alarms = raise_alarms(rows, judged, world.truth, ranking)

        assert any("RankIC of one session" in a for a in alarms) is rings


def _rings(figure, low, threshold):
    """Whether a figure and the lower end of its interval are both too good."""
    return figure > threshold and low > SUPPORTED * threshold


def _grid(threshold):
    """Figures and lower ends around what is allowed, and on it."""
    least = SUPPORTED * threshold
    return [
        (figure, low)
        for figure in (0.9 * threshold, threshold, 1.1 * threshold, 5 * threshold)
        for low in (-threshold, 0.9 * least, least, 1.1 * least)
    ]


class TestThresholds:
    """On a threshold no alarm rings; above it, and well above zero, one does."""

    @pytest.fixture
    def world(self, make_world):
        return make_world(symbols=6, sessions=140)

    @pytest.fixture
    def rows(self, world):
        forecasts = {"lstm": world.forecast(1e-4), "zero": world.forecast(0.0)}
        forecasts["ewma_t"] = world.forecast(0.0)
        return score_rows(forecasts, world.truth, world.scale)[:5]

    def test_r2(self, world, rows):
        """R2 is that of the first step, and its lower end that of the RMSE skill."""
        for r2, low in _grid(MAX_R2):
            skill = 1 - np.sqrt(1 - low)
            if low == SUPPORTED * MAX_R2:  # rounded to where no alarm rings
                skill -= 1e-12
            around = {"zero": (skill, 0.9)}
            good = replace(rows[0], r2_vs={"zero": r2}, skill_rmse_interval_vs=around)

            expected = _rings(r2, low, MAX_R2)
            assert bool(raise_row_alarms([good, *rows[1:]])) is expected, (r2, low)
            assert raise_row_alarms([*rows[1:], good]) == ()
            judged, truth = world.forecast(0.0), world.truth
            assert bool(raise_alarms([good, *rows[1:]], judged, truth)) is expected
            assert raise_alarms([*rows[1:], good], judged, truth) == ()

    def test_crps_skill(self, rows):
        """At any step, against any of the two."""
        for skill, low in _grid(MAX_CRPS_SKILL):
            good = replace(
                rows[2],
                skill_crps_vs={"ewma_t": skill},
                skill_crps_interval_vs={"ewma_t": (low, 0.9)},
            )
            found = raise_row_alarms([*rows[:2], good, *rows[3:]])

            assert bool(found) is _rings(skill, low, MAX_CRPS_SKILL), (skill, low)

    def test_rank_ic(self, world, rows):
        """Of the first step alone."""
        judged = world.forecast(0.0)
        noise = np.random.default_rng(4).normal(0, 0.003, world.truth.shape)
        plain = rank_symbols(world.forecast(noise), world.truth)
        for ic, low in _grid(MAX_RANK_IC):
            good = replace(plain[0], rank_ic=ic, rank_ic_interval=(low, 0.9))
            first, second = (
                raise_alarms(rows, judged, world.truth, ranking)
                for ranking in ((good, *plain[1:]), (plain[1], good))
            )

            assert bool(first) is _rings(ic, low, MAX_RANK_IC), (ic, low)
            assert second == ()

    def test_sharpe_ratio(self, world, rows):
        """Net of the one cost that is named; before cost it may be what it is."""
        judged = world.forecast(0.0)
        noise = np.random.default_rng(4).normal(0, 0.003, world.truth.shape)
        plain = cost_curve(world.forecast(noise), world.truth)
        for sharpe, low in _grid(MAX_SHARPE):
            for too_good_at in (NET_COST_BP, 0.0):
                points = tuple(
                    replace(
                        point,
                        sharpe=sharpe if point.cost_bp == too_good_at else 0.0,
                        sharpe_interval=(low, 9.0),
                    )
                    for point in plain.points
                )
                costs = replace(plain, points=points)
                expected = too_good_at == NET_COST_BP
                expected &= _rings(sharpe, low, MAX_SHARPE)
                found = raise_alarms(rows, judged, world.truth, costs=costs)

                assert bool(found) is expected, (sharpe, low)

    def test_without_an_interval_nothing_rings(self, rows):
        """Too few dates tell a leak from luck, however good the figure."""
        good = replace(
            rows[0],
            r2_vs={"zero": 0.9},
            skill_rmse_interval_vs={"zero": None},
            skill_crps_vs={"ewma_t": 0.9},
            skill_crps_interval_vs={"ewma_t": None},
        )

        assert raise_row_alarms([good]) == ()

    def test_direction_is_that_of_one_session(self, rows, make_world):
        """Five sessions ahead may be as good as it gets."""
        world = make_world(symbols=1, sessions=1300)
        sign = np.sign(world.truth)
        sign[:, 0] = 1.0
        judged = world.forecast(1e-5 * sign)

        assert direction_excess(judged, world.truth)[1][0] > 0.3
        assert raise_alarms(rows, judged, world.truth) == ()


class TestDirectionExcess:
    def test_the_majority_is_worth_nothing(self, world):
        """Always naming the more frequent direction has no excess."""
        up = np.mean(world.truth[:, 0] > 0) > 0.5
        excess, count = direction_excess(
            world.forecast(0.001 if up else -0.001), world.truth
        )[0]

        assert excess == pytest.approx(0)
        assert count == len(world.truth)

    def test_a_forecast_of_no_change_names_no_direction(self, world):
        """Zero is not counted as down."""
        assert direction_excess(world.forecast(0.0), world.truth) == [(0.0, 0)] * 5
