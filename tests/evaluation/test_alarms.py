"""Alarms ring above their thresholds and only there."""

import numpy as np
import pytest

from closecast.evaluation.alarms import raise_alarms
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
