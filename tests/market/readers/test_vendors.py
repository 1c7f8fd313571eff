"""Files of more vendors and programs read as the bars they mean, or are refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from closecast.errors import BarsError
from closecast.market.readers import fast, read_bars
from closecast.market.readers.source import read_file

DAYS = ["2024-01-30", "2024-01-31"]
VALUES = np.array(
    [[1000.5, 1010, 990.25, 1005, 1_234_500], [1005, 1020, 1000, 1010.75, 800]]
)


PLAIN = """\
date,open,high,low,close,volume
2024-01-30,1000.5,1010,990.25,1005,1234500
2024-01-31,1005,1020,1000,1010.75,800
"""

VENDORS = {
    "alphav": """\
timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient
2024-01-31,1005,1020,1000,1010.75,1010.75,800,0.0,1.0
2024-01-30,1000.5,1010,990.25,1005,1005,1234500,0.0,1.0
""",
    "alphav_adj_keys": """\
date,1. open,2. high,3. low,4. close,5. adjusted close,6. volume,7. dividend amount,8. split coefficient
2024-01-30,1000.5,1010,990.25,1005,1005,1234500,0,1
2024-01-31,1005,1020,1000,1010.75,1010.75,800,0,1
""",  # noqa: E501
    "tiingo": """\
date,close,high,low,open,volume,adjClose,adjHigh,adjLow,adjOpen,adjVolume,divCash,splitFactor
2024-01-30T00:00:00.000Z,1005,1010,990.25,1000.5,1234500,1005,1010,990.25,1000.5,1234500,0.0,1.0
2024-01-31T00:00:00.000Z,1010.75,1020,1000,1005,800,1,1,1,1,1,0.0,1.0
""",
    "polygon": """\
v,vw,o,c,h,l,t,n
1234500,1001.2,1000.5,1005,1010,990.25,1706590800000,99
800,1001.2,1005,1010.75,1020,1000,1706677200000,99
""",
    "polygon_flat": """\
ticker,volume,open,close,high,low,window_start,transactions
AAPL,1234500,1000.5,1005,1010,990.25,1706590800000000000,99
AAPL,800,1005,1010.75,1020,1000,1706677200000000000,99
""",
    "wiki": """\
Date,Open,High,Low,Close,Volume,Ex-Dividend,Split Ratio,Adj. Open,Adj. High,Adj. Low,Adj. Close,Adj. Volume
2024-01-30,1000.5,1010,990.25,1005,1234500,0.0,1.0,1,1,1,1,1
2024-01-31,1005,1020,1000,1010.75,800,0.0,1.0,1,1,1,1,1
""",  # noqa: E501
    "eodhd": """\
Date,Open,High,Low,Close,Adjusted_close,Volume
2024-01-30,1000.5,1010,990.25,1005,1005,1234500
2024-01-31,1005,1020,1000,1010.75,1010.75,800
""",
    "marketwatch_dollar": """\
Date,Open,High,Low,Close,Volume
"01/31/2024","$1,005.00","$1,020.00","$1,000.00","$1,010.75","800"
"01/30/2024","$1,000.50","$1,010.00","$990.25","$1,005.00","1,234,500"
""",
    "upbit": """\
market,candle_date_time_utc,candle_date_time_kst,opening_price,high_price,low_price,trade_price,timestamp,candle_acc_trade_price,candle_acc_trade_volume,prev_closing_price,change_price,change_rate
KRW-BTC,2024-01-31T00:00:00,2024-01-31T09:00:00,1005,1020,1000,1010.75,1706745599999,1,800,1005,5,0.1
KRW-BTC,2024-01-30T00:00:00,2024-01-30T09:00:00,1000.5,1010,990.25,1005,1706659199999,1,1234500,1005,5,0.1
""",
    "pyupbit": """\
,open,high,low,close,volume,value
2024-01-30 09:00:00,1000.5,1010,990.25,1005,1234500,1
2024-01-31 09:00:00,1005,1020,1000,1010.75,800,1
""",
    "bithumb_kr": """\
