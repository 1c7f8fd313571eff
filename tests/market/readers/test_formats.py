"""Each vendor's file reads as the bars it means, whatever it looks like."""

import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from closecast.errors import BarsError
from closecast.market.doctor import check
from closecast.market.panels import read_prices
from closecast.market.readers import Hints, read_bars
from closecast.market.readers.formats import FORMATS, recognise
from closecast.market.readers.source import read_file

DAYS = ("2024-01-30", "2024-01-31")
VALUES = ((1000.5, 1010, 990.25, 1005, 1_234_500), (1005, 1020, 1000, 1010.75, 800))

PLAIN = """\
date,open,high,low,close,volume
2024-01-30,1000.5,1010,990.25,1005,1234500
2024-01-31,1005,1020,1000,1010.75,800
"""
YAHOO = """\
Date,Open,High,Low,Close*,Adj Close**,Volume
2024-01-30,1000.5,1010,990.25,1005,1005,1234500
2024-01-31,1005,1020,1000,1010.75,1010.75,800
"""
HISTORY = """\
Date,Open,High,Low,Close,Volume,Dividends,Stock Splits
2024-01-30 00:00:00+09:00,1000.5,1010,990.25,1005,1234500,0.0,0.0
2024-01-31 00:00:00+09:00,1005,1020,1000,1010.75,800,0.0,0.0
"""
THREE_ROWS = """\
Price,Close,High,Low,Open,Volume
Ticker,AAPL,AAPL,AAPL,AAPL,AAPL
Date,,,,,
2024-01-30,1005,1010,990.25,1000.5,1234500
2024-01-31,1010.75,1020,1000,1005,800
"""
TICKER_FIRST = """\
Ticker,AAPL,AAPL,AAPL,AAPL,AAPL
Price,Open,High,Low,Close,Volume
Date,,,,,
2024-01-30,1000.5,1010,990.25,1005,1234500
2024-01-31,1005,1020,1000,1010.75,800
"""
STOOQ = """\
<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>
AAPL.US,D,20240130,000000,1000.5,1010,990.25,1005,1234500,0
AAPL.US,D,20240131,000000,1005,1020,1000,1010.75,800,0
"""
INVESTING = """\
\ufeff"Date","Price","Open","High","Low","Vol.","Change %"
"Jan 31, 2024","1,010.75","1,005.00","1,020.00","1,000.00","0.80K","0.57%"
"Jan 30, 2024","1,005.00","1,000.50","1,010.00","990.25","1234.5K","-0.10%"
"""
INVESTING_DE = """\
"Datum","Zuletzt","Eröffn.","Hoch","Tief","Vol.","+/- %"
"31.01.2024","1.010,75","1.005,00","1.020,00","1.000,00","0,80K","0,57%"
"30.01.2024","1.005,00","1.000,50","1.010,00","990,25","1,2345M","-0,10%"
"""
INVESTING_KR = """\
"날짜","종가","시가","고가","저가","거래량","변동 %"
"2024- 01- 31","1,010.75","1,005.00","1,020.00","1,000.00","0.80K","0.57%"
"2024- 01- 30","1,005.00","1,000.50","1,010.00","990.25","1.2345M","-0.10%"
"""
NASDAQ = """\
Date,Close/Last,Volume,Open,High,Low
01/31/2024,$1010.75,800,$1005,$1020,$1000
01/30/2024,"$1,005","1,234,500",$1000.5,$1010,$990.25
"""
KRX = """\
"일자","종가","대비","등락률","시가","고가","저가","거래량","거래대금","시가총액"
"2024/01/31","1,010.75","5","0.5","1,005","1,020","1,000","800","1","2"
"2024/01/30","1,005","1","0.1","1,000.5","1,010","990.25","1,234,500","1","2"
"""
PYKRX = """\
날짜,시가,고가,저가,종가,거래량,등락률
2024-01-30,1000.5,1010,990.25,1005,1234500,0.1
2024-01-31,1005,1020,1000,1010.75,800,0.5
"""
KLINES = """\
1706572800000,1000.5,1010,990.25,1005,1234500,1706659199999,9,9,9,9,0
1706659200000,1005,1020,1000,1010.75,800,1706745599999,9,9,9,9,0
"""
KLINES_MICRO = KLINES.replace("000000,", "000000000,").replace("99999,", "99999999,")
KLINES_HEADED = """\
open_time,open,high,low,close,volume,close_time,quote_volume
1706572800000,1000.5,1010,990.25,1005,1234500,1706659199999,9
1706659200000,1005,1020,1000,1010.75,800,1706745599999,9
"""
SECONDS = """\
timestamp,open,high,low,close,volume
1706572800,1000.5,1010,990.25,1005,1234500
1706659200,1005,1020,1000,1010.75,800
"""
CDD = """\
https://www.CryptoDataDownload.com
unix,date,symbol,open,high,low,close,Volume USDT,Volume BTC,tradecount
1706659200000,2024-01-31,BTCUSDT,1005,1020,1000,1010.75,4,800,9
1706572800000,2024-01-30,BTCUSDT,1000.5,1010,990.25,1005,5,1234500,9
"""
METATRADER = """\
<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>
2024.01.30\t00:00:00\t1000.5\t1010\t990.25\t1005\t1234500\t0\t5
2024.01.31\t00:00:00\t1005\t1020\t1000\t1010.75\t800\t0\t5
"""
METATRADER_4 = """\
2024.01.30,00:00,1000.5,1010,990.25,1005,1234500
2024.01.31,00:00,1005,1020,1000,1010.75,800
"""
UPBIT = """\
market,candle_date_time_utc,candle_date_time_kst,opening_price,high_price,low_price,trade_price,timestamp,candle_acc_trade_price,candle_acc_trade_volume,prev_closing_price,change_price,change_rate
KRW-BTC,2024-01-31T00:00:00,2024-01-31T09:00:00,1005,1020,1000,1010.75,1706745599999,1,800,1005,5,0.1
KRW-BTC,2024-01-30T00:00:00,2024-01-30T09:00:00,1000.5,1010,990.25,1005,1706659199999,1,1234500,1005,5,0.1
"""
LETTERS = """\
ts,o,h,l,c,vol,volCcy,volCcyQuote,confirm
1706572800000,1000.5,1010,990.25,1005,1234500,9,9,1
1706659200000,1005,1020,1000,1010.75,800,9,9,1
"""
WSJ = """\
Date, Open, High, Low, Close, Volume
01/31/24, 1005, 1020, 1000, 1010.75, 800
01/30/24, 1000.5, 1010, 990.25, 1005, 1234500
"""
GOOGLE = """\
Date,Open,High,Low,Close,Volume
31-Jan-24,1005,1020,1000,1010.75,800
30-Jan-24,1000.5,1010,990.25,1005,1234500
"""
PREAMBLE = "# Ticker: X, of a list\n# Generated: today\n\n" + PLAIN
TITLED = "Prices of X\nSource: nobody\n" + PLAIN
COMMENTED_HEADER = "# made by hand\n# " + PLAIN
CRLF = PLAIN.replace("\n", "\r\n")
UNNAMED_INDEX = PLAIN.replace("date", "")
INTEGERS = PLAIN.replace("-01-", "01")
SHORT_ISO = PLAIN.replace("-01-", "-1-")
KOREAN_DAY = PLAIN.replace("-01-30", "년 01월 30일").replace("-01-31", "년 1월 31일")
DECIMAL_COMMAS = PLAIN.replace(",", ";").replace(".", ",")
GERMAN = (
    """\
Datum;Eröffnung;Hoch;Tief;Schluss;Volumen
""".replace("Schluss", "Close")
    + (
        "30.01.2024;1.000,50;1.010,00;990,25;1.005,00;1.234.500\n"
        "31.01.2024;1.005,00;1.020,00;1.000,00;1.010,75;800\n"
    )
)
TABS = PLAIN.replace(",", "\t")
SPACED = PLAIN.replace("1000.5", "1 000.5").replace("1234500", "1 234 500")
US_TIMES = PLAIN.replace("2024-01-30", "1/30/2024 16:00:00").replace(
    "2024-01-31", "1/31/2024 16:00:00"
)
NAMED_MONTH = (
    PLAIN.replace("2024-01-", "Jan-2024,")
    .replace("Jan-2024,30", "30-Jan-2024")
    .replace("Jan-2024,31", "31 January 2024")
)

