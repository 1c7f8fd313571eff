"""Each figure of a row is the average that its name says."""

from dataclasses import replace

import numpy as np
import pytest

from closecast.evaluation.density import log_score, qlike
from closecast.evaluation.resampling import block_length, confidence_set, resample
from closecast.evaluation.rows import score_rows
from closecast.evaluation.scores import crps
from closecast.evaluation.significance import diebold_mariano


@pytest.fixture
def judged(make_world):
    """Four models on three symbols, of which one never moves, and a scale that does."""
    world = make_world(symbols=3, sessions=80, horizon=2)
    truth = world.truth.copy()
    truth[world.forecast(0.0).symbols == "S2"] = 0.0
    noise = np.random.default_rng(1).normal(0, 0.01, truth.shape)
    forecasts = {
        "lstm": world.forecast(0.2 * truth + noise, spread=0.9),
        "zero": world.forecast(0.0),
        "drift": world.forecast(0.003),
        "poor": world.forecast(5 * noise, spread=3.0),
    }
    order = np.random.default_rng(2).permutation(len(truth))[:200]
    scale = np.linspace(0.01, 0.04, len(truth))[order]
    taken = {name: one.take(order) for name, one in forecasts.items()}
    return taken, truth[order], scale


def test_means_of_every_model_and_step(judged):
    """Window after window; volatility is the unit where the name says so."""
    forecasts, truth, scale = judged
    rows = score_rows(*judged)
    assert [(one.model, one.horizon) for one in rows] == [
        (name, step) for name in forecasts for step in (1, 2)
    ]
    for row in rows:
        forecast, step = forecasts[row.model], row.horizon - 1
        came = truth[:, step]

        def at(level, forecast=forecast, step=step):
            return forecast.quantile(level)[:, step]

        def pinball(level, at=at, came=came):
            over = came - at(level)
            return np.where(over > 0, level * over, (level - 1) * over) / scale

        def outside(cover, at=at, came=came):
            low, high = at(round((1 - cover) / 2, 3)), at(round((1 + cover) / 2, 3))
            fine = np.maximum(low - came, 0) + np.maximum(came - high, 0)
            return (high - low + 2 / (1 - cover) * fine) / scale, fine == 0

        moves = {}
        for symbol, move in zip(forecast.symbols, np.abs(truth[:, 0]), strict=True):
            moves.setdefault(symbol, []).append(move)
        usual = np.array([np.mean(moves[one]) for one in forecast.symbols])
        off = np.abs(came - at(0.5))
        expected = {
            "crps": crps(forecast, truth)[:, step] / scale,
            "crps_raw": crps(forecast, truth)[:, step],
            "mae": off,
            "mase": off / np.where(usual == 0, scale, usual),
            "pinball_05": pinball(0.05),
            "pinball_95": pinball(0.95),
            "interval_score_80": outside(0.80)[0],
            "interval_score_95": outside(0.95)[0],
            "coverage_50": outside(0.50)[1],
            "coverage_80": outside(0.80)[1],
            "coverage_95": outside(0.95)[1],
            "log_score": log_score(forecast, truth)[:, step] - np.log(scale),
            "qlike": qlike(forecast, truth, scale)[:, step],
        }
        for name, values in expected.items():
            assert getattr(row, name) == pytest.approx(np.mean(values)), name
        assert row.rmse**2 == pytest.approx(
            np.mean((came - forecast.mean[:, step]) ** 2)
        )


def test_a_forecast_of_no_direction_has_no_excess(judged):
    """None is no 0."""
    rows = {(one.model, one.horizon): one for one in score_rows(*judged)}

    assert rows["zero", 1].direction_excess is None
    assert rows["drift", 1].direction_excess is not None


def test_each_model_beside_every_baseline_but_itself(judged):
    """Skills with intervals, tests and the set, of both losses."""
    forecasts, truth, scale = judged
    dates = forecasts["lstm"].cutoffs
    losses = {
        name: (
            crps(one, truth) / scale[:, None],
            (truth - one.mean) ** 2,
        )
        for name, one in forecasts.items()
    }
    for row in score_rows(*judged):
        step = row.horizon - 1
        others = [name for name in ("zero", "drift", "poor") if name != row.model]
        for which, skill, around, p_value, in_set, power in (
            (0, row.skill_crps_vs, row.skill_crps_interval_vs, row.dm_p_vs,
             row.in_mcs, 1),
            (1, row.skill_rmse_vs, row.skill_rmse_interval_vs, row.dm_p_mean_vs,
             row.in_mcs_mean, 2),
        ):  # fmt: skip
            table = np.stack([one[which][:, step] for one in losses.values()], -1)
            days = np.unique(dates)
            sums = np.stack([table[dates == day].sum(axis=0) for day in days])
            means = np.stack([table[dates == day].mean(axis=0) for day in days])
            block = block_length(sums[:, 1:] - sums[:, :1], row.horizon)
            draws = resample(sums, block)
            names = list(losses)
            own = names.index(row.model)
            assert list(skill) == list(around) == list(p_value) == others
            assert in_set == confidence_set(means, block)[own]
            for name in others:
                place = names.index(name)
                ratio = table[:, own].mean() / table[:, place].mean()
                drawn = 1 - (draws[:, own] / draws[:, place]) ** (1 / power)
                test = diebold_mariano(table[:, own], table[:, place], dates, step + 1)
                assert skill[name] == pytest.approx(1 - ratio ** (1 / power))
                assert around[name] == pytest.approx(
                    tuple(np.quantile(drawn, [0.05, 0.95]))
                )
                assert p_value[name] == pytest.approx(test.p_value)
                if which:
                    assert row.r2_vs[name] == pytest.approx(1 - ratio)


def test_a_row_is_told_with_every_figure(judged):
    """Mappings become plain ones under the same names."""
    row = score_rows(*judged)[0]
    told = row.to_dict()

    assert replace(row, **told) == row
    assert all(type(told[name]) is dict for name in told if name.endswith("_vs"))