일시,시가,고가,저가,종가,거래량,거래대금
2024-01-30 00:00:00,1000.5,1010,990.25,1005,1234500,3
2024-01-31 00:00:00,1005,1020,1000,1010.75,800,3
""",
    "coinbase": """\
time,low,high,open,close,volume
1706659200,1000,1020,1005,1010.75,800
1706572800,990.25,1010,1000.5,1005,1234500
""",
    "bitstamp": """\
high,timestamp,volume,low,close,open
1010,1706572800,1234500,990.25,1005,1000.5
1020,1706659200,800,1000,1010.75,1005
""",
    "bitstamp_kaggle": """\
Timestamp,Open,High,Low,Close,Volume
1706572800.0,1000.5,1010,990.25,1005,1234500
1706659200.0,1005,1020,1000,1010.75,800
""",
    "tradingview": """\
time,open,high,low,close,Volume
1706625000,1000.5,1010,990.25,1005,1234500
1706711400,1005,1020,1000,1010.75,800
""",
    "tradingview_iso": """\
time,open,high,low,close,Volume,Volume MA
2024-01-30T00:00:00+09:00,1000.5,1010,990.25,1005,1234500,NaN
2024-01-31T00:00:00+09:00,1005,1020,1000,1010.75,800,NaN
""",
    "bloomberg": """\
Date,PX_OPEN,PX_HIGH,PX_LOW,PX_LAST,PX_VOLUME
2024-01-30,1000.5,1010,990.25,1005,1234500
2024-01-31,1005,1020,1000,1010.75,800
""",
    "excel_sep": "sep=;\r\n" + PLAIN.replace(",", ";").replace("\n", "\r\n"),
    "thin": PLAIN.replace("1000.5", "1\u2009000.5").replace(
        "1234500", "1\u2009234\u2009500"
    ),
    "narrow": PLAIN.replace("1000.5", "1\u202f000.5").replace(
        "1234500", "1\u202f234\u202f500"
    ),
    "euro_after": PLAIN.replace("1000.5", "1000.5 €").replace(",1005,", ",1005 €,"),
    "won": PLAIN.replace("1000.5", "₩1000.5").replace(",1005,", ",₩1005,"),
    "won_word": PLAIN.replace("1000.5", "1000.5원").replace(",1005,", ",1005원,"),
    "pipe": PLAIN.replace(",", "|"),
    "stooq_pl": """\
Data,Otwarcie,Najwyzszy,Najnizszy,Zamkniecie,Wolumen
2024-01-30,1000.5,1010,990.25,1005,1234500
2024-01-31,1005,1020,1000,1010.75,800
""",
    "krx_marcap": """\
Code,Name,Close,Dept,ChangeCode,Changes,ChagesRatio,Volume,Amount,Open,High,Low,Marcap,Stocks,Market,MarketId,Rank,Date
005930,삼성전자,1005,,1,1,1,1234500,9,1000.5,1010,990.25,1,1,KOSPI,STK,1,2024-01-30
005930,삼성전자,1010.75,,1,1,1,800,9,1005,1020,1000,1,1,KOSPI,STK,1,2024-01-31
""",
    "coinmarketcap": """\
timeOpen;timeClose;timeHigh;timeLow;name;open;high;low;close;volume;marketCap;timestamp
"2024-01-31T00:00:00.000Z";"2024-01-31T23:59:59.999Z";"2024-01-31T16:51:00.000Z";"2024-01-31T04:00:00.000Z";"2781";1005;1020;1000;1010.75;800;83;"2024-01-31T23:59:59.999Z"
"2024-01-30T00:00:00.000Z";"2024-01-30T23:59:59.999Z";"2024-01-30T16:51:00.000Z";"2024-01-30T04:00:00.000Z";"2781";1000.5;1010;990.25;1005;1234500;83;"2024-01-30T23:59:59.999Z"
""",
    "simfin": """\
