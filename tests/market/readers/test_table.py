"""Any vendor's table is read as it means, or refused in one sentence."""

import csv
import datetime as dt
import gzip
import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from closecast.errors import BarsError, ClosecastWarning, SettingError
from closecast.market.bars import COLUMNS, Bars, from_columns
from closecast.market.panels import bars_of, read_prices
from closecast.market.readers import Hints, Reading, read_bars, to_frame

HEADER = "date,open,high,low,close,volume"
ROWS = ("2024-01-02,10,12,9,11,100", "2024-01-03,11,13,10,12,200")
PLAIN_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def write(folder: Path, *lines: str, name: str = "aapl.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def values_of(reading: Reading) -> np.ndarray:
    return reading.bars.values  # noqa: PD011


def assert_same(one: Bars, other: Bars) -> None:
    assert one.symbols == other.symbols
    np.testing.assert_array_equal(one.dates, other.dates)
    np.testing.assert_array_equal(one.values, other.values)


def meant(text: str) -> float:
    """Read a number in its only sense, by rules of this test's own."""
    text = text.strip()
    if PLAIN_NUMBER.fullmatch(text):
        return float(text)
    text = text.removeprefix("$")
    digits = re.sub(r"(?<=\d)[,' ](?=\d{3}([,' .]|$))", "", text)
    assert not re.fullmatch(r"[+-]?[1-9]\d{0,2}[,]\d{3}", text), "two meanings"
    assert text.count(".") < 2, "lost decimals"
    return float(digits.replace(".", "").replace(",", ".") if "," in digits else digits)


@st.composite
def columns(draw):
    """Symbols, dates and values of a few sound bars in any order."""
    prices = st.floats(1e-6, 1e9)
    keys = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["AAPL", "005930", "BTC-USD"]),
                st.dates(dt.date(1970, 1, 1), dt.date(2100, 1, 1)),
            ),
            min_size=1,
            max_size=8,
            unique=True,
        )
    )
    rows = []
    for _ in keys:
        low, one, two, high = sorted(draw(prices) for _ in range(4))
        rows.append([one, high, low, two, draw(st.floats(0, 1e12))])
    symbols, dates = zip(*keys, strict=True)
    return np.array(symbols), np.array(dates, dtype="datetime64[D]"), np.array(rows)


