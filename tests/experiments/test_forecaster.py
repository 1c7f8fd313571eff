"""The front door: fit, predict, evaluate, save and load, on simulated prices."""

from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest

from closecast.errors import (
    ClosecastWarning,
    LeakageError,
    ModelError,
    SettingError,
    WindowError,
)
from closecast.experiments.forecaster import Forecaster
from closecast.experiments.index import INDEX_VARIABLE, Index
from closecast.market.bars import VOLUME, Bars
from closecast.market.readers import to_frame
from closecast.testing import random_walk

QUICK = {"hidden_size": 6, "num_layers": 1, "epochs": 2, "batch_size": 32}


@pytest.fixture(scope="module")
def bars():
    return random_walk(2, 260)


@pytest.fixture(scope="module")
def fitted(bars):
    return Forecaster(**QUICK).fit(bars)


def test_five_closes_come_for_each_symbol(fitted, bars):
    """One row a symbol and step, on the sessions after the last bar."""
    table = fitted.predict(bars)

    assert isinstance(table, pd.DataFrame)
    assert table["symbol"].tolist() == ["W00"] * 5 + ["W01"] * 5
    assert table["step"].tolist() == [1, 2, 3, 4, 5] * 2
    assert (pd.to_datetime(table["date"]) > pd.Timestamp(bars.dates[-1])).all()
    assert (table["q05"] < table["median"]).all()


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_a_frame_comes_back_as_the_kind_that_went_in(fitted, bars, kind):
    """Pandas in, pandas out; polars in, polars out; the same figures."""
    table = fitted.predict(to_frame(bars, kind))

    assert isinstance(table, {"pandas": pd.DataFrame, "polars": pl.DataFrame}[kind])
    np.testing.assert_array_equal(
        np.asarray(table["median"]), np.asarray(fitted.predict(bars)["median"])
    )


def test_bands_of_the_path_are_added_where_asked(fitted, bars):
    """The 80 % band lies around the 80 % interval of every step."""
    plain, table = fitted.predict(bars), fitted.predict(bars, path_bands=True)

    added = [name for name in table if name not in plain]
    assert added == [f"path_{e}_{p}" for p in (50, 80, 95) for e in ("lo", "hi")]
    assert (table["path_lo_80"] < table["q10"]).all()
    assert (table["path_hi_80"] > table["q90"]).all()


def test_the_band_of_the_path_is_saved_with_the_model(fitted, bars, tmp_path):
    """The same band after loading; a band that was exchanged is refused."""
    fitted.save(tmp_path / "m")
    again = Forecaster.load(tmp_path / "m")
    assert np.array_equal(
        again.forecast(bars).path_stretch, fitted.forecast(bars).path_stretch
    )

    file = tmp_path / "m" / "path_band.json"
    file.write_text(file.read_text().replace('"num_windows"', '"num_window"'))
    with pytest.raises(ModelError, match=r"path_band\.json"):
        Forecaster.load(tmp_path / "m")


def test_a_model_without_a_band_says_so(fitted, bars, tmp_path):
    """A model that was saved before there were bands forecasts as it did."""
    old = Forecaster.of_fitted(replace(fitted.fitted, path_band=None))
    old.save(tmp_path / "old")
    loaded = Forecaster.load(tmp_path / "old")

    assert len(loaded.predict(bars)) == 10
    with pytest.raises(ModelError, match="Train the model again"):
        loaded.predict(bars, path_bands=True)


def test_the_band_of_the_path_knows_no_bar_of_the_test_block(bars):
    """Prices after test_start exchanged, the same dates: the same band."""
    dates = {"validation_start": "2010-08-02", "test_start": "2010-10-01"}
    first = Forecaster(**QUICK, **dates).fit(bars)
    values = np.array(bars.values)
    values[bars.dates >= np.datetime64("2010-10-01"), :VOLUME] *= 3.0
    second = Forecaster(**QUICK, **dates).fit(replace(bars, values=values))

    band = first.fitted.path_band
    assert band.to_dict() == second.fitted.path_band.to_dict()
    assert np.datetime64(band.last_date) < np.datetime64("2010-10-01")