Ticker;SimFinId;Date;Open;High;Low;Close;Adj. Close;Volume;Dividend;Shares Outstanding
AAPL;111;2024-01-30;1000.5;1010;990.25;1005;1005;1234500;;9
AAPL;111;2024-01-31;1005;1020;1000;1010.75;1010.75;800;;9
""",
    "kaggle_sp": """\
date,open,high,low,close,volume,Name
2024-01-30,1000.5,1010,990.25,1005,1234500,AAL
2024-01-31,1005,1020,1000,1010.75,800,AAL
""",
    "bse": """\
Date,Open Price,High Price,Low Price,Close Price,WAP,No.of Shares,No. of Trades
31-January-2024,1005,1020,1000,1010.75,1,800,9
30-January-2024,1000.5,1010,990.25,1005,1,1234500,9
""",
    "tushare": """\
ts_code,trade_date,open,high,low,close,pre_close,change,pct_chg,vol,amount
000001.SZ,20240131,1005,1020,1000,1010.75,1,1,1,800,9
000001.SZ,20240130,1000.5,1010,990.25,1005,1,1,1,1234500,9
""",
    "akshare": """\
日期,开盘,收盘,最高,最低,成交量,成交额
2024-01-30,1000.5,1005,1010,990.25,1234500,9
2024-01-31,1005,1010.75,1020,1000,800,9
""",
    "japan": """\
日付,始値,高値,安値,終値,出来高
2024/01/30,1000.5,1010,990.25,1005,1234500
2024/01/31,1005,1020,1000,1010.75,800
""",
    "investing_fr": """\
\ufeff"Date","Dernier","Ouv.","Plus Haut","Plus Bas","Vol.","Variation %"
"31/01/2024","1.010,75","1.005,00","1.020,00","1.000,00","0,80K","0,57%"
"30/01/2024","1.005,00","1.000,50","1.010,00","990,25","1,2345M","-0,10%"
""",
    "investing_es": """\
\ufeff"Fecha","Último","Apertura","Máximo","Mínimo","Vol.","% var."
"31.01.2024","1.010,75","1.005,00","1.020,00","1.000,00","0,80K","0,57%"
"30.01.2024","1.005,00","1.000,50","1.010,00","990,25","1,2345M","-0,10%"
""",
    "ariva": """\
Datum;Erster;Hoch;Tief;Schlusskurs;Stuecke;Volumen
2024-01-31;1.005,00;1.020,00;1.000,00;1.010,75;800;1
2024-01-30;1.000,50;1.010,00;990,25;1.005,00;1.234.500;1
""",
    "trailing_comma_rows": PLAIN.replace("0\n", "0,\n"),
    "quoted": '"' + PLAIN.strip().replace(",", '","').replace("\n", '"\n"') + '"',
    "cr_only": PLAIN.replace("\n", "\r"),
}
"""A file each, by vendor."""


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "x.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("name", VENDORS)
def test_a_vendor_is_read(name, tmp_path):
    """The same two bars come out of every vendor's spelling of them."""
    bars = read_bars(write(tmp_path, VENDORS[name])).bars

    assert [str(day) for day in bars.dates] == DAYS
    np.testing.assert_array_equal(bars.values, VALUES)


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("upbit", "KRW-BTC"),
        ("krx_marcap", "005930"),
        ("tushare", "000001.SZ"),
        ("polygon_flat", "AAPL"),
        ("bse", "x"),
    ],
)
def test_a_symbol_is_known(name, symbol, tmp_path):
    """Codes stay text, markets are symbols, and the file's name is the last resort."""
    assert read_bars(write(tmp_path, VENDORS[name])).bars.symbols == (symbol,)


def test_a_name_that_tells_rows_apart_is_the_symbol(tmp_path):
    """A column of names counts where nothing else says whose a bar is."""
    header, first, second = VENDORS["kaggle_sp"].splitlines()
    text = "\n".join([header, first, second, first.replace("AAL", "MSFT")])

    assert read_bars(write(tmp_path, text)).bars.symbols == ("AAL", "MSFT")