def zip_without(length):
    """A zip that has lost bytes of its table: its directory lies before its place."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("prices.csv", HEADER * 9)
    content = file.getvalue()
    return content[:60] + content[60 + length :]


class TestRoundTrip:
    @settings(max_examples=40)
    @given(rows=columns(), kind=st.sampled_from(["pandas", "polars", "pyarrow"]))
    def test_a_dataframe_gives_its_bars_back(self, rows, kind):
        """Bars written to any dataframe are read as the same bars, bit by bit."""
        bars = from_columns(*rows)

        assert_same(read_bars(to_frame(bars, kind)).bars, bars)

    @settings(
        max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(rows=columns())
    def test_a_file_gives_its_bars_back(self, rows, tmp_path):
        """Bars written to CSV and Parquet are read as the same bars, bit by bit."""
        bars = from_columns(*rows)
        frame = to_frame(bars)
        frame.to_csv(tmp_path / "a.csv", index=False)
        frame.to_csv(tmp_path / "a.csv.gz", index=False)
        frame.to_parquet(tmp_path / "a.parquet")
        for name in ("a.csv", "a.csv.gz", "a.parquet"):
            assert_same(read_bars(tmp_path / name).bars, bars)

    @settings(max_examples=40)
    @given(rows=columns(), data=st.data())
    def test_the_order_of_rows_does_not_matter(self, rows, data):
        """Shuffled rows give the same fingerprint, and a note when dates go back."""
        bars = from_columns(*rows)
        frame = to_frame(bars)
        order = data.draw(st.permutations(range(len(frame))))
        reading = read_bars(frame.iloc[order])
        groups = frame.iloc[order].groupby("symbol")["date"]
        in_order = all(dates.is_monotonic_increasing for _, dates in groups)

        assert reading.bars.fingerprint == bars.fingerprint
        assert any("sorted" in note for note in reading.notes) != in_order

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        text=st.one_of(
            st.text(max_size=8),
            st.text("0123456789.,-+eE_ '\"%$kM", max_size=8),
            st.floats(0, 20).map(repr),
        ),
        column=st.sampled_from(COLUMNS),
    )
    def test_no_price_changes_silently(self, text, column, tmp_path):
        """Whatever is written in a cell is read as that number or refused."""
        cells = dict(zip(HEADER.split(","), ROWS[0].split(","), strict=True))
        cells[column] = text
        path = tmp_path / "x.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerows([HEADER.split(","), list(cells.values())])
        try:
            bars = read_bars(path).bars
        except BarsError:
            return
        assert bars.values[0, COLUMNS.index(column)] == meant(text)  # noqa: PD011


class TestColumns:
    @pytest.mark.parametrize(
        "header",
        [
            "Date,Open,High,Low,Close,Volume",
            "TIMESTAMP,OPEN,HIGH,LOW,PRICE,VOL",
            "<DATE>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>",
            "일자,시가,고가,저가,종가,거래량",
            "날짜, open , high,low,y,volume",
        ],
    )
    def test_vendor_names_are_recognised(self, header, tmp_path):
        """Each vendor's header reads as the same bars."""
        plain = read_bars(write(tmp_path, HEADER, *ROWS)).bars

        assert_same(read_bars(write(tmp_path, header, *ROWS)).bars, plain)

    def test_korean_code_pages_are_read(self, tmp_path):
        """A file in CP949 with its codes is read, leading zeros included."""
        path = tmp_path / "krx.csv"
        path.write_bytes(
            f"종목코드,일자,시가,고가,저가,종가,거래량\n005930,{ROWS[0]}\n".encode(
                "cp949"
            )
        )

        assert read_bars(path).bars.symbols == ("005930",)

    def test_a_file_names_its_symbol(self, tmp_path):
        """Without a symbol column the symbol is the file's name, or as asked."""
        path = write(tmp_path, HEADER, *ROWS, name="BRK.B.csv")

        assert read_bars(path).bars.symbols == ("BRK.B",)
        assert read_bars(path, symbol="X").bars.symbols == ("X",)
        assert read_bars(pd.read_csv(path)).bars.symbols == ("series",)

    def test_one_symbol_of_many_is_selected(self, tmp_path):
        """Trouble of other symbols does not stop the one asked for."""
        lines = [f"A,{ROWS[0]}", f"B,{ROWS[1]}", "A,2024-01-03,x,1,1,1,1"]
        path = write(tmp_path, f"symbol,{HEADER}", *lines)

        assert len(read_bars(path, symbol="B").bars) == 1
        with pytest.raises(BarsError, match="Expected a symbol of the table, got C"):
            read_bars(path, symbol="C")

    def test_closes_alone_are_taken(self):
        """Nixtla's three columns give flat bars without volume, and say so."""
        frame = pd.DataFrame(
            {"unique_id": ["a", "a"], "ds": ["2024-01-02", "2024-01-03"], "y": [1, 2.5]}
        )
        reading = read_bars(frame)

        np.testing.assert_array_equal(values_of(reading)[1], [2.5, 2.5, 2.5, 2.5, 0])
        assert "closes only" in reading.notes[0]

    def test_two_columns_for_one_role_are_refused(self, tmp_path):
        """Which of two closes is meant is not guessed."""
        path = write(tmp_path, f"{HEADER},price", f"{ROWS[0]},11")

        with pytest.raises(BarsError, match="one close column, got close and price"):
            read_bars(path)

    def test_a_missing_column_is_named(self, tmp_path):
        """The message says what was found and what is missing."""
        path = write(tmp_path, "date,open,hi,low,close", "2024-01-02,1,1,1,1")

        with pytest.raises(BarsError, match=r"got date, open, hi.*rename high, volume"):
            read_bars(path)

    def test_without_any_price_the_close_is_asked_for(self):
        """A header with a symbol in each name is refused: a close alone would do."""
        frame = pd.DataFrame({"date": ["2024-01-02"], "Close/AAPL": [1.0]})

        with pytest.raises(BarsError, match=r"rename close\.$"):
            read_bars(frame)

    def test_with_a_price_every_missing_column_is_named(self):
        """Half a bar is refused with all that is missing."""
        frame = pd.DataFrame({"date": ["2024-01-02"], "Open": [1.0]})

        with pytest.raises(BarsError, match="rename high, low, close, volume"):
            read_bars(frame)


