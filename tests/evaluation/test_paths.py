"""The energy score judges the path as one."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm
from scoringrules import crps_normal, es_ensemble

from closecast.evaluation import paths
from closecast.evaluation.comparison import compare
from closecast.evaluation.paths import (
    NUM_PATHS,
    SEED,
    draw_paths,
    energy_score,
    score_paths,
)
from closecast.forecast import LEVELS


def test_agrees_with_scoringrules(world):
    """All pairs of a window, as the library adds them up."""
    rows = np.arange(40)
    forecast, truth, scale = world.forecast(0.001), world.truth, world.scale
    one, unit = forecast.take(rows), scale[rows, None]
    expected = es_ensemble(
        truth[rows] / unit, draw_paths(one) / unit[..., None], estimator="nrg"
    )

    np.testing.assert_allclose(
        energy_score(one, truth[rows], scale[rows]), expected, rtol=1e-4
    )


def test_one_step_is_the_crps(make_world):
    """Of one step the energy score is the CRPS, up to the number of paths."""
    world = make_world(horizon=1)
    score = energy_score(world.forecast(0.0), world.truth, world.scale).mean()

    exact = crps_normal(world.truth[:, 0] / 0.02, 0.0, 1.0).mean()
    assert abs(score / exact - 1) < 0.03


def test_paths_are_a_random_walk(world):
    """Steps h and k correlate as sqrt(h / k), and spread as the forecast says."""
    (paths,) = draw_paths(world.forecast(0.0).take(np.arange(1)))

    correlation = np.corrcoef(paths.T)
    assert abs(correlation[0, 3] - 0.5) < 0.15
    np.testing.assert_allclose(
        paths.std(axis=0), 0.02 * np.sqrt(np.arange(1, 6)), rtol=0.15
    )


def test_the_true_spread_scores_best(world):
    """Skill is above 0 against a forecast that is too wide, with its interval."""
    forecasts = {
        "true": world.forecast(0.0),
        "wide": world.forecast(0.0, 1.6),
        "narrow": world.forecast(0.0, 0.6),
    }
    own, wide, _ = score_paths(forecasts, world.truth, world.scale)

    assert set(own.skill_vs) == {"wide", "narrow"}
    assert min(own.skill_vs.values()) > 0
    assert own.skill_interval_vs["wide"][0] > 0
    assert own.dm_p_vs["narrow"] < 0.05
    assert set(wide.skill_vs) == {"narrow"}
    assert own.to_dict()["num_windows"] == len(world.truth)


def test_a_path_looks_its_levels_up(make_world):
    """Between quantiles on a line, beyond the outermost the tail is exponential."""
    world = make_world(horizon=3)
    one = world.forecast(0.0).take(np.arange(2))
    gaps = np.random.default_rng(1).exponential(size=one.quantiles.shape)
    one = replace(one, quantiles=0.01 * (np.cumsum(gaps, axis=-1) - 20))
    steps = np.random.default_rng(SEED).standard_normal((NUM_PATHS // 2, 3))
    found = draw_paths(one)
    tails = 0
    for number in range(NUM_PATHS):
        sign = 1 if number < NUM_PATHS // 2 else -1
        for step in range(3):
            total = sign * steps[number % (NUM_PATHS // 2), : step + 1].sum()
            level = norm.cdf(total / np.sqrt(step + 1))
            for window, quantiles in enumerate(one.quantiles[:, step]):
                if level < LEVELS[0]:
                    deep = np.log2(LEVELS[0] / level)
                    expected = quantiles[0] - deep * (quantiles[1] - quantiles[0])
                    tails += 1
                elif level > LEVELS[-1]:
                    deep = np.log2((1 - LEVELS[-1]) / (1 - level))
                    expected = quantiles[-1] + deep * (quantiles[-1] - quantiles[-2])
                    tails += 1
                else:
                    expected = np.interp(level, LEVELS, quantiles)
                assert found[window, number, step] == pytest.approx(expected)
    assert tails > 5


@pytest.mark.parametrize("chunk", [1, 7, 512])
def test_parts_are_scored_as_the_whole(world, monkeypatch, chunk):
    """How many windows are scored at once changes no score."""
    rows = np.arange(30)
    one, scale = world.forecast(0.001).take(rows), np.linspace(0.01, 0.04, 30)
    whole = energy_score(one, world.truth[rows], scale)
    monkeypatch.setattr(paths, "CHUNK", chunk)

    np.testing.assert_allclose(energy_score(one, world.truth[rows], scale), whole)


@pytest.mark.parametrize("most", [100, 700])
def test_models_are_compared_on_windows_evenly_spaced(make_world, monkeypatch, most):
    """The first and the last among them; each beside every baseline but itself."""
    monkeypatch.setattr(paths, "MAX_WINDOWS", most)
    world = make_world(symbols=2, sessions=200)
    forecasts = {
        "own": world.forecast(0.0),
        "wide": world.forecast(0.0, 1.6),
        "high": world.forecast(0.01),
    }
    count = min(most, len(world.truth))
    rows = [int(n * (len(world.truth) - 1) / (count - 1) + 1e-9) for n in range(count)]
    losses = {
        name: energy_score(one.take(np.array(rows)), world.truth[rows],
                           world.scale[rows])
        for name, one in forecasts.items()
    }  # fmt: skip
    together = compare(losses, forecasts["own"].cutoffs[rows], world.horizon)

    for found in score_paths(forecasts, world.truth, world.scale):
        others = [name for name in ("wide", "high") if name != found.model]
        around = together.ratio_intervals(found.model, others, 1)
        assert found.num_windows == count
        assert found.energy_score == pytest.approx(losses[found.model].mean())
        assert list(found.skill_vs) == list(found.dm_p_vs) == others
        assert found.skill_interval_vs == around
        for name in others:
            ratio = losses[found.model].mean() / losses[name].mean()
            assert found.skill_vs[name] == pytest.approx(1 - ratio)
            assert found.dm_p_vs[name] == together.p_value(found.model, name)