EXAMPLES = Path(__file__).parent / "examples"

FILES = {
    "plain": PLAIN,
    "yahoo": YAHOO,
    "history": HISTORY,
    "three": THREE_ROWS,
    "ticker_first": TICKER_FIRST,
    "stooq": STOOQ,
    "investing": INVESTING,
    "investing_de": INVESTING_DE,
    "investing_kr": INVESTING_KR,
    "nasdaq": NASDAQ,
    "krx": KRX,
    "pykrx": PYKRX,
    "klines": KLINES,
    "micro": KLINES_MICRO,
    "klines_headed": KLINES_HEADED,
    "seconds": SECONDS,
    "cdd": CDD,
    "preamble": PREAMBLE,
    "titled": TITLED,
    "commented": COMMENTED_HEADER,
    "crlf": CRLF,
    "unnamed": UNNAMED_INDEX,
    "integers": INTEGERS,
    "short_iso": SHORT_ISO,
    "korean_day": KOREAN_DAY,
    "commas": DECIMAL_COMMAS,
    "german": GERMAN,
    "tabs": TABS,
    "spaced": SPACED,
    "us_times": US_TIMES,
    "named_month": NAMED_MONTH,
    "metatrader": METATRADER,
    "metatrader_4": METATRADER_4,
    "upbit": UPBIT,
    "letters": LETTERS,
    "wsj": WSJ,
    "google": GOOGLE,
}