class TestAdjustment:
    LINES = (f"{HEADER},Adj Close", f"{ROWS[0]},5.5", f"{ROWS[1]},12")

    def test_prices_stay_and_a_note_says_so(self, tmp_path):
        """By default the close is the close."""
        reading = read_bars(write(tmp_path, *self.LINES))

        assert list(reading.bars.close) == [11, 12]
        assert "adj_close differs" in reading.notes[0]

    def test_prices_follow_the_adjusted_close(self, tmp_path):
        """Halved prices come with twice the volume."""
        reading = read_bars(write(tmp_path, *self.LINES), hints=Hints(adjust=True))

        np.testing.assert_allclose(values_of(reading)[0], [5, 6, 4.5, 5.5, 200])
        np.testing.assert_allclose(values_of(reading)[1], [11, 13, 10, 12, 200])
        assert reading.notes == ()

    def test_needs_the_column(self, tmp_path):
        """Adjusting without adj_close is refused."""
        with pytest.raises(BarsError, match="Expected a column adj_close"):
            read_bars(write(tmp_path, HEADER, *ROWS), hints=Hints(adjust=True))

    @pytest.mark.parametrize("cell", ["0", "-1", "x", "", "1e999"])
    def test_needs_sound_adjusted_closes(self, cell, tmp_path):
        """An adjusted close that is no price is refused, once, where it stands."""
        path = write(tmp_path, f"{HEADER},adj_close", f"{ROWS[0]},{cell}")

        with pytest.raises(BarsError, match=r"in adj_close .*row 2.*--adjust"):
            read_bars(path, hints=Hints(adjust=True))


class TestDates:
    @pytest.mark.parametrize(
        "text",
        [
            "2024-01-02",
            "20240102",
            "2024/01/02",
            "2024.01.02",
            "2024-01-02 16:00:00",
            "2024-01-02T23:30:00.000Z",
            "2024-01-02 00:00:00+09:00",
            "2024-01-02 23:59:59-05:00",
        ],
    )
    def test_the_day_is_the_day_written(self, text, tmp_path):
        """A stamp with a time zone keeps its own calendar day."""
        path = write(tmp_path, HEADER, ROWS[0].replace("2024-01-02", text))

        assert str(read_bars(path).bars.dates[0]) == "2024-01-02"

    @pytest.mark.parametrize(
        "text",
        [
            "01/02/2024",
            "1704",
            "2024-1",
            "2024-02-30",
            "x",
            "24-01-02",
            "01-Jan-24",
            "",
        ],
    )
    def test_other_dates_are_refused(self, text, tmp_path):
        """Day, month and century are not guessed."""
        path = write(tmp_path, HEADER, ROWS[0].replace("2024-01-02", text))

        with pytest.raises(BarsError, match=r"Expected a date as .*row 2"):
            read_bars(path)

    @pytest.mark.parametrize(
        "dates",
        [
            pd.Series([dt.date(2024, 1, 2)]),
            pd.Series([20240102]),
            pd.Series(pd.to_datetime(["2024-01-02 00:00"])).dt.tz_localize(
                "Asia/Seoul"
            ),
            pd.Series(pd.to_datetime(["2024-01-02"])),
            pl.Series([dt.datetime(2024, 1, 2, 23)]).dt.replace_time_zone("Asia/Seoul"),
            pl.Series([dt.date(2024, 1, 2)]),
            pa.array([dt.datetime(2024, 1, 2)], pa.timestamp("ns", "America/New_York")),
        ],
        ids=lambda dates: str(dates.dtype if hasattr(dates, "dtype") else dates.type),
    )
    def test_dataframes_may_hold_any_date(self, dates):
        """Dates, integers, stamps with a zone: the local day counts."""
        rest = {name: [1.0] for name in COLUMNS}
        if isinstance(dates, pa.Array):
            frame = pa.table({"date": dates, **rest})
            day = "2024-01-01"  # midnight in UTC is still the evening before
        else:
            kind = pd.DataFrame if isinstance(dates, pd.Series) else pl.DataFrame
            frame, day = kind({"date": dates, **rest}), "2024-01-02"

        assert str(read_bars(frame).bars.dates[0]) == day

    @pytest.mark.parametrize(
        "dates",
        [[pd.NaT], [20240102.0], [None], [True]],
        ids=["NaT", "float", "-", "b"],
    )
    def test_no_date_is_no_date(self, dates):
        """A dataframe's empty date, fraction or flag is refused."""
        frame = pd.DataFrame({"date": dates, **{name: [1.0] for name in COLUMNS}})

        with pytest.raises(
            BarsError, match=r"Expected a date.*\(row 0, symbol series\)"
        ):
            read_bars(frame)

    def test_a_date_index_is_the_date(self):
        """The index of a pandas frame of dates is its date column."""
        index = pd.to_datetime(["2024-01-02", "2024-01-03"])
        frame = pd.DataFrame({name: [1.0, 1.0] for name in COLUMNS}, index=index)

        assert len(read_bars(frame).bars) == 2
        assert len(read_bars(frame.rename_axis("Date")).bars) == 2


