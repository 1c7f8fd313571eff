"""The scoreboard says what is there: no skill, skill, or too much of it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from closecast.errors import ModelError, SettingError, WindowError
from closecast.evaluation import (
    calibrate,
    check_copycat,
    rank_symbols,
    score,
)
from closecast.evaluation.clustering import cluster_misses
from closecast.evaluation.costs import cost_curve
from closecast.evaluation.direction import judge_direction
from closecast.evaluation.path_band import fit_path_band, path_coverage
from closecast.evaluation.paths import score_paths
from closecast.evaluation.regimes import by_volatility
from closecast.evaluation.scores import crps
from closecast.evaluation.significance import average_per_date
from closecast.evaluation.slices import slice_skill
from closecast.evaluation.superiority import superiority


def _beside(world, judged, name="lstm"):
    """Put a judged forecast beside baselines with known answers."""
    return {
        name: judged,
        "zero": world.forecast(0.0),
        "drift": world.forecast(0.0005 * np.arange(1, world.horizon + 1)),
        "ewma_t": world.forecast(0.0, spread=1.3),
        "har_t": world.forecast(0.0, spread=1.31),
        "garch_t": world.forecast(0.0, spread=1.32),
    }


class TestScore:
    def test_a_random_walk_holds_no_skill_in_the_mean(self, world):
        """The true density is no better in the mean than zero; its intervals hold."""
        board = score(
            _beside(world, world.forecast(0.0, spread=1.01)), world.truth, world.scale
        )

        assert board.verdict == (
            "No evidence of skill in the mean; evidence of skill in the density; "
            "the intervals hold."
        )
        assert not board.suspicious

    def test_zero_itself_has_no_skill_in_the_mean(self, world):
        """A baseline can be judged, and does not beat itself."""
        forecasts = _beside(world, world.forecast(0.0))
        del forecasts["lstm"]
        board = score(forecasts, world.truth, world.scale)

        assert board.model == "zero"
        assert board.verdict.startswith("No evidence of skill in the mean;")
        assert board.verdict.endswith("the intervals hold.")
        assert "The mean is that of the baseline zero itself." in board.why

    def test_one_strong_baseline_withholds_the_verdict(self, world):
        """Who beats EWMA-t and is no better than GARCH-t has shown no skill."""
        forecasts = _beside(world, world.forecast(0.0, spread=1.01))
        forecasts["garch_t"] = world.forecast(0.0, spread=1.0)
        board = score(forecasts, world.truth, world.scale)

        assert "no evidence of skill in the density" in board.verdict
        beaten = "CRPS better, its 90 % interval off zero and p at most 0.1, at"
        assert any(f"against ewma_t: {beaten} 5 of 5" in why for why in board.why)
        assert any(f"against garch_t: {beaten} 0 of 5" in why for why in board.why)

    def test_who_is_not_in_the_confidence_set_has_no_skill(self, world):
        """A further model that is clearly better takes the verdict away."""
        forecasts = _beside(world, world.forecast(0.0, spread=1.2))
        forecasts |= {n: world.forecast(0.0, spread=1.5) for n in ("zero", "drift")}
        better = forecasts | {"other": world.forecast(0.0)}
        alone, beside = (
            score(f, world.truth, world.scale) for f in (forecasts, better)
        )

        assert "; evidence of skill in the density" in alone.verdict
        assert alone.rows[0].in_mcs
        assert "no evidence of skill in the density" in beside.verdict
        assert not beside.rows[0].in_mcs
        assert beside.rows[-1].in_mcs

    def test_noise_in_the_mean_is_no_skill(self, world):
        """A forecast that guesses is told so."""
        noise = np.random.default_rng(1).normal(0, 0.005, world.truth.shape)
        board = score(_beside(world, world.forecast(noise)), world.truth, world.scale)

        assert board.verdict.startswith("No evidence of skill in the mean;")
        assert board.rows[0].skill_rmse_vs["zero"] < 0

    def test_real_skill_is_found(self, make_world):
        """One per cent of the variance known in 2000 sessions is evidence."""
        world = make_world(sessions=2000)
        noise = np.random.default_rng(3).normal(0, 0.02, world.truth.shape)
        noise *= np.sqrt(np.arange(1, 6))
        judged = world.forecast(0.01 * world.truth + np.sqrt(0.01 * 0.99) * noise)
        board = score(_beside(world, judged), world.truth, world.scale)

        assert board.verdict.startswith("Evidence of skill in the mean;")
        assert not board.suspicious

    def test_a_cheater_is_suspicious(self, world):
        """Who knows the answer rings every alarm, and that comes first."""
        rng = np.random.default_rng(2)
        peek = world.truth + rng.normal(0, 0.01, world.truth.shape)
        board = score(
            _beside(world, world.forecast(peek, spread=0.5)), world.truth, world.scale
        )

        assert board.suspicious
        assert board.verdict.startswith("Suspicious")
        assert [w.split(":")[0] for w in board.why[:3]] == ["Alarm"] * 3

    def test_intervals_too_narrow_do_not_hold(self, world):
        """Half the spread covers too little, and the figures are said."""
        board = score(
            _beside(world, world.forecast(0.0, spread=0.5)), world.truth, world.scale
        )

        assert board.verdict.endswith("the intervals do not hold.")
        least = min(row.coverage_80 for row in board.rows[:5])
        assert f"80 % interval held {least:.1%}" in board.why[-1]
        assert "no evidence of skill in the density" in board.verdict

    def test_an_effect_stands_beside_each_p_value(self, world):
        """No sentence gives a p-value without the skill it belongs to."""
        board = score(_beside(world, world.forecast(0.0001)), world.truth, world.scale)
        row = board.rows[0]
        effect = f"{row.skill_rmse_vs['drift']:+.2%}"

        low, high = row.skill_rmse_interval_vs["drift"]
        interval = f"[{low:+.2%}, {high:+.2%}]"

        assert (
            f"step 1: {effect} {interval}, p = {row.dm_p_mean_vs['drift']:.2f}"
            in board.why[1]
        )

    def test_no_p_value_is_said_to_be_zero(self, world):
        """A tiny p-value is shown as below 0.01."""
        board = score(
            _beside(world, world.forecast(world.truth / 2)), world.truth, world.scale
        )

        assert "p < 0.01" in " ".join(board.why)
        assert "p = 0.00" not in " ".join(board.why)

    def test_few_dates_are_not_tested(self, make_world):
        """Ten cutoffs are no evidence, however good the forecast."""
        world = make_world(sessions=15)
        judged = world.forecast(world.truth * 0.5)
        board = score(_beside(world, judged), world.truth, world.scale)

        assert board.rows[0].dm_p_vs["ewma_t"] is None
        assert board.rows[0].skill_crps_interval_vs["ewma_t"] is None
        assert board.rows[0].in_mcs is None
        assert "not tested" in board.why[-3]
        assert board.why[-2].startswith("No confidence set by CRPS")
        assert "No evidence of skill in the mean" in board.verdict

    def test_a_row_for_each_model_and_step(self, world):
        """The judged model first, then the baselines, each against the others."""
        board = score(_beside(world, world.forecast(0.0)), world.truth, world.scale)
        names = [(row.model, row.horizon) for row in board.rows]

        assert names == [
            (name, step)
            for name in ("lstm", "zero", "drift", "ewma_t", "har_t", "garch_t")
            for step in range(1, 6)
        ]
        others = {"zero", "drift", "ewma_t", "har_t", "garch_t"}
        assert set(board.rows[0].skill_crps_vs) == others
        assert set(board.rows[5].skill_crps_vs) == others - {"zero"}
        assert (board.num_windows, board.num_dates) == (3 * 695, 695)

    def test_the_figures_are_the_averages_of_the_scores(self, world):
        """Scaled CRPS, raw CRPS, MAE, RMSE, coverage and skill, written out."""
        forecasts = _beside(world, world.forecast(0.002, spread=0.9))
        scale = world.scale * np.linspace(0.5, 2, len(world.scale))
        row = score(forecasts, world.truth, scale).rows[2]
        ours, theirs = (
            crps(forecasts[n], world.truth)[:, 2] for n in ("lstm", "ewma_t")
        )
        error = world.truth[:, 2] - 0.002

        assert row.crps == pytest.approx(np.mean(ours / scale))
        assert row.crps_raw == pytest.approx(np.mean(ours))
        assert row.mae == pytest.approx(np.mean(np.abs(error)))
        assert row.rmse == pytest.approx(np.sqrt(np.mean(error**2)))
        assert row.skill_crps_vs["ewma_t"] == pytest.approx(
            1 - np.mean(ours / scale) / np.mean(theirs / scale)
        )
        assert row.skill_rmse_vs["zero"] == pytest.approx(
            1 - row.rmse / np.sqrt(np.mean(world.truth[:, 2] ** 2))
        )
        assert row.r2_vs["zero"] == pytest.approx(
            1 - np.mean(error**2) / np.mean(world.truth[:, 2] ** 2)
        )
        moves = np.abs(world.truth[:, 0]).reshape(3, -1).mean(axis=1).repeat(695)
        assert row.mase == pytest.approx(np.mean(np.abs(error) / moves))
        assert row.direction_excess == pytest.approx(
            np.mean(world.truth[:, 2] > 0)
            - max(np.mean(world.truth[:, 2] > 0), np.mean(world.truth[:, 2] < 0))
        )

    def test_a_wild_coin_counts_no_more_than_a_calm_stock(self, world):
        """Scaled CRPS does not change when a symbol moves ten times as much."""
        forecast = world.forecast(0.0)
        wild = np.where(forecast.symbols == "S2", 10.0, 1.0)[:, None]
        forecasts = _beside(world, forecast)
        louder = {
            name: replace(
                f, mean=f.mean * wild, quantiles=f.quantiles * wild[..., None]
            )
            for name, f in forecasts.items()
        }
        plain = score(forecasts, world.truth, world.scale)
        loud = score(louder, world.truth * wild, world.scale * wild[:, 0])

        assert plain.rows[0].crps == pytest.approx(loud.rows[0].crps)
        assert plain.rows[0].crps_raw < loud.rows[0].crps_raw

    def test_to_dict_is_the_json_of_a_scoreboard(self, world):
        """It is strict JSON with the names that readers expect."""
        board = score(_beside(world, world.forecast(0.0)), world.truth, world.scale)
        content = json.loads(json.dumps(board.to_dict(), allow_nan=False))

        assert {"verdict", "why", "rows", "copycat", "calibration", "ranking"} <= set(
            content
        )
        assert {
            "model",
            "horizon",
            "crps",
            "mae",
            "rmse",
            "coverage_80",
            "coverage_95",
            "skill_crps_vs",
            "dm_p_vs",
            "in_mcs",
            "r2_vs",
            "mase",
            "skill_crps_interval_vs",
        } <= set(content["rows"][0])
        assert content["copycat"]["verdict"] == board.copycat.verdict

    @pytest.fixture
    def uneven(self, make_world):
        """Five symbols, a scale that differs, and a model that is poor."""
        world = make_world(symbols=5, sessions=60)
        noise = np.random.default_rng(1).normal(0, 0.01, world.truth.shape)
        forecasts = _beside(world, world.forecast(0.2 * world.truth + noise, 0.9))
        forecasts["poor"] = world.forecast(noise)
        return forecasts, world.truth, np.linspace(0.01, 0.03, len(world.truth))

    def test_every_part_is_of_the_judged_model(self, uneven):
        """Each by itself, and how much stands behind it."""
        forecasts, truth, scale = uneven
        judged, board = forecasts["lstm"], score(forecasts, truth, scale)

        assert board.copycat == check_copycat(judged, truth)
        assert board.calibration == calibrate(judged, truth, scale)
        assert board.ranking == rank_symbols(judged, truth)
        assert board.direction == judge_direction(judged, truth)
        assert board.clustering == cluster_misses(judged, truth)
        assert board.costs == cost_curve(judged, truth)
        assert board.paths == score_paths(forecasts, truth, scale)
        assert board.slices == slice_skill(forecasts, truth, scale)
        assert board.path_coverage == ()
        assert (board.num_windows, board.num_dates) == (5 * 55, 55)

    def test_baselines_are_those_that_a_part_names(self, uneven):
        """Each density in storms; CRPS against ewma_t, squared error against zero."""
        forecasts, truth, scale = uneven
        judged, board = forecasts["lstm"], score(forecasts, truth, scale)
        losses = {n: crps(f, truth) / scale[:, None] for n, f in forecasts.items()}
        names = ("ewma_t", "har_t", "garch_t")
        assert board.regimes == tuple(
            by_volatility(
                losses["lstm"][:, step], losses[name][:, step], judged.cutoffs, scale,
                horizon=step + 1, baseline=name,
            )
            for name in names
            for step in range(5)
        )  # fmt: skip
        squares = {n: (truth - f.mean) ** 2 for n, f in forecasts.items()}
        wanted = [("crps", "ewma_t", losses), ("squared_error", "zero", squares)]
        for place, found in enumerate(board.superiority):
            which, name, of = wanted[place // 5]
            step = place % 5
            by_date = {
                n: average_per_date(loss[:, step], judged.cutoffs)
                for n, loss in of.items()
            }
            expected = superiority(by_date, name, step + 1, which)
            assert found.spa_p == pytest.approx(expected.spa_p)
            assert (found.superior, found.best) == (expected.superior, expected.best)
            assert (found.score, found.benchmark, found.horizon) == (
                *(which, name, step + 1),
            )
        assert len(board.superiority) == 10

    def test_a_board_of_one_step_is_of_the_judged_model(self, make_world):
        """Its name is that of the first row."""
        world = make_world(symbols=2, sessions=60, horizon=1)
        board = score(_beside(world, world.forecast(0.001)), world.truth, world.scale)

        assert board.model == "lstm"
        assert [row.model for row in board.rows[:2]] == ["lstm", "zero"]

    def test_bands_of_the_path_are_told_where_there_are_some(self, world):
        """And left out of the JSON where there is none."""
        forecasts = _beside(world, world.forecast(0.0))
        judged, truth = forecasts["lstm"], world.truth
        banded = fit_path_band(judged, truth).around(judged)
        told = score(forecasts | {"lstm": banded}, truth, world.scale).to_dict()

        expected = [one.to_dict() for one in path_coverage(banded, truth)]
        assert told["path_coverage"] == expected
        assert "path_coverage" not in score(forecasts, truth, world.scale).to_dict()


class TestRefusals:
    @pytest.mark.parametrize("other", ["symbols", "cutoffs", "steps"])
    def test_windows_that_differ_in_one_respect(self, make_world, world, other):
        """Symbols, cutoffs or steps."""
        forecasts = _beside(world, world.forecast(0.0))
        drift = forecasts["drift"]
        forecasts["drift"] = {
            "symbols": replace(drift, symbols=drift.symbols[::-1]),
            "cutoffs": replace(drift, cutoffs=drift.cutoffs - 1),
            "steps": make_world(horizon=5, sessions=699).forecast(0.0),
        }[other]

        with pytest.raises(WindowError, match="others from drift"):
            score(forecasts, world.truth, world.scale)

    def test_no_window(self, world):
        """Forecasts of nothing cannot be scored."""
        none = np.arange(0)
        forecasts = {"zero": world.forecast(0.0).take(none)}

        with pytest.raises(WindowError, match="at least one window"):
            score(forecasts, world.truth[none], world.scale[none])

    @pytest.mark.parametrize("step", [0, 3])
    def test_a_step_that_never_moves(self, world, step):
        """It is named, counted from 1."""
        truth = world.truth.copy()
        truth[:, step] = 0.0

        with pytest.raises(WindowError, match=f"step {step + 1}, 2085 windows"):
            score(_beside(world, world.forecast(0.0)), truth, world.scale)

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -0.01])
    def test_a_single_scale_that_is_none(self, world, bad):
        """Of one window."""
        scale = world.scale.copy()
        scale[7] = bad

        with pytest.raises(WindowError, match="positive volatility"):
            score(_beside(world, world.forecast(0.0)), world.truth, scale)

    def test_other_windows(self, world):
        """A baseline of other windows is no comparison."""
        forecasts = _beside(world, world.forecast(0.0))
        order = np.arange(len(world.truth))[::-1]
        forecasts["drift"] = forecasts["drift"].take(order)

        with pytest.raises(WindowError, match="others from drift"):
            score(forecasts, world.truth, world.scale)

    def test_a_missing_baseline(self, world):
        """A model is never judged without the baseline that could beat it."""
        forecasts = _beside(world, world.forecast(0.0))
        del forecasts["ewma_t"]

        with pytest.raises(SettingError, match="baseline ewma_t"):
            score(forecasts, world.truth, world.scale)

    def test_no_forecast(self, world):
        """Nothing cannot be scored."""
        with pytest.raises(WindowError, match="at least one forecast"):
            score({}, world.truth, world.scale)

    def test_a_scale_of_zero(self, world):
        """A scale that is no volatility is refused."""
        with pytest.raises(WindowError, match="positive volatility"):
            score(_beside(world, world.forecast(0.0)), world.truth, 0 * world.scale)

    def test_a_truth_of_another_shape(self, world):
        """Five steps are judged by five steps."""
        with pytest.raises(WindowError, match="Expected a truth of shape"):
            score(_beside(world, world.forecast(0.0)), world.truth[:, :2], world.scale)

    def test_a_market_that_stands_still(self, world):
        """Skill against an error of zero is not defined."""
        with pytest.raises(WindowError, match=r"step 1, 2085 windows"):
            score(_beside(world, world.forecast(0.0)), 0 * world.truth, world.scale)

    def test_a_diverged_model(self, world):
        """NaN in a forecast stops the table."""
        with pytest.raises(ModelError, match="training that diverged"):
            score(_beside(world, world.forecast(np.nan)), world.truth, world.scale)
