"""Anybody's forecaster can be tested, whatever library it is from."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import polars as pl
import pytest

import closecast as cc
from closecast.errors import MissingExtraError, ModelError, SettingError
from closecast.experiments.outside import find_forecaster, leak_test
from closecast.testing import random_walk

STEPS = np.arange(1, 6)


def table(last, cutoff_of=None, kind=pd.DataFrame):
    """Forecasts of the last close times a factor, as anybody writes them."""
    rows = [
        {"symbol": symbol, "cutoff": cutoff, "step": int(step), "mean": close}
        for (symbol, cutoff), close in last.items()
        for step in STEPS
    ]
    frame = kind(rows)
    return frame if cutoff_of is None else frame.drop(columns=["cutoff"])


def at(frame, cutoffs):
    """The closes of each symbol at each cutoff."""
    known = frame[frame["date"].astype(str).isin(cutoffs)]
    keys = zip(known["symbol"], known["date"].astype(str), strict=True)
    return dict(zip(keys, known["close"], strict=True))


def persistence(frame, cutoffs: Sequence[str]):
    """Honest: the last close."""
    return table(at(frame, cutoffs))


def in_polars(frame, cutoffs: Sequence[str]):
    """Honest, in another library's frame."""
    return table(at(frame, cutoffs), kind=pl.DataFrame)


def whole_mean(frame, cutoffs: Sequence[str]):
    """Leak: pulled to the mean of the whole file."""
    mean = frame.groupby("symbol")["close"].mean()
    last = {
        key: 0.9 * close + 0.1 * mean[key[0]]
        for key, close in at(frame, cutoffs).items()
    }
    return table(last)


def last_only(frame):
    """Honest: a frame up to the cutoff, dates instead of steps, no cutoff."""
    newest = frame.groupby("symbol").tail(1)
    return pd.DataFrame(
        {
            "unique_id": np.repeat(newest["symbol"].to_numpy(), 5),
            "ds": np.tile(pd.date_range("2030-01-01", periods=5), len(newest)),
            "mean": np.repeat(newest["close"].to_numpy(), 5),
        }
    )


class Remembers:
    """Leak: answers from a table that was made when all was known."""

    def __init__(self, bars):
        self.next = {
            (symbol, str(bars.dates[row])): bars.close[min(row + 1, end - 1)]
            for symbol, start, end in bars
            for row in range(start, end)
        }

    def __call__(self, frame):
        newest = frame.groupby("symbol").tail(1)
        keys = zip(newest["symbol"], newest["date"].astype(str), strict=True)
        return table({key: self.next[key] for key in keys if key in self.next})


class Nixtla:
    """The interface of Nixtla's libraries, with their scaler."""

    def __init__(self, *, causal):
        self.causal = causal
        self.asked = []

    def cross_validation(self, df, h, n_windows, step_size=1, refit=False):
        self.asked.append((h, n_windows, step_size, refit))
        rows = []
        for name, one in df.groupby("unique_id"):
            for window in range(n_windows):
                end = len(one) - h - step_size * (n_windows - 1 - window)
                seen = one["y"][:end] if self.causal else one["y"]
                value = 0.9 * one["y"].iloc[end - 1] + 0.1 * seen.mean()
                rows += [
                    {
                        "unique_id": name,
                        "ds": one["ds"].iloc[end + step],
                        "cutoff": one["ds"].iloc[end - 1],
                        "y": one["y"].iloc[end + step],
                        "model": value,
                    }
                    for step in range(h)
                ]
        return pd.DataFrame(rows)


@pytest.fixture
def bars():
    """Two random walks."""
    return random_walk(2, 120)


def failed(results):
    """Names of the tests that failed."""
    return [result.name for result in results if result.passed is False]


@pytest.mark.parametrize("honest", [persistence, in_polars, last_only])
def test_an_honest_function_passes(honest, bars):
    """With one argument and with two, from pandas and from polars."""
    assert failed(cc.leak_test(honest, bars)) == []


def test_what_is_given_no_future_has_nothing_to_prove(bars):
    """A function of the past alone cannot move with the future: that is no pass."""
    told = {result.name: result.passed for result in leak_test(last_only, bars)}

    assert told["future_perturbation"] is None
    assert told["relabelling"] is True