class TestRefusals:
    @pytest.mark.parametrize(
        ("row", "rule"),
        [
            ("2024-01-04,1,1,1,abc,1", r"a number, got 'abc' in close"),
            ('2024-01-04,1,1,1,"1,000",1', r"a number, got '1,000' in close"),
            ("2024-01-04,1,1,1,,1", r"a number, got an empty cell in close"),
            ("2024-01-04,1,1,1,NaN,1", r"a number, got 'NaN' in close"),
            ("2024-01-04,1,1,0,1,1", r"a positive price, got 0 in low"),
            ("2024-01-04,1,1,1,-1,1", r"a positive price, got -1 in close"),
            ("2024-01-04,1,1,1,1,-5", r"a volume of 0 or more, got -5 in volume"),
            ("2024-01-04,2,1,3,2,1", r"a high that is not below .*got 1 in high"),
            ("2024-01-04,1,1e999,1,1,1", r"a finite number, got inf in high"),
        ],
    )
    def test_a_bad_cell_is_named(self, row, rule, tmp_path):
        """One sentence with file, row, symbol and date, and no count of others."""
        path = write(tmp_path, HEADER, *ROWS, "", row)
        where = re.escape(f"({path}, row 5, symbol aapl, 2024-01-04)")

        with pytest.raises(BarsError, match=rf"^Expected {rule} {where}\. .*\.$"):
            read_bars(path)

    def test_the_others_are_counted(self, tmp_path):
        """The first trouble is told, the rest counted, the doctor recommended."""
        path = write(tmp_path, HEADER, "2024-01-02,a,b,1,1,1", "2024-01-03,1,1,1,1,c")
        doctor = re.escape(f"(and 2 more; run `closecast data check {path}`)")

        with pytest.raises(BarsError, match=doctor):
            read_bars(path)

    def test_a_date_twice(self, tmp_path):
        """Both rows are named."""
        path = write(tmp_path, HEADER, *ROWS, ROWS[0])

        with pytest.raises(BarsError, match=r"another in row 2 .*row 4, symbol aapl"):
            read_bars(path)

    def test_a_row_of_another_length(self, tmp_path):
        """A row with a cell too many is not shifted."""
        with pytest.raises(BarsError, match=r"6 cells as in the header, got 7 .*row 3"):
            read_bars(write(tmp_path, HEADER, ROWS[0], ROWS[1] + ",1"))

    def test_a_symbol_left_out(self, tmp_path):
        """A row without its symbol belongs to nobody."""
        with pytest.raises(BarsError, match=r"Expected a symbol, got an empty cell"):
            read_bars(
                write(tmp_path, f"ticker,{HEADER}", f"A,{ROWS[0]}", f",{ROWS[1]}")
            )

    @pytest.mark.parametrize(
        ("name", "content", "match"),
        [
            ("a.csv", b"", "got an empty file"),
            ("a.csv", b"\n\n", "got blank lines"),
            ("a.csv", HEADER.encode(), "got no rows"),
            ("a.csv", b"\x00\x01\xff\xfe" * 9, "got other bytes"),
            ("a.csv", b"\x89PNG\r\n\x1a\n\x00", "got other bytes"),
            ("a.csv", b'date,"open\n1,2', "Check the quotes"),
            ("a.csv.gz", b"\x1f\x8bjunk", "got a damaged one"),
            (
                "a.csv.gz",
                gzip.compress(b"date,open" * 99, mtime=0)[:-9],
                "got a damaged one",
            ),
            ("a.zip", zip_without(1), "got a damaged one"),
            ("a.zip", zip_without(90), "got a damaged one"),
            ("a.parquet", b"PAR1 junk", "Expected a Parquet file"),
            ("a.xlsx", b"PK", "Expected a file ending in .csv"),
        ],
    )
    def test_a_file_that_is_no_table(self, name, content, match, tmp_path):
        """Junk is refused by name."""
        path = tmp_path / name
        path.write_bytes(content)

        with pytest.raises(BarsError, match=rf"{match}.*{re.escape(name)}|{match}"):
            read_bars(path)

    def test_a_file_that_is_not_there(self, tmp_path):
        """The path is in the message."""
        with pytest.raises(BarsError, match=r"'no such file or directory' .*nope\.csv"):
            read_bars(str(tmp_path / "nope.csv"))

    def test_no_dataframe(self):
        """A list is no table."""
        with pytest.raises(BarsError, match="pyarrow dataframe, got list"):
            read_bars([1, 2])

    def test_columns_of_one_name(self):
        """A dataframe with two columns of one name is refused."""
        frame = pd.DataFrame([[1.0, 2.0]], columns=["close", "close"])

        with pytest.raises(BarsError, match="columns of different names"):
            read_bars(frame)

    @pytest.mark.parametrize("value", [None, np.nan, True, "1,0", dt.date(2024, 1, 2)])
    def test_objects_that_are_no_number(self, value):
        """A dataframe of objects is held to the same rules as text."""
        cells = {name: [1.0, 1.0] for name in COLUMNS} | {"close": [1.0, value]}
        frame = pd.DataFrame({"date": ["2024-01-02", "2024-01-03"], **cells})
        frame["close"] = frame["close"].astype(object)

        with pytest.raises(
            BarsError, match=r"got .* in close \(row 1, symbol series, 20"
        ):
            read_bars(frame)