class TestCodePages:
    def test_western_europe(self, tmp_path):
        """A German file in its old code page is read once its header is known."""
        text = "Datum;Eröffnung;Hoch;Tief;Schluss;Volumen\n30.01.2024;1,5;2;1;1,5;9\n"

        assert read_bars(write(tmp_path, text.encode("latin-1"))).bars.close[0] == 1.5

    def test_japan(self, tmp_path):
        """Shift-JIS also fits the Korean page: the header's words decide."""
        path = write(tmp_path, VENDORS["japan"].encode("shift_jis"))

        np.testing.assert_array_equal(read_bars(path).bars.values, VALUES)

    @pytest.mark.parametrize("page", ["utf-16-le", "utf-16-be"])
    def test_wide_characters_without_a_mark(self, page, tmp_path):
        """UTF-16 is known by its header where no mark stands before it."""
        path = write(tmp_path, PLAIN.encode(page))

        np.testing.assert_array_equal(read_bars(path).bars.values, VALUES)

    def test_bytes_of_no_page(self, tmp_path):
        """What names no columns in any page is no text."""
        with pytest.raises(BarsError, match="got other bytes"):
            read_bars(write(tmp_path, b"a;b\n\xff\xe4;1\n"))


class TestRefused:
    @pytest.mark.parametrize(
        ("old", "new", "match"),
        [
            ("990.25", "(990.25)", r"a number, got '\(990.25\)' in low"),
            ("990.25", "-990.25", "a positive price, got -990.25 in low"),
            ("1000.5", "€1000.5,", "6 cells as in the header, got 7"),
            ("1234500", "₩1234500", "a number, got '₩1234500' in volume"),
            ("1005", "1.005.000.250", "a number, got '1.005.000.250' in close"),
        ],
    )
    def test_what_has_no_one_meaning(self, old, new, match, tmp_path):
        """Negative prices, shifted rows and currencies of volumes are no bars."""
        with pytest.raises(BarsError, match=match):
            read_bars(write(tmp_path, PLAIN.replace(old, new, 1)))

    def test_two_currencies_in_a_file(self, tmp_path):
        """Euros and won in one column are not one price."""
        text = PLAIN.replace("1000.5", "€1000.5").replace("1010.75", "₩1010.75")

        with pytest.raises(BarsError, match=r"a number, got '€1000\.5'"):
            read_bars(write(tmp_path, text))

    @pytest.mark.parametrize("day", ["31-Jan-24", "01/31/24", "24.01.31"])
    def test_years_of_two_digits_among_others(self, day, tmp_path):
        """A column leaves the century out everywhere or nowhere."""
        text = PLAIN.replace("2024-01-31", day)

        with pytest.raises(BarsError, match="a date as YYYY-MM-DD"):
            read_bars(write(tmp_path, text))

    def test_a_bare_file_of_kraken(self, tmp_path):
        """Which of two columns is the open is not guessed."""
        text = "1706572800,1000.5,1010,990.25,1005,1234500,99\n"

        with pytest.raises(BarsError, match=r"a header.*columns="):
            read_bars(write(tmp_path, text))


def yfinance_frame(*tickers, levels=("Price", "Ticker")):
    prices = ["Close", "High", "Low", "Open", "Volume"]
    pairs = [(price, ticker) for ticker in tickers for price in prices]
    if levels[0] == "Ticker":
        pairs = [pair[::-1] for pair in pairs]
    return pd.DataFrame(
        np.tile(VALUES[:, [3, 1, 2, 0, 4]], len(tickers)),
        index=pd.DatetimeIndex(DAYS, name="Date"),
        columns=pd.MultiIndex.from_tuples(pairs, names=levels),
    )