def test_a_statistic_of_the_whole_frame_is_caught(bars):
    """It moves when the future does, and when it is cut off."""
    results = leak_test(whole_mean, bars)

    assert failed(results) == ["future_perturbation", "truncation"]
    assert "% of the last close" in results[0].detail


def test_skill_where_there_can_be_none_is_caught(bars):
    """Sessions dealt out anew cannot be foreseen by the past alone."""

    def peeks(frame, cutoffs):
        later = frame.groupby("symbol")["close"].shift(-1).fillna(frame["close"])
        return table(at(frame.assign(close=later), cutoffs))

    results = {one.name: one for one in leak_test(peeks, random_walk(2, 250))}

    assert results["label_shuffle"].passed is False
    honest = {one.name: one for one in leak_test(persistence, random_walk(2, 250))}
    assert honest["label_shuffle"].passed is True
    short = {one.name: one for one in leak_test(persistence, bars)}
    assert "over 23 dates" in short["label_shuffle"].detail


def test_an_answer_from_memory_is_caught(bars):
    """A table by name and date cannot serve renamed symbols."""
    assert "relabelling" in failed(leak_test(Remembers(bars), bars))


def test_a_cross_validation_that_scales_on_all_is_caught(bars):
    """The known leak, in the interface that has it."""
    assert failed(leak_test(Nixtla(causal=False), bars)) == ["future_perturbation"]
    assert failed(leak_test(Nixtla(causal=True), bars)) == []


def test_options_and_horizon_reach_the_cross_validation(bars):
    """What the library is asked for is the caller's to say."""
    model = Nixtla(causal=True)
    leak_test(model, bars, horizon=3, options={"refit": True, "n_windows": 4})

    assert set(model.asked) == {(3, 4, 3, True)}


def test_chance_is_told_from_a_leak(bars):
    """A forecaster without a seed cannot be tested, and is told so."""
    random = np.random.default_rng()

    def dice(frame, cutoffs):
        return table({k: v * random.random() for k, v in at(frame, cutoffs).items()})

    with pytest.raises(SettingError, match="Set its seed"):
        leak_test(dice, bars)


def test_an_error_inside_is_one_sentence(bars):
    """Another's exception is named, with whose it is."""

    def broken(frame, cutoffs):
        raise KeyError(len(frame), len(cutoffs))

    with pytest.raises(ModelError, match="forecasts from broken, got KeyError"):
        leak_test(broken, bars)


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        (["name", "cutoff", "step", "mean"], "a column symbol or unique_id"),
        (["symbol", "cutoff", "step", "y"], "columns with forecasts"),
        (["symbol", "cutoff", "when", "mean"], "a column date or ds"),
    ],
)
def test_a_frame_that_cannot_be_read_is_refused(columns, match, bars):
    """The missing column is named."""

    def named(frame, cutoffs):
        one = table(at(frame, cutoffs))
        one.columns = columns
        return one

    with pytest.raises(ModelError, match=match):
        leak_test(named, bars)


def test_no_answer_is_refused(bars):
    """An empty frame proves nothing."""

    def nothing(frame, cutoffs):
        return table(at(frame, cutoffs)).head(0).astype({"mean": float})

    with pytest.raises(ModelError, match="got none"):
        leak_test(nothing, bars)


def test_what_forecasts_nothing_is_refused(bars):
    """Neither a function nor an object of a known kind."""
    with pytest.raises(SettingError, match="Expected a function, or an object"):
        leak_test(42, bars)


def test_too_few_sessions_are_refused():
    """A test needs cutoffs to probe."""
    with pytest.raises(SettingError, match="a few dozen sessions"):
        leak_test(persistence, random_walk(1, 25))


def test_darts_is_asked_for_where_it_is_needed(bars, monkeypatch):
    """Without the library the error names it."""
    monkeypatch.setitem(__import__("sys").modules, "darts", None)

    class Series:
        def historical_forecasts(self):
            return []

    with pytest.raises(MissingExtraError, match="Install darts"):
        leak_test(Series(), bars)


@pytest.mark.parametrize("place", ["no_such_module:f", "json:nothing", "json", ":f"])
def test_a_place_that_is_none_is_refused(place):
    """The module and the name are said."""
    with pytest.raises(SettingError, match="module:function"):
        find_forecaster(place)


def test_a_place_is_found():
    """A function of a module."""
    assert find_forecaster("json:dumps")({"a": 1}) == '{"a": 1}'
