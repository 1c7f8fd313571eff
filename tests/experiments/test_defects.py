"""Prices that look wrong cost windows, and a forecast that reads them says so."""

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest

from closecast.errors import ClosecastWarning
from closecast.experiments.defects import checkup_of, still_symbols, tell_refused
from closecast.experiments.forecaster import Forecaster
from closecast.market.bars import CLOSE, VOLUME
from closecast.reports.checkup import page, section
from closecast.reports.language import words_of
from closecast.testing import random_walk
from closecast.windows import WindowSpec, cutoffs_with_targets

SPEC = WindowSpec(context_length=10, horizon=5)
QUICK = {"hidden_size": 6, "num_layers": 1, "epochs": 1, "batch_size": 32}


def split_at(bars, row, ratio=4):
    """Divide the prices of the first symbol from a row on."""
    values = bars.values.copy()
    steady = bars.close[row] / bars.close[row - 1]
    values[row : bars.offsets[1], :VOLUME] /= ratio * steady
    return replace(bars, values=values)


def test_windows_over_a_split_are_refused_and_no_others():
    """Fourteen windows hold a step between two of their fifteen bars."""
    bars = split_at(random_walk(2, 260), 100)
    checkup = checkup_of(bars, SPEC)
    broken = np.arange(len(bars)) == 100
    kept = cutoffs_with_targets(bars, SPEC, broken)
    every = cutoffs_with_targets(bars, SPEC)

    assert (checkup.refused, checkup.windows) == (14, 492)
    assert sorted(set(every) - set(kept)) == list(range(95, 109))


def test_a_training_says_and_keeps_what_it_refused(tmp_path):
    """A warning with the place, and a record beside the model."""
    bars = split_at(random_walk(2, 260), 100)
    with pytest.warns(ClosecastWarning, match=r"14 of \d+ windows refused.*W00 20"):
        fitted = Forecaster(**QUICK).fit(bars)
    fitted.save(tmp_path)
    record = json.loads((tmp_path / "data_check.json").read_text())

    assert record["refused_windows"] == 14
    assert record["counts"]["split"] == 1
    assert record["spots"][0]["date"] == str(bars.dates[100])


def still(bars, since):
    """Let the second symbol keep its price from one of its bars on."""
    values, first = bars.values.copy(), bars.offsets[1] + since
    values[first : bars.offsets[2], :VOLUME] = values[first, CLOSE]
    return replace(bars, values=values)


def test_a_symbol_stands_still_where_most_sessions_bring_no_change():
    """A halt of weeks is no peg, and a bar of its own is no session without change."""
    bars = random_walk(3, 261)

    assert still_symbols(bars) == []
    assert still_symbols(still(bars, 131)) == []
    assert still_symbols(still(bars, 129)) == ["W01"]
    assert still_symbols(bars.select(np.arange(len(bars)) % 261 == 0)) == []


def test_a_training_names_what_stands_still():
    """A flat symbol is trained on and told, and its shuffled targets prove nothing."""
    bars = still(random_walk(2, 260), 0)
    with pytest.warns(ClosecastWarning, match=r"1 of 2 symbols stand still.*W01"):
        Forecaster(**QUICK).fit(bars)
    flat = bars.select(bars.symbol_ids == 1)
    with pytest.warns(ClosecastWarning, match="1 of 1 symbols stand still"):
        fitted = Forecaster(**QUICK).fit(flat)
    (shuffled,) = (r for r in fitted.leak_tests if r.name == "label_shuffle")

    assert shuffled.passed is None
    assert "no price moves" in shuffled.detail


def test_a_forecast_over_a_split_says_so():
    """The last ten bars of one symbol are suspect; of the other they are not."""
    sound = random_walk(2, 260)
    fitted = Forecaster(**QUICK).fit(sound)
    with pytest.warns(ClosecastWarning, match=r"1 of 2 forecasts read a suspected"):
        fitted.forecast(split_at(sound, 255))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted.forecast(split_at(sound, 250))


def test_the_test_block_is_not_looked_at():
    """A defect after the first test date costs no word in training."""
    bars = split_at(random_walk(2, 260), 255)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tell_refused(bars, SPEC, bars.dates[200])


def test_a_report_draws_the_worst_places():
    """One figure a place, the number of refused windows in words."""
    bars = split_at(split_at(random_walk(2, 260), 100), 180, ratio=100)
    record = checkup_of(bars, SPEC).to_dict()
    text = section(record, 12, words_of("en"))

    assert text.count("<svg") == 2
    assert "28 of 492 windows touch a suspected defect" in text
    assert page(["a<b.csv"], record).count("a&lt;b.csv") == 1


def test_a_korean_report_says_what_was_found_in_korean():
    """The doctor's own sentences too: none is left marked as English."""
    bars = split_at(split_at(random_walk(2, 260), 100), 180, ratio=100)
    text = section(checkup_of(bars, SPEC).to_dict(), 12, words_of("ko"))

    assert "윈도 492개 중 28개" in text
    assert 'lang="en"' not in text
    assert "W00: 20" in text
    assert "부터" in text


def test_a_report_of_sound_prices():
    """Nothing found is said in two sentences."""
    record = checkup_of(random_walk(2, 260), SPEC).to_dict()
    text = section(record, 12, words_of("en"))

    assert "none was refused" in text
    assert "<svg" not in text
