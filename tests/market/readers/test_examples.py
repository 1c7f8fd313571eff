"""A small file of each vendor, byte for byte as it writes: all hold the same two bars.

A new format is a new file in ``examples``.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from closecast.errors import BarsError
from closecast.market.doctor import check
from closecast.market.readers import Hints, read_bars

EXAMPLES = sorted((Path(__file__).parent / "examples").iterdir())
DAYS = ["2024-01-30", "2024-01-31"]
VALUES = np.array(
    [[1000.5, 1010, 990.25, 1005, 1_234_500], [1005, 1020, 1000, 1010.75, 800]]
)
HEADER = "date,open,high,low,close,volume"


def example(name):
    return next(path for path in EXAMPLES if path.stem == name)


def table(tmp_path, dates, header=HEADER):
    path = tmp_path / "x.csv"
    path.write_text("\n".join([header, *(f"{day},1,2,1,1.5,9" for day in dates)]))
    return path


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_read(path):
    """Whatever language, page or program: the same two bars of each symbol."""
    bars = read_bars(path).bars
    count = len(bars.symbols)

    assert bars.dates.astype(str).tolist() == DAYS * count
    np.testing.assert_array_equal(bars.values, np.vstack([VALUES] * count))


@pytest.mark.parametrize(
    ("name", "symbols"),
    [
        ("yf_old", ("AAPL", "MSFT")),
        ("kiwoom", ("kiwoom",)),
        ("crsp", ("AAPL",)),
        ("cn_163", ("600000",)),
        ("moex", ("SBER",)),
    ],
)
def test_the_symbol_of_an_example(name, symbols):
    """Tickers are symbols; where a column of them is blank, the file's name is."""
    assert read_bars(example(name)).bars.symbols == symbols


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("crsp", "1 row of quotes, without any trade, is left out"),
        ("barchart", "1 row of text below the table is left out"),
        ("footer_disc", "1 row of text below the table is left out"),
        ("yahoo_page", "1 row of a dividend or split is left out"),
        ("yahoo_div_rows", "1 row of a dividend or split is left out"),
    ],
)
def test_what_is_left_out_is_counted(name, said):
    """Quotes, disclaimers and dividends are no bars: a note and a warning say so."""
    path = example(name)

    assert any(note.endswith(f"{said}.") for note in read_bars(path).notes)
    assert [f.severity for f in check(path) if said in f.what] == ["warning"]


class TestShortYears:
    """Years of two digits, decided by the whole column."""

    def test_one_cell_decides_for_all(self, tmp_path):
        """01/02/03 is a day of 2003 once another cell can only be month first."""
        days = ["01/02/03", "01/03/03", "01/13/03"]
        bars = read_bars(table(tmp_path, days)).bars

        assert bars.dates.astype(str).tolist() == [
            "2003-01-02",
            "2003-01-03",
            "2003-01-13",
        ]

    def test_sessions_follow_each_other(self, tmp_path):
        """24-01-02 ... 24-01-05 are sessions of a week in one order alone."""
        days = [f"24-01-0{day}" for day in (2, 3, 4, 5)]
        bars = read_bars(table(tmp_path, days)).bars

        assert str(bars.dates[0]) == "2024-01-02"

    @pytest.mark.parametrize(
        ("day", "told"),
        [
            ("01/02/24", r"2024-02-01 with dayfirst=True .*, 2024-01-02 with day"),
            ("31.01.24", r"2024-01-31 with dayfirst=True .*, 2031-01-24 if the year"),
        ],
    )
    def test_what_stays_open_is_refused(self, day, told, tmp_path):
        """One row tells no rhythm: every reading is shown with its option."""
        path = table(tmp_path, [day])

        with pytest.raises(BarsError, match=rf"'{day}' in date, .*row 2.*{told}"):
            read_bars(path)
        assert len(read_bars(path, hints=Hints(dayfirst=True)).bars) == 1

    @pytest.mark.parametrize(
        ("day", "year"), [("1/2/69", 1969), ("1/2/68", 2068), ("2-Jan-99", 1999)]
    )
    def test_the_century(self, day, year, tmp_path):
        """Years run from 1969 to 2068."""
        bars = read_bars(table(tmp_path, [day]), hints=Hints(dayfirst=False)).bars

        assert bars.dates.astype("datetime64[Y]").astype(str).tolist() == [str(year)]

    def test_no_order_fits(self, tmp_path):
        """A column that is no date in any order is named by its cell."""
        with pytest.raises(BarsError, match=r"got '31/31/24' in date .*row 2"):
            read_bars(table(tmp_path, ["31/31/24", "31/31/25"]))