def write(folder: Path, content: str | bytes, name: str = "x.csv") -> Path:
    path = folder / name
    raw = content.encode() if isinstance(content, str) else content
    path.write_bytes(raw)
    return path


def zipped(**members: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in members.items():
            archive.writestr(f"{name}.csv", text)
    return buffer.getvalue()


class TestEveryFormat:
    @pytest.mark.parametrize("name", FILES)
    def test_reads_as_the_same_bars(self, name, tmp_path):
        """The same two bars come out of every vendor's spelling of them."""
        bars = read_bars(write(tmp_path, FILES[name])).bars

        assert [str(day) for day in bars.dates] == list(DAYS)
        np.testing.assert_array_equal(bars.values, VALUES)

    @pytest.mark.parametrize("name", ["krx", "pykrx", "korean_day", "investing_kr"])
    def test_in_cp949(self, name, tmp_path):
        """Korean files come in the Korean code page as well."""
        path = write(tmp_path, FILES[name].encode("cp949"))

        np.testing.assert_array_equal(read_bars(path).bars.values, VALUES)

    @pytest.mark.parametrize("name", ["nasdaq", "stooq", "klines"])
    def test_packed(self, name, tmp_path):
        """Gzip, zip and UTF-16 hold the same table."""
        text = FILES[name]
        paths = [
            write(tmp_path, gzip.compress(text.encode()), "x.csv.gz"),
            write(tmp_path, zipped(x=text), "y.zip"),
            write(tmp_path, text.encode("utf-16"), "x.txt"),
        ]
        for path in paths:
            bars = read_bars(path).bars
            np.testing.assert_array_equal(bars.values, VALUES)
            assert bars.symbols in {("x",), ("AAPL.US",)}

    @pytest.mark.parametrize(
        ("name", "vendor"),
        [
            ("plain", "a plain table"),
            ("three", "yfinance"),
            ("ticker_first", "yfinance"),
            ("stooq", "Stooq"),
            ("investing", "investing.com"),
            ("investing_de", "investing.com"),
            ("nasdaq", "nasdaq.com"),
            ("krx", "KRX"),
            ("klines", "Binance"),
            ("cdd", "CryptoDataDownload"),
        ],
    )
    def test_is_recognised(self, name, vendor, tmp_path):
        """The vendor is known by the first lines alone."""
        assert read_file(write(tmp_path, FILES[name])).format.name == vendor

    def test_every_format_is_tried(self, tmp_path):
        """No format stands in the list without a file that it reads."""
        found = {
            read_file(write(tmp_path, text)).format.name for text in FILES.values()
        } | {read_file(path).format.name for path in EXAMPLES.iterdir()}

        assert found == {format_.name for format_ in FORMATS}

    @settings(
        max_examples=150,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(data=st.data())
    def test_damage_is_refused_or_harmless(self, data, tmp_path):
        """Bytes flipped, cut out or doubled end in bars or in one sentence."""
        raw = bytearray(FILES[data.draw(st.sampled_from(sorted(FILES)))].encode())
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(raw) - 1))
            end = data.draw(st.integers(at, min(at + 20, len(raw))))
            raw[at:end] = data.draw(
                st.one_of(st.binary(max_size=3), st.just(bytes(raw[at:end] * 2)))
            )
            raw = raw or bytearray(b"x")
        path = write(tmp_path, bytes(raw))
        try:
            bars = read_bars(path).bars
        except BarsError as error:
            assert str(error).startswith("Expected ")  # noqa: PT017
            assert any(finding.severity == "error" for finding in check(path))
        else:
            assert len(bars) >= 1