class TestFolder:
    def test_one_symbol_a_file(self, tmp_path):
        """A folder is read whole; what is no table is named in a note."""
        write(tmp_path, HEADER, *ROWS, name="B.csv")
        write(tmp_path, HEADER, *reversed(ROWS), name="A.csv")
        write(tmp_path, "hello", name="README.md")
        pq.write_table(pa.table(pd.read_csv(tmp_path / "B.csv")), tmp_path / "C.pq")
        reading = read_bars(tmp_path)

        assert reading.bars.symbols == ("A", "B", "C")
        assert [Path(note.split(": ")[0]).name for note in reading.notes] == [
            "README.md",
            "A.csv",
        ]
        assert read_bars(tmp_path, symbol="B").bars.symbols == ("B",)

    def test_a_bar_in_two_files(self, tmp_path):
        """The same session of a symbol in two files is a duplicate."""
        write(tmp_path, f"symbol,{HEADER}", f"A,{ROWS[0]}", name="1.csv")
        write(tmp_path, f"symbol,{HEADER}", f"A,{ROWS[0]}", name="2.csv")

        words = r"another in row 2 of .*1\.csv with the same values \(.*2\.csv"
        with pytest.raises(BarsError, match=words):
            read_bars(tmp_path)

    def test_a_folder_without_tables(self, tmp_path):
        """An empty folder is refused."""
        with pytest.raises(BarsError, match=r"Expected a folder with \.csv"):
            read_bars(tmp_path)


class TestReadPrices:
    def test_what_goes_in_comes_out(self, tmp_path):
        """A dataframe comes back as its own kind, a file as pandas or as asked."""
        path = write(tmp_path, HEADER, *ROWS)

        assert isinstance(read_prices(path), pd.DataFrame)
        assert isinstance(read_prices(path, as_="polars"), pl.DataFrame)
        for frame in (
            pd.read_csv(path),
            pl.read_csv(path),
            pa.table(pd.read_csv(path)),
        ):
            assert type(read_prices(frame)) is type(frame)
        assert isinstance(read_prices(pl.scan_csv(path)), pl.DataFrame)
        assert list(read_prices(path).columns) == ["symbol", "date", *COLUMNS]

    def test_notes_are_warnings(self, tmp_path):
        """What was done to the data is said aloud."""
        path = write(tmp_path, HEADER, *reversed(ROWS))

        with pytest.warns(ClosecastWarning, match=r"aapl\.csv: rows were not in order"):
            read_prices(path)
        with pytest.warns(ClosecastWarning, match="^Rows were not in order"):
            bars_of(pd.read_csv(path))

    def test_an_unknown_kind(self, tmp_path):
        """Only three kinds of dataframe are made."""
        with pytest.raises(SettingError, match="pandas, polars, pyarrow, got 'dask'"):
            read_prices(write(tmp_path, HEADER, *ROWS), as_="dask")

    def test_bars_are_taken_as_they_are(self, tmp_path):
        """Bars pass through, a path is read."""
        bars = bars_of(write(tmp_path, HEADER, *ROWS))

        assert bars_of(bars) is bars


@pytest.mark.parametrize(
    "row",
    [
        '"2024-01-03","11","13","10","12.0\n","200"',
        '"2024-01-0\n","11","13","10","12.05","200"',
        '"2024-01-03\n","11","13","10","12.05","200"',
        '"2024-01-03","11","13","10","12.05","20\r"',
        '"2024-01-03","1,001.0\n","1,013.00","1,000.00","1,012.05","200"',
    ],
)
def test_a_value_that_breaks_off_in_its_line_is_refused(tmp_path, row):
    """A digit that became the end of a line leaves another number, in no silence."""
    path = tmp_path / "a.csv"
    path.write_text(f"{HEADER}\n{ROWS[0]}\n{row}\n", newline="")

    with pytest.raises(BarsError, match="row"):
        read_bars(path)