class TestPlainTables:
    def test_a_bar_that_was_cut_is_no_footer(self, tmp_path):
        """A last line with figures is a damaged bar."""
        path = table(tmp_path, DAYS)
        path.write_text(path.read_text() + "\n2024-02-01,1,2")

        with pytest.raises(BarsError, match="6 cells as in the header, got 3"):
            read_bars(path)

    def test_text_between_bars_is_no_footer(self, tmp_path):
        """A sentence in the middle may stand for bars that are lost."""
        path = table(tmp_path, [DAYS[0], "Some rows were left out here", DAYS[1]])
        path.write_text(path.read_text().replace("here,1,2,1,1.5,9", "here"))

        with pytest.raises(BarsError, match="6 cells as in the header, got 1"):
            read_bars(path)

    def test_one_number_by_lakhs_is_a_typing_error(self, tmp_path):
        """1,34,567 among 1,234,567 is refused, not read as another number."""
        path = table(tmp_path, DAYS)
        path.write_text(path.read_text().replace(",9\n", ',"1,34,567"\n', 1))

        with pytest.raises(BarsError, match="a number, got '1,34,567' in volume"):
            read_bars(path)

    def test_closes_alone_may_have_holidays(self, tmp_path):
        """A day without a close is left out where there are closes only."""
        path = tmp_path / "x.csv"
        path.write_text("DATE,close\n2024-01-30,1\n2024-01-31,.\n2024-02-01,2\n")
        reading = read_bars(path)

        assert reading.bars.close.tolist() == [1, 2]
        assert "1 row without any price is left out" in reading.notes[1]

    def test_one_column_is_asked_for_where_no_price_is_known(self, tmp_path):
        """A series under a name of its own needs one new name, not five."""
        path = tmp_path / "x.csv"
        path.write_text("DATE,SP500\n2024-01-30,1\n")

        with pytest.raises(BarsError, match=r"Add or rename close\.$"):
            read_bars(path)


class TestCodePages:
    def test_the_page_that_names_most_columns(self, tmp_path):
        """Latin letters fit the Chinese page too, with a name less."""
        text = "Datum;Eröffnung;Hoch;Tief;Schluss;Volumen\n30.01.2024;1,5;2;1;1,5;9\n"
        path = tmp_path / "x.csv"
        path.write_bytes(text.encode("cp1252"))

        assert read_bars(path).bars.close.tolist() == [1.5]


class TestParquetOfPandas:
    """Frames that pandas wrote: names of levels and of the index come back."""

    @pytest.mark.parametrize("index", ["Date", None])
    @pytest.mark.parametrize("first", ["Price", "Ticker"])
    def test_two_levels_of_columns(self, first, index, tmp_path):
        """A yfinance frame of several tickers is one bar a row."""
        levels = {"Price": ["Close", "High", "Low", "Open", "Volume"]}
        levels["Ticker"] = ["AAPL", "MSFT"]
        second = {"Price": "Ticker", "Ticker": "Price"}[first]
        columns = pd.MultiIndex.from_product([levels[first], levels[second]])
        by_price = dict(zip(levels["Price"], VALUES[:, [3, 1, 2, 0, 4]].T, strict=True))
        values = [by_price[a if first == "Price" else b] for a, b in columns]
        days = pd.DatetimeIndex(DAYS, name=index)
        frame = pd.DataFrame(np.transpose(values), index=days, columns=columns)
        frame.to_parquet(tmp_path / "x.parquet")
        bars = read_bars(tmp_path / "x.parquet").bars

        assert bars.symbols == ("AAPL", "MSFT")
        np.testing.assert_array_equal(bars.values, np.vstack([VALUES, VALUES]))

    def test_an_index_without_a_name(self, tmp_path):
        """Its dates are the dates."""
        frame = pd.DataFrame(VALUES, pd.DatetimeIndex(DAYS), HEADER.split(",")[1:])
        frame.to_parquet(tmp_path / "x.parquet")

        bars = read_bars(tmp_path / "x.parquet").bars
        assert bars.dates.astype(str).tolist() == DAYS
