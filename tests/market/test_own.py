"""A user's own columns stand beside the bars whole, or not at all."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pytest

from closecast.errors import BarsError, SettingError
from closecast.market.own import (
    CODE_SIZE,
    OwnNames,
    category_code,
    require_own,
    with_own,
)
from closecast.testing import random_walk

MOOD = OwnNames(past=("mood",))
EARNINGS = OwnNames(known=("earnings",))
SECTOR = OwnNames(static=("sector",))


@pytest.fixture
def bars():
    """Two symbols of sixty sessions."""
    return random_walk(2, 60)


@pytest.fixture
def table(bars):
    """Each session of each symbol, and two weeks more."""
    days = np.busday_offset(np.datetime64("2010-01-04"), np.arange(70))
    return pd.DataFrame(
        {
            "symbol": np.repeat(bars.symbols, 70),
            "date": np.tile(days.astype(str), 2),
            "mood": np.arange(140.0),
            "earnings": (np.arange(140) % 7 == 0).astype(float),
            "sector": np.repeat(["tech", "food"], 70),
        }
    )


def test_a_past_column_is_told_on_its_date(bars, table):
    """Row by row, whatever the order of the table."""
    own = with_own(bars, table.sample(frac=1, random_state=0), MOOD, 3).own["mood"]

    np.testing.assert_array_equal(own.told[:60, 0], np.arange(60.0))
    np.testing.assert_array_equal(own.told[60:, 0], 70 + np.arange(60.0))


def test_a_column_known_ahead_is_told_for_each_step(bars, table):
    """Also beyond the last bar, by the calendar."""
    own = with_own(bars, table, EARNINGS, 3).own["earnings"]
    expected = [[float((row + h) % 7 == 0) for h in (1, 2, 3)] for row in range(60)]

    np.testing.assert_array_equal(own.told[:60], expected)


def test_a_category_is_its_signs(bars, table):
    """The same for every row of a symbol, and for every panel."""
    values = with_own(bars, table, SECTOR, 3).own["sector"].told

    assert values.shape == (120, CODE_SIZE)
    np.testing.assert_array_equal(values[0], category_code("tech"))
    np.testing.assert_array_equal(values[119], category_code("food"))
    assert (category_code("tech") != category_code("food")).any()


def test_files_and_other_frames_are_read(bars, table, tmp_path):
    """A CSV, a Parquet file and polars give the same columns."""
    table.to_csv(tmp_path / "own.csv", index=False)
    table.to_parquet(tmp_path / "own.parquet")
    expected = with_own(bars, table, MOOD, 3).fingerprint

    for form in (tmp_path / "own.csv", tmp_path / "own.parquet", pl.DataFrame(table)):
        assert with_own(bars, form, MOOD, 3).fingerprint == expected
    assert expected != bars.fingerprint


def test_an_index_of_the_market_is_told_to_all(bars, table):
    """Without a symbol the values are the same for every symbol."""
    market = table[table["symbol"] == "W00"][["date", "mood"]]
    values = with_own(bars, market, MOOD, 3).own["mood"].told

    np.testing.assert_array_equal(values[:60], values[60:])


@pytest.mark.parametrize(
    ("change", "names", "match"),
    [
        (
            lambda t: t.drop(index=[2, 3, 5, 9]),
            MOOD,
            "number in mood for every session, got none for W00 on 2010-01-06, "
            "2010-01-07, 2010-01-11 and 1 dates more.",
        ),
        (
            lambda t: t.replace({"mood": {75.0: np.nan}}),
            MOOD,
            "got none for W01 on 2010-01-11. Fill",
        ),
        (
            lambda t: t[t["date"] < "2010-03-29"],
            EARNINGS,
            "got none for W00 on 2010-03-29, 2010-03-30, 2010-03-31, and some for 1",
        ),
        (
            lambda t: t.assign(earnings=t["earnings"] * 20),
            EARNINGS,
            "Expected earnings in +-6, got 20",
        ),
        (lambda t: t.drop(columns="mood"), MOOD, "Expected a column mood in the table"),
        (lambda t: t.drop(columns="date"), MOOD, "Expected a column date or ds"),
        (
            lambda t: t.drop(columns="symbol"),
            MOOD,
            "one value of mood a date, got two for 2010-01-04",
        ),
        (
            lambda t: t.drop(columns="symbol"),
            SECTOR,
            "Expected a column symbol or unique_id beside sector",
        ),
        (
            lambda t: t.assign(sector=t["date"]),
            SECTOR,
            "Expected one sector of a symbol, got 2010-01-04 and 2010-01-05",
        ),
        (
            lambda t: t[t["symbol"] == "W00"],
            SECTOR,
            "Expected a sector for every symbol, got none for W01",
        ),
        (
            lambda t: t.assign(date="January"),
            MOOD,
            "Expected ISO dates such as 2012-01-31",
        ),
    ],
)
def test_what_is_missing_is_named(bars, table, change, names, match):
    """Symbol, dates and remedy are in the sentence."""
    with pytest.raises(BarsError, match=re.escape(match)):
        with_own(bars, change(table), names, 3)


def test_a_file_that_is_none_is_refused(bars, tmp_path):
    """A path that cannot be read is one sentence."""
    with pytest.raises(BarsError, match="none that can be read"):
        with_own(bars, tmp_path / "nothing.csv", MOOD, 3)


def test_a_panel_without_the_columns_is_refused(bars, table):
    """A model that is told a column asks for it by name."""
    with pytest.raises(SettingError, match="Expected the columns mood beside the bars"):
        require_own(bars, MOOD)
    with pytest.raises(SettingError, match="got sector"):
        require_own(with_own(bars, table, SECTOR, 3), MOOD)


def test_columns_go_where_the_rows_go(bars, table):
    """A panel that is cut keeps what was told at its rows."""
    both = OwnNames(past=("mood",), known=("earnings",))
    cut = with_own(bars, table, both, 3).select(bars.dates < bars.dates[40])

    np.testing.assert_array_equal(cut.own["mood"].told[39:41, 0], [39.0, 70.0])
    assert cut.own["earnings"].told.shape == (80, 3)