class TestYfinance:
    WIDE = (
        "Price,Close,Close,Open,Open,High,High,Low,Low,Volume,Volume\n"
        "Ticker,A,B,A,B,A,B,A,B,A,B\n"
        "Date,,,,,,,,,,\n"
        "2024-01-30,1,2,1,2,1,2,1,2,5,6\n"
        "2024-01-31,3,,3,,3,,3,,7,\n"
    )

    def test_many_tickers_become_many_symbols(self, tmp_path):
        """A day on which one of them did not trade is left out and counted."""
        reading = read_bars(write(tmp_path, self.WIDE))

        assert reading.bars.symbols == ("A", "B")
        np.testing.assert_array_equal(reading.bars.close, [1, 3, 2])
        assert "1 row without any price is left out" in reading.notes[0]

    def test_a_row_too_long_is_named(self, tmp_path):
        """A row of another length is an error with its line."""
        text = THREE_ROWS + "2024-02-01,1,1,1,1,1,1\n"

        with pytest.raises(BarsError, match=r"cells as in the header.*row 6"):
            read_bars(write(tmp_path, text))


class TestRowsWithoutSession:
    def test_null_rows_are_left_out_and_counted(self, tmp_path):
        """Yahoo's null rows are no sessions; the doctor says what training does."""
        path = write(tmp_path, YAHOO + "2024-02-01,null,null,null,null,null,null\n")
        reading = read_bars(path)
        (finding,) = check(path)

        assert len(reading.bars) == 2
        assert "1 row without any price is left out" in reading.notes[0]
        assert (finding.severity, finding.row) == ("warning", 4)
        assert finding.training == "leaves the row out"

    def test_one_null_price_is_an_error(self, tmp_path):
        """A row that has some prices is no holiday."""
        path = write(tmp_path, YAHOO + "2024-02-01,1,1,1,null,null,1\n")

        with pytest.raises(BarsError, match="a number, got 'null' in Close"):
            read_bars(path)

    @pytest.mark.parametrize("close", ["0", "1010.75"])
    def test_rows_of_zeros_are_left_out_and_counted(self, close, tmp_path):
        """Weekends of zeros, and halts that carry the close, are no sessions."""
        path = write(tmp_path, f"{PYKRX}2024-02-01,0,0,0,{close},0,0\n")
        reading = read_bars(path)

        assert len(reading.bars) == 2
        assert "1 row of zeros" in reading.notes[0]

    def test_a_file_of_empty_rows_holds_nothing(self, tmp_path):
        """If every row is left out, there are no bars."""
        path = write(
            tmp_path, "date,open,high,low,close,volume\n2024-01-30,0,0,0,0,0\n"
        )

        with pytest.raises(BarsError, match="at least one bar, got empty rows"):
            read_bars(path)


