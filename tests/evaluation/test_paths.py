"""The energy score judges the path as one."""

import numpy as np
from scoringrules import crps_normal, es_ensemble

from closecast.evaluation.paths import draw_paths, energy_score, score_paths


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