def test_no_forecast_moves_when_the_future_is_noise(fitted, bars):
    """Forecasts at a cutoff are the same bytes whatever comes after it."""
    cut = bars.dates[200]
    values = np.array(bars.values)
    after = bars.dates > cut
    noise = np.random.default_rng(1).uniform(1, 1000, after.sum())
    values[after, :VOLUME] = noise[:, None]
    noisy = Bars(
        symbols=bars.symbols, offsets=bars.offsets, dates=bars.dates, values=values
    )

    before = fitted.forecast(bars, [str(cut)])
    moved = fitted.forecast(noisy, [str(cut)])
    np.testing.assert_array_equal(before.quantiles, moved.quantiles)
    np.testing.assert_array_equal(before.mean, moved.mean)


def test_a_model_that_is_told_states_passes_the_leak_tests(tmp_path):
    """With every state and a shrunk mean nothing leaks, and a folder keeps it all."""
    bars = random_walk(6, 200)
    told = Forecaster(states="all", mean="shrunk", **QUICK).fit(bars)

    told.save(tmp_path)

    assert not any(test.passed is False for test in told.leak_tests)
    np.testing.assert_array_equal(
        Forecaster.load(tmp_path).forecast(bars).quantiles,
        told.forecast(bars).quantiles,
    )


def test_fitting_does_not_read_the_test_block(bars):
    """Noise from test_start on changes neither weights nor forecasts before it."""
    fitted = Forecaster(**QUICK, test_start=str(bars.dates[200])).fit(bars)
    values = np.array(bars.values)
    values[bars.dates >= bars.dates[200]] = 5.0
    noisy = Bars(
        symbols=bars.symbols, offsets=bars.offsets, dates=bars.dates, values=values
    )
    other = Forecaster(
        **QUICK,
        validation_start=fitted.settings.validation_start,
        test_start=str(bars.dates[200]),
    ).fit(noisy)

    for name, weight in fitted.model.weights.items():
        np.testing.assert_array_equal(weight, other.model.weights[name])


def test_the_evaluation_stands_beside_the_baselines(fitted, bars):
    """Every horizon has a row for the model and for each baseline."""
    evaluation = fitted.evaluate(bars)
    rows = evaluation.to_dict()["rows"]

    assert {row["model"] for row in rows} == {
        *("closecast", "zero", "drift", "moving_average", "historical", "theta"),
        *("ewma_t", "har_t", "garch_t", "gjr_t", "ridge", "permuted"),
    }
    assert {row["horizon"] for row in rows} == {1, 2, 3, 4, 5}
    assert "no evidence of skill in the mean" in evaluation.verdict.lower()
    tests = evaluation.to_dict()["leak_tests"]
    assert not any(test["passed"] is False for test in tests.values())
    assert "closecast, theta, ewma_t, har_t" in tests["scaler_audit"]["detail"]


def test_a_model_that_saw_the_next_block_is_refused(fitted, bars):
    """The date a model was fitted up to is audited, not believed."""
    record = fitted.model.trained_on | {"last_date": str(bars.dates[-1])}
    model = replace(fitted.model, trained_on=record)
    late = Forecaster.of_fitted(replace(fitted.fitted, model=model))

    with pytest.raises(LeakageError, match="closecast reached into it"):
        late.evaluate(bars)


def test_a_model_comes_back_from_its_folder(fitted, bars, tmp_path):
    """Saved and loaded, it gives the same bytes and keeps its leak stamps."""
    fitted.save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")

    np.testing.assert_array_equal(
        fitted.forecast(bars).quantiles, loaded.forecast(bars).quantiles
    )
    assert loaded.leak_tests == fitted.leak_tests
    assert loaded.settings == fitted.settings


def test_every_bar_can_be_a_cutoff(fitted, bars):
    """A history holds a forecast at each bar with a context behind it."""
    history = fitted.forecast(bars, "all")

    assert len(history) == len(bars) - 2 * 9


def test_a_date_without_session_is_refused(fitted, bars):
    """A Sunday is no cutoff."""
    with pytest.raises(WindowError, match=r"got 2010-06-06 \(bars run"):
        fitted.predict(bars, ["2010-06-06"])


def test_text_that_is_no_date_is_refused(fitted, bars):
    """A cutoff is an ISO date."""
    with pytest.raises(WindowError, match="ISO dates or 'all'"):
        fitted.predict(bars, ["yesterday"])