class TestHeaders:
    def test_a_file_without_is_refused(self, tmp_path):
        """Which column is which is not guessed; the option is named."""
        path = write(tmp_path, PLAIN.split("\n", 1)[1])

        with pytest.raises(BarsError, match=r"a header .*got a bar .*row 1.*columns="):
            read_bars(path)

    def test_the_owner_names_the_columns(self, tmp_path):
        """With its columns named, the same file is read."""
        path = write(tmp_path, PLAIN.split("\n", 1)[1])
        columns = ["date", "open", "high", "low", "close", "volume"]
        frame = read_prices(path, columns=columns)

        np.testing.assert_array_equal(frame[columns[1:]], VALUES)

    def test_bars_above_a_header_are_not_skipped(self):
        """Only titles are passed over on the way to a header."""
        bar = (1, ["2024-01-30", "1", "1", "1", "1", "1"])
        header = (2, ["date", "open", "high", "low", "close", "volume"])

        assert recognise([bar, header]).headless
        assert recognise([(1, ["Prices of X"]), header]).lines == [header]

    def test_a_code_twice_is_one_symbol(self, tmp_path):
        """Ticker and code may both be there if they say the same, zeros included."""
        lines = PLAIN.splitlines()
        text = "\n".join([f"{lines[0]},ticker,code", f"{lines[1]},069500,069500"])

        assert read_bars(write(tmp_path, text)).bars.symbols == ("069500",)
        with pytest.raises(BarsError, match="one symbol column, got ticker and code"):
            read_bars(write(tmp_path, text + "\n" + f"{lines[2]},069500,A069500"))

    def test_a_table_without_volume(self, tmp_path):
        """An index without volume has volume 0, said in a note."""
        text = "Date,Open,High,Low,Close\n2024-01-30,1,1,1,1\n"
        reading = read_bars(write(tmp_path, text))

        assert "no volume" in reading.notes[0]
        assert reading.bars.values[0, 4] == 0

    def test_a_volume_of_unknown_name_is_not_no_volume(self, tmp_path):
        """A column that is called like a volume must be understood."""
        text = "Date,Open,High,Low,Close,Volume XYZ\n2024-01-30,1,1,1,1,1\n"

        with pytest.raises(BarsError, match="rename volume"):
            read_bars(write(tmp_path, text))

    def test_a_blank_volume_of_investing(self, tmp_path):
        """investing.com leaves the volume of an index blank: it is 0, with a note."""
        text = INVESTING.replace("0.80K", "-")
        reading = read_bars(write(tmp_path, text))

        assert reading.bars.values[1, 4] == 0
        assert any("blank" in note for note in reading.notes)


class TestDayAndMonth:
    UNDECIDED = PLAIN.replace("2024-01-30", "01/02/2024").replace(
        "2024-01-31", "02/02/2024"
    )

    def test_an_undecided_column_is_refused_with_both_readings(self, tmp_path):
        """Both days are shown with the option that chooses each."""
        both = (
            r"2024-02-01 with dayfirst=True \(--dayfirst\), "
            r"2024-01-02 with dayfirst=False \(--monthfirst\)"
        )

        with pytest.raises(BarsError, match=f"'01/02/2024' in date.*row 2.*{both}"):
            read_bars(write(tmp_path, self.UNDECIDED))

    @pytest.mark.parametrize(
        ("dayfirst", "days"),
        [(True, ["2024-02-01", "2024-02-02"]), (False, ["2024-01-02", "2024-02-02"])],
    )
    def test_the_owner_decides(self, dayfirst, days, tmp_path):
        """With the option both readings can be had."""
        hints = Hints(dayfirst=dayfirst)
        bars = read_bars(write(tmp_path, self.UNDECIDED), hints=hints).bars

        assert [str(day) for day in bars.dates] == days

    def test_one_row_decides_for_all(self, tmp_path):
        """A day beyond 12 anywhere in the column settles every row."""
        text = self.UNDECIDED + "13/02/2024,1005,1020,1000,1010.75,800\n"
        bars = read_bars(write(tmp_path, text)).bars

        assert [str(day) for day in bars.dates[:2]] == ["2024-02-01", "2024-02-02"]

    def test_a_column_of_both_orders_is_refused(self, tmp_path):
        """If no order fits every row, none is taken."""
        text = self.UNDECIDED + "13/02/2024,1,1,1,1,1\n02/13/2024,1,1,1,1,1\n"

        with pytest.raises(BarsError, match="a date as YYYY-MM-DD, got '01/02/2024'"):
            read_bars(write(tmp_path, text))

    def test_a_time_of_an_unknown_day_is_refused(self, tmp_path):
        """15:00 in UTC is tomorrow in Seoul: which day is meant is not guessed."""
        text = SECONDS.replace("1706572800", "1706540400").replace(
            "1706659200", "1706626800"
        )

        with pytest.raises(BarsError, match="a date as YYYY-MM-DD, got '1706540400'"):
            read_bars(write(tmp_path, text))

    def test_the_open_of_new_york_is_its_day(self, tmp_path):
        """14:30 in UTC is the day it says."""
        text = SECONDS.replace("1706572800", "1706625000")

        assert str(read_bars(write(tmp_path, text)).bars.dates[0]) == "2024-01-30"


