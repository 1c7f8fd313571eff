"""What vendors call their columns, in lower case with underscores.

A name means one thing wherever it stands. What means something only beside others, as
single letters do, is the business of a format.
"""

_BARS = ("date", "open", "high", "low", "close", "volume")
_LANGUAGES = """
date          open        high        low          close        volume
날짜          시가        고가        저가         종가         거래량
일자          오픈        -           -            현재가       -
일시          -           -           -            -            -
日付          始値        高値        安値         終値         出来高
日付け        -           -           -            -            -
日期          开盘        最高        最低         收盘         成交量
交易日期      开盘价      最高价      最低价       收盘价       交易量
-             開市        高          低           收市         -
datum         eröffnung   hoch        tief         schluss      volumen
-             eröffn      -           -            schlusskurs  stuecke
-             erster      -           -            zuletzt      -
-             ouv         plus_haut   plus_bas     dernier      vol
-             ouverture   haut        bas          clot         -
fecha         apertura    máximo      mínimo       último       -
-             abertura    máxima      mínima       -            -
data          -           massimo     minimo       ultimo       -
-             otwarcie    najwyzszy   najnizszy    zamkniecie   wolumen
-             -           max         min          ostatnio     wol
-             -           hoog        laag         laatst       -
-             öppning     högst       lägst        senaste      -
дата          откр        макс        мин          цена         объём
tarih         açılış      yüksek      düşük        şimdi        hac
tanggal       pembukaan   tertinggi   terendah     terakhir     -
ngày          mở          cao         thấp         lần_cuối     kl
"""  # noqa: RUF001  a Turkish letter
"""A line for each language and portal; a line for its second words below it."""

_TERMS = {
    "date": (
        *("ds", "time", "timestamp", "datetime", "date/time", "unix", "open_time"),
        *("starttime", "gmt_time", "local_time", "ts_event", "window_start"),
        *("snapped_at", "trade_date", "trading_date", "tradedate", "exchange_date"),
        *("dtyyyymmdd", "dlycaldt", "stck_bsop_date"),
    ),
    "open": (
        *("open_price", "openprice", "opening_price", "px_open", "openprc", "dlyopen"),
        "stck_oprc",
    ),
    "high": ("high_price", "highprice", "px_high", "askhi", "dlyhigh", "stck_hgpr"),
    "low": ("low_price", "lowprice", "px_low", "bidlo", "dlylow", "stck_lwpr"),
    "close": (
        *("y", "price", "last", "close/last", "close_price", "closeprice"),
        *("closing_price", "px_last", "prc", "dlyclose", "stck_clpr"),
    ),
    "volume": ("no.of_shares", "number_of_shares", "px_volume", "dlyvol", "acml_vol"),
}
"""Names of programs and interfaces."""

_COPIED_CLOSE = "close_close_price_adjusted_for_splits"
_COPIED_ADJUSTED = (
    "adj_close_adjusted_close_price_adjusted_for_splits_and_dividend_and/or_capital_"
    "gain_distributions"
)
"""What a table copied from Yahoo's page calls its closes: name and explanation."""


def _columns_of(table: str) -> dict[str, tuple[str, ...]]:
    lines = [line.split() for line in table.strip().splitlines()]
    return {
        role: tuple(name for name in names if name != "-")
        for role, names in zip(_BARS, zip(*lines, strict=True), strict=True)
    }


_WORDS = _columns_of(_LANGUAGES)

NAMES: dict[str, tuple[str, ...]] = {
    **{role: (*_WORDS[role], *_TERMS[role]) for role in _BARS},
    "close": (*_WORDS["close"], *_TERMS["close"], _COPIED_CLOSE),
    "symbol": (
        *("symbol", "ticker", "unique_id", "code", "ts_code", "종목코드", "티커"),
        *("股票代码", "secid", "name"),
    ),
    "adj_close": (
        *("adj_close", "adj._close", "adjclose", "adjusted_close", "수정종가"),
        *("adjusted_closing_price", _COPIED_ADJUSTED),
    ),
}
"""Names of each column that is known."""

WEAK = {
    "date": {
        *("time", "timestamp", "unix", "open_time", "starttime", "gmt_time"),
        *("local_time", "ts_event", "snapped_at"),
    },
    "volume": {"volumen"},
    "close": {"last", "현재가"},
}
"""Names that stand back behind another of their column: Ariva's turnover in euros is
called Volumen beside the pieces that were traded, Euronext's last price is no close."""
