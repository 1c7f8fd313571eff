"""Real files of vendors, where they lie beside the checkout, read as they should."""

from pathlib import Path

import pytest

from closecast.errors import BarsError
from closecast.market.doctor import check
from closecast.market.readers import Hints, read_bars

MESSY = Path(__file__).parents[4] / "shared" / "data" / "messy"

pytestmark = pytest.mark.skipif(
    not MESSY.is_dir(), reason="real files of vendors are not part of the repository"
)


@pytest.mark.parametrize(
    ("name", "symbol", "bars", "first"),
    [
        ("01_nasdaq_com_ABNB.csv", "01_nasdaq_com_ABNB", 810, "2020-12-10"),
        ("07_stooq_bulk_aapl.us.txt", "AAPL.US", 10462, "1984-09-07"),
        ("11_yahoo_null_rows_KS11.csv", "11_yahoo_null_rows_KS11", 6423, "1996-12-11"),
        ("13_dmy_time_coin_btc.csv", "BTC", 2991, "2013-04-29"),
        ("17_yyyymmdd_int_code_and_name_069500.csv", "069500", 5243, "2002-10-14"),
    ],
)
def test_a_real_file_is_read(name, symbol, bars, first):
    """Symbol, length and first day are those of the file."""
    panel = read_bars(MESSY / name).bars

    assert (panel.symbols, len(panel)) == ((symbol,), bars)
    assert str(panel.dates[0]) == first


def test_a_file_without_header_needs_its_columns():
    """Refused as it is; with names, zeros are left out and broken bars named."""
    path = MESSY / "05_no_header_zero_weekends_005930.csv"
    columns = ("date", "open", "high", "low", "close", "volume", "change")
    with pytest.raises(BarsError, match="got a bar"):
        read_bars(path)
    found = check(path, hints=Hints(columns=columns))

    assert any("923 rows of zeros" in finding.what for finding in found)
    assert next(f.date for f in found if f.severity == "error") == "2015-01-27"


def test_closes_outside_their_day_are_flagged():
    """Closes a hundred times too low are errors on their days."""
    path = MESSY / "16_isolated_100x_spikes_AVB.us.txt"
    errors = {f.date for f in check(path) if f.severity == "error"}

    assert {"2010-09-16", "2012-12-21"} <= errors