def test_predicting_before_fitting_is_refused(bars):
    """There is nothing to forecast with."""
    with pytest.raises(ModelError, match=r"Call fit first"):
        Forecaster().predict(bars)


def test_an_unknown_setting_names_the_nearest():
    """A typing error is not ignored."""
    with pytest.raises(SettingError, match="learning_rate"):
        Forecaster(lerning_rate=0.1)


def test_two_forecasters_share_no_settings():
    """Settings are frozen values: one experiment cannot change another."""
    one = Forecaster(dropout=0.5)

    assert Forecaster().settings.dropout != one.settings.dropout
    with pytest.raises(AttributeError, match="cannot assign"):
        one.settings.dropout = 0.2


def test_a_symbol_too_short_is_left_out_and_it_says_so(fitted, bars):
    """Nine bars give no forecast; the other symbol goes on."""
    keep = (bars.symbol_ids == 0) | (np.arange(len(bars)) - bars.starts < 9)

    with pytest.warns(ClosecastWarning, match=r"1 of 2 symbols left out .* \(W01\)"):
        table = fitted.predict(bars.select(keep))
    assert set(table["symbol"]) == {"W00"}


def test_a_fit_is_a_trial(bars, tmp_path, monkeypatch):
    """What was trained alone counts, once, for the verdicts to come."""
    monkeypatch.setenv(INDEX_VARIABLE, str(tmp_path / "i.sqlite"))

    for _ in range(2):
        Forecaster(**QUICK).fit(bars)

    assert Index().trials(bars.fingerprint) == 1


def test_a_fit_that_cannot_be_counted_says_so(bars, tmp_path, monkeypatch):
    """It is no reason not to train."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(INDEX_VARIABLE, str(tmp_path / "file" / "i.sqlite"))

    with pytest.warns(ClosecastWarning, match="This trial is not counted"):
        assert Forecaster(**QUICK).fit(bars).leak_tests


def test_a_model_is_told_columns_of_its_users_own(tmp_path):
    """Trained, tested for leaks, saved, loaded and asked for dates yet to come."""
    bars = random_walk(2, 200)
    frame = to_frame(bars)
    days = np.busday_offset(np.datetime64("2010-01-04"), np.arange(220))
    mood = np.random.default_rng(0).normal(size=220)
    table = pd.DataFrame({"date": days, "mood": mood, "earnings": np.arange(220) % 7})
    sectors = pd.DataFrame({"symbol": bars.symbols, "sector": ["tech", "food"]})
    own = table.merge(sectors, how="cross")
    model = Forecaster(
        **QUICK,
        past_columns=["mood"],
        known_columns="earnings",
        static_columns="sector",
    )

    model.fit(frame, own=own)
    model.save(tmp_path)
    again = Forecaster.load(tmp_path)

    assert {one.name: one.passed for one in model.leak_tests}["future_perturbation"]
    told = model.predict(frame, own=own)
    pd.testing.assert_frame_equal(again.predict(frame, own=own), told)
    moved = own.assign(earnings=own["earnings"].where(own["date"] < days[201], 3.0))
    assert not again.predict(frame, own=moved).equals(told)
    before = str(days[190])
    pd.testing.assert_frame_equal(
        again.predict(frame, [before], own=moved),
        again.predict(frame, [before], own=own),
    )
    with pytest.raises(SettingError, match="mood, earnings, sector beside the bars"):
        again.predict(frame)


def test_of_a_large_panel_some_symbols_are_asked_for_leaks(monkeypatch):
    """Leak tests of many bars look at every so many symbols, at rows of theirs."""
    bars = random_walk(6, 200)
    asked = []

    def watch(_, some, rows):
        asked.append((some, rows))
        return []

    monkeypatch.setattr("closecast.experiments.fitted.MOST_ASKED", 500)
    monkeypatch.setattr("closecast.experiments.fitted.run_leak_tests", watch)
    Forecaster(**QUICK).fit(bars)

    ((some, rows),) = asked
    assert some.symbols == ("W00", "W03")
    assert (rows - some.starts[rows] >= 9).all()
    assert (some.ends[rows] - rows > 5).all()
    assert len(rows) > 300