class TestDecimals:
    GROUPS = "date,open,high,low,close,volume\n2024-01-30,{0},{0},{0},{0},5\n"

    def test_undecided_commas_show_both_readings(self, tmp_path):
        """1,005 alone is a thousand and five, or one: the owner says which."""
        path = write(tmp_path, self.GROUPS.format('"1,005"'))
        both = (
            r"1005 with decimal='.' \(--decimal .\), "
            r"1\.005 with decimal=',' \(--decimal ,\)"
        )

        with pytest.raises(BarsError, match=rf"'1,005' in open .*{both}"):
            read_bars(path)
        assert read_bars(path, hints=Hints(decimal=".")).bars.close[0] == 1005
        assert read_bars(path, hints=Hints(decimal=",")).bars.close[0] == 1.005

    def test_semicolons_leave_three_decimals_undecided(self, tmp_path):
        """1.005 between semicolons may be German for a thousand and five."""
        path = write(tmp_path, self.GROUPS.format("1.005").replace(",", ";"))

        with pytest.raises(BarsError, match=r"1\.005 with .* 1005 with"):
            read_bars(path)
        assert read_bars(path, hints=Hints(decimal=".")).bars.close[0] == 1.005

    def test_lost_decimals_are_refused(self, tmp_path):
        """A spreadsheet that took 147.4880066 for an integer is not repaired."""
        path = write(tmp_path, self.GROUPS.format("1.474.880.066"))

        with pytest.raises(BarsError, match=r"'1\.474\.880\.066' .*seem lost"):
            read_bars(path)

    def test_lost_points_are_refused(self, tmp_path):
        """Prices of one bar in several sizes, with broken rules, are no prices."""
        rows = [
            f"2024-01-{d},134{d},1474880066,134,1445399933,5" for d in range(10, 20)
        ]
        rows += [f"2024-01-{d},147,1341,1389,1445399933,5" for d in range(20, 25)]
        text = "\n".join(["date,open,high,low,close,volume", *rows])

        with pytest.raises(BarsError, match=r"one unit in a bar.*points seem lost"):
            read_bars(write(tmp_path, text))

    def test_mixed_spellings_are_refused(self, tmp_path):
        """1.5 and 1,5 in one file are not both decimals."""
        path = write(tmp_path, self.GROUPS.format("1.5") + '2024-01-31,1,1,1,"1,5",5')

        with pytest.raises(BarsError, match="a number, got '1,5' in close"):
            read_bars(path)

    def test_a_packed_file_of_many_tables(self, tmp_path):
        """A zip of two tables must be unpacked, a broken one fetched again."""
        with pytest.raises(BarsError, match="one table, got 2"):
            read_bars(write(tmp_path, zipped(a=PLAIN, b=PLAIN), "x.zip"))
        with pytest.raises(BarsError, match="zip file, got a damaged one"):
            read_bars(write(tmp_path, zipped(a=PLAIN)[:-30], "x.zip"))
