"""Walking forward: every test window once, and by what was known then."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest

from closecast.errors import ModelError, SettingError, WindowError
from closecast.evaluation.scores import crps
from closecast.experiments.backtest import SameSign
from closecast.experiments.backtest_run import write_backtest
from closecast.experiments.evidence import as_stored
from closecast.experiments.forecaster import CALIBRATION_FILE, Forecaster
from closecast.market.bars import Bars
from closecast.market.readers import to_frame
from closecast.models.baselines import fit_baselines
from closecast.reports.report import write_report
from closecast.testing import random_walk
from closecast.training.model import train_fleet
from closecast.windows import cutoffs_with_targets

QUICK = {"hidden_size": 4, "num_layers": 1, "epochs": 1, "batch_size": 64}
WALK = {"folds": 3, "refit_every": 30}


@pytest.fixture(scope="module")
def bars():
    return random_walk(2, 360)


@pytest.fixture(scope="module")
def result(bars):
    return Forecaster(**QUICK, seeds=2).cross_validate(bars, **WALK)


def test_every_newest_window_is_scored_once(result, bars):
    """The frame holds each window of the last 90 sessions, once a step."""
    frame = result.frame()
    every = cutoffs_with_targets(bars, result.settings.window_spec)
    newest = np.unique(bars.dates[every])[-90:]

    assert len(frame) == 2 * 90 * 5
    assert not frame.duplicated(["unique_id", "cutoff", "step"]).any()
    assert np.array_equal(np.unique(frame["cutoff"].to_numpy("datetime64[D]")), newest)
    assert result.scoreboard.num_windows == 180


def test_the_frame_is_nixtlas(result, bars):
    """Columns have the names that utilsforecast reads, y is the close that came."""
    frame = result.frame()
    dates = frame["ds"].to_numpy("datetime64[D]")
    close = {
        (bars.symbol_of(row), bars.dates[row]): bars.close[row]
        for row in range(len(bars))
    }
    expected = [close[pair] for pair in zip(frame["unique_id"], dates, strict=True)]

    assert isinstance(frame, pd.DataFrame)
    assert {"unique_id", "ds", "cutoff", "y", "closecast"} <= set(frame.columns)
    for low, high in (("80", "80"), ("95", "95")):
        assert (frame[f"closecast-lo-{low}"] < frame[f"closecast-hi-{high}"]).all()
    assert (frame["closecast-lo-95"] <= frame["closecast-lo-80"]).all()
    assert (frame["closecast-path-lo-80"] <= frame["closecast-lo-80"]).all()
    assert {"zero", "drift", "ewma_t"} <= set(frame.columns)
    np.testing.assert_allclose(frame["y"], expected, rtol=1e-12)


def test_a_fold_is_the_model_trained_alone(result, bars):
    """The fleet's second fold forecasts, as it is stored, what it does by itself."""
    fold = result.folds[1]
    settings = replace(
        result.settings,
        validation_start=str(fold.split.validation_start),
        test_start=str(fold.split.test_start),
    )
    (alone,) = train_fleet(bars, [settings], fold.split.train, fold.split.validation)
    baselines = fit_baselines(bars, fold.split.train, settings.window_spec)
    rows = np.flatnonzero(result.fold_numbers == 2)

    for one in (alone, *baselines):
        expected = as_stored(one.forecast(bars, fold.split.test))
        found = result.forecasts[one.name].take(rows)
        np.testing.assert_array_equal(found.quantiles, expected.quantiles)


def test_no_fold_reads_what_comes_after_it(result, bars):
    """Noise in the last fold's test block moves no forecast of an earlier cutoff."""
    start = result.folds[-1].split.test_start
    values = np.array(bars.values)
    values[bars.dates >= start] *= 1.7
    noisy = Bars(
        symbols=bars.symbols, offsets=bars.offsets, dates=bars.dates, values=values
    )
    other = Forecaster(**QUICK, seeds=2).cross_validate(noisy, **WALK)

    for name, forecast in result.forecasts.items():
        before = forecast.cutoffs < start
        np.testing.assert_array_equal(
            forecast.quantiles[before], other.forecasts[name].quantiles[before]
        )
    assert not np.array_equal(result.truth, other.truth)


def test_scores_of_a_fold_are_those_of_its_windows(result):
    """Skill is one minus the ratio of the mean scores."""
    rows = np.flatnonzero(result.fold_numbers == 3)
    bars = result.bars
    from closecast.windows.scaling import volatility

    test = result.folds[2].split.test
    scale = volatility(bars)[test][:, None]
    own, other = (
        crps(result.forecasts[name].take(rows), result.truth[rows]) / scale
        for name in ("closecast", "zero")
    )

    np.testing.assert_allclose(
        result.fold_scores[2].skill_crps_vs["zero"],
        1 - own.mean(axis=0) / other.mean(axis=0),
    )


def test_the_verdict_says_that_it_walked(result):
    """A reader knows which figures these are, and that a walk has no skill."""
    board = result.to_dict()

    assert result.verdict.startswith("Walk-forward, 3 folds: no evidence of skill in")
    assert "3 folds, walked forward over a rolling" in board["why"][-1]
    assert board["seeds"] == 2
    assert len(board["walk_forward"]["crps_skill_by_seed"]["ewma_t"]["seeds"]) == 2
    assert not any(one["passed"] is False for one in board["leak_tests"].values())
    assert "3 of 3 trainings" in board["leak_tests"]["truncation"]["detail"]
    json.dumps(board, allow_nan=False)