class TestFramesOfYfinance:
    @pytest.mark.parametrize("levels", [("Price", "Ticker"), ("Ticker", "Price")])
    def test_two_levels_are_one_bar_a_row(self, levels):
        """Whichever level holds the ticker, each becomes a symbol."""
        bars = read_bars(yfinance_frame("MSFT", "AAPL", levels=levels)).bars

        assert bars.symbols == ("AAPL", "MSFT")
        np.testing.assert_array_equal(bars.values, np.vstack([VALUES, VALUES]))

    def test_days_of_another_exchange_are_left_out(self):
        """A ticker that did not trade has no bar that day, and a note says so."""
        frame = yfinance_frame("AAPL", "005930.KS")
        frame.iloc[0, frame.columns.get_level_values(1) == "005930.KS"] = np.nan
        reading = read_bars(frame)

        assert len(reading.bars) == 3
        assert "1 row without any price is left out" in reading.notes[0]

    def test_levels_without_a_close_are_refused(self):
        """Two levels of something else stay what they are."""
        frame = yfinance_frame("AAPL").rename(columns={"Close": "Fin"})

        with pytest.raises(BarsError, match="Add or rename"):
            read_bars(frame)


def same(one, other):
    assert (one.names, one.format.name) == (other.names, other.format.name)
    np.testing.assert_array_equal(one.rows, other.rows)
    for ours, theirs in zip(one.columns, other.columns, strict=True):
        numbers = isinstance(ours, np.ndarray)
        careful = list(map(float, theirs)) if numbers else theirs
        np.testing.assert_array_equal(ours, careful)


class TestShortWay:
    @pytest.mark.parametrize("name", VENDORS)
    def test_gives_the_bars_of_the_long_way(self, name, tmp_path, monkeypatch):
        """However short a file, Arrow's reading of it is the careful one or none."""
        text = VENDORS[name]
        path = write(tmp_path, text + text.splitlines(keepends=True)[-1] * 80)
        careful = read_file(path)
        monkeypatch.setattr(fast, "FROM", 0)

        same(read_file(path), careful)

    def test_is_taken_and_exact(self, tmp_path, monkeypatch):
        """A long plain file goes the short way, to the last bit of every price."""
        rng = np.random.default_rng(1)
        rows = [
            f"A,2024-01-30,{a!r},{b!r},{a:.3e},{b:.17g},{a:.4f},{int(b * 99)}"
            for a, b in rng.lognormal(3, 4, (300, 2)).tolist()
        ]
        header = "symbol,date,open,high,low,close,note,volume"
        path = write(tmp_path, "\r\n".join([header, *rows]))
        careful = read_file(path)
        monkeypatch.setattr(fast, "FROM", 0)
        taken = read_file(path)

        assert isinstance(taken.columns[2], np.ndarray)
        assert isinstance(careful.columns[2], list)
        same(taken, careful)

    @pytest.mark.parametrize(
        "change",
        [
            ("\n2024-02-09", "\n\n2024-02-09"),
            (",5\n2024-02-09", ",5,5\n2024-02-09"),
            ("2024-02-09,1.5", "2024-02-09,nan"),
            ("2024-02-09,1.5", '2024-02-09,"1.5"'),
            ("2024-02-09,1.5", "2024-02-09,"),
            ("2024-02-09,1.5", "2024-02-09,1e999"),
            ("\n2024-02-09", "\r2024-02-09"),
        ],
    )
    def test_gives_up_where_a_closer_look_is_due(self, change, tmp_path, monkeypatch):
        """What is wrong is named by the long way, at the same line."""
        days = pd.bdate_range("2024-01-30", periods=90).strftime("%Y-%m-%d")
        rows = "".join(f"{day},1.5,2,1,1.5,5\n" for day in days)
        path = write(tmp_path, PLAIN.splitlines()[0] + "\n" + rows.replace(*change))
        careful = read_file(path)
        monkeypatch.setattr(fast, "FROM", 0)
        again = read_file(path)

        assert isinstance(again.columns[1], list)
        assert again.ragged == careful.ragged
        same(again, careful)