@pytest.mark.parametrize(
    ("folds", "seeds", "steady"),
    [(0.7, 1.0, True), (0.6, 1.0, False), (1.0, 0.8, False)],
)
def test_evidence_that_folds_or_seeds_gainsay_is_none(result, folds, seeds, steady):
    """Skill of one fold or of most seeds only is not called evidence."""
    lucky = replace(
        result,
        scoreboard=replace(
            result.scoreboard,
            verdict="Evidence of skill in the mean; evidence of skill in the density.",
        ),
        same_sign=tuple(
            SameSign(what=what, baseline="zero", folds=folds, seeds=seeds)
            for what in ("mean", "density")
        ),
    )
    word = "evidence" if steady else "no evidence"

    assert lucky.verdict == (
        f"Walk-forward, 3 folds: {word} of skill in the mean; {word} of skill in the "
        "density."
    )


def test_without_refit_one_training_is_tested_on_all(bars):
    """The first fold's model forecasts every block."""
    result = Forecaster(**QUICK).cross_validate(bars, **WALK, refit=False)
    first = as_stored(result.fitted.model.forecast(bars, result.folds[2].split.test))
    rows = np.flatnonzero(result.fold_numbers == 3)

    np.testing.assert_array_equal(
        result.forecasts["closecast"].take(rows).quantiles, first.quantiles
    )
    assert result.fitted.model.settings.test_start == str(
        result.folds[0].split.test_start
    )
    assert "of one training" in result.why[-1]


def test_calibration_lies_inside_the_fold(bars):
    """Each fold calibrates on its own tail; means stay, intervals move."""
    calibrated = Forecaster(**QUICK, calibrate="conformal")
    walk = {"folds": 2, "refit_every": 30}
    result = calibrated.cross_validate(to_frame(bars, "polars"), **walk)
    plain = Forecaster(**QUICK).cross_validate(bars, **walk)

    own, other = (r.forecasts["closecast"] for r in (result, plain))
    np.testing.assert_array_equal(own.mean, other.mean)
    assert not np.allclose(own.quantiles, other.quantiles)
    assert result.fitted.conformal.adapts_from == result.folds[-1].split.test_start
    assert isinstance(result.frame("polars"), pl.DataFrame)


def test_a_calibrated_model_comes_back_from_its_folder(bars, tmp_path):
    """The calibration is saved beside the weights, and missed when it is gone."""
    fitted = Forecaster(**QUICK, calibrate="conformal").fit(bars)
    fitted.save(tmp_path)
    loaded = Forecaster.load(tmp_path)

    np.testing.assert_array_equal(
        fitted.forecast(bars).quantiles, loaded.forecast(bars).quantiles
    )
    assert not np.allclose(
        fitted.forecast(bars).quantiles,
        fitted.model.forecast(bars, bars.offsets[1:] - 1).quantiles,
    )
    path = tmp_path / CALIBRATION_FILE
    path.write_text(path.read_text().replace("0", "1", 1))
    with pytest.raises(ModelError, match=f"another content .*{CALIBRATION_FILE}"):
        Forecaster.load(tmp_path)
    path.unlink()
    with pytest.raises(ModelError, match=f"none that can be read .*{CALIBRATION_FILE}"):
        Forecaster.load(tmp_path)


def test_an_ensemble_says_how_many_it_is(bars):
    """The caution beside the verdict counts seeds."""
    one, three = (
        Forecaster(**QUICK, seeds=seeds).fit(bars).evaluate(bars) for seeds in (1, 3)
    )

    assert "of one seed" in one.why[-1]
    assert "of 3 seeds that forecast together" in three.why[-1]
    assert [one.to_dict()["seeds"], three.to_dict()["seeds"]] == [1, 3]


def test_a_run_holds_all_and_its_report_draws_the_folds(result, tmp_path):
    """Frame, folds, scoreboard and newest model; the page shows the split."""
    write_backtest(tmp_path, result, "sample")
    page = write_report(tmp_path).read_text()
    frame = pd.read_parquet(tmp_path / "forecasts.parquet")
    folds = json.loads((tmp_path / "folds.json").read_text())

    assert list(frame.columns) == list(result.to_columns())
    assert [fold["number"] for fold in folds["folds"]] == [1, 2, 3]
    assert folds["folds"][0]["test"]["windows"] == 60
    assert "3 folds. The first trains on cutoffs from" in page
    assert "Walk-forward, 3 folds" in page
    assert Forecaster.load(tmp_path / "model").settings.seeds == 2


def test_a_damaged_folds_file_is_refused(result, tmp_path):
    """The report names the file."""
    write_backtest(tmp_path, result, "sample")
    (tmp_path / "folds.json").write_text('{"folds": [{"number": 1}]}')

    with pytest.raises(ModelError, match=r"whole folds\.json, got a damaged one"):
        write_report(tmp_path)


@pytest.mark.parametrize("name", ["validation_start", "test_start"])
def test_dates_of_one_split_are_refused(bars, name):
    """A walk forward sets its own dates."""
    with pytest.raises(SettingError, match=f"no {name} in a walk forward, got 2011"):
        Forecaster(**QUICK, **{name: "2011-01-03"}).cross_validate(bars)


def test_too_short_a_panel_is_refused(bars):
    """Eight quarters need more than 360 sessions."""
    with pytest.raises(WindowError, match="sessions with a window for 8 folds of 63"):
        Forecaster(**QUICK).cross_validate(bars)
