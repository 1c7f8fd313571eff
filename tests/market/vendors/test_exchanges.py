"""Coin exchanges: ccxt as it is, against Binance's and Upbit's own JSON."""

import datetime as dt

import pytest

from closecast.errors import VendorError
from closecast.market.vendors import exchanges

HOST, KLINES = "api.binance.com", "/api/v3/klines"
DAY = exchanges.DAY_MS
FIRST = 1_503_014_400_000  # 2017-08-18, midnight UTC
START = dt.date(2017, 8, 18)


def day_of(moment):
    """Name the UTC day of a moment in milliseconds."""
    return str(dt.datetime.fromtimestamp(moment / 1000, dt.UTC).date())


def candle(moment, price=100.0):
    """Write a candle as Binance does."""
    prices = [f"{price + by:.8f}" for by in (0, 1, -1, 0)]
    return [moment, *prices, "12.5", moment + DAY - 1, "1.0", 9, "1.0", "1.0", "0"]


MARKET = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "baseAssetPrecision": 8,
    "quotePrecision": 8,
    "quoteAssetPrecision": 8,
    "orderTypes": ["LIMIT"],
    "isSpotTradingAllowed": True,
    "isMarginTradingAllowed": False,
    "permissions": ["SPOT"],
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01", "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", "minQty": "0.00001", "stepSize": "0.00001"},
    ],
}


class Binance:
    """Gives at most a thousand candles from startTime on, the running one too."""

    def __init__(self, reply, days):
        self.reply = reply
        self.candles = [candle(FIRST + i * DAY, 100 + i) for i in range(days)]

    def klines(self, request):
        """Give a page."""
        start, limit = (int(request.query[name]) for name in ("startTime", "limit"))
        page = [c for c in self.candles if c[0] >= start][: min(limit, 1000)]
        return self.reply(page)


def _next(pages, request):
    page = pages.pop(0) if len(pages) > 1 else pages[0]
    return page(request) if callable(page) else page


@pytest.fixture
def binance(network, reply):
    now = int(dt.datetime.now(dt.UTC).timestamp() * 1000)
    binance = Binance(reply, (now - FIRST) // DAY + 1)
    network.on(HOST, "/api/v3/exchangeInfo", reply({"symbols": [MARKET]}))
    network.on(HOST, KLINES, binance.klines)
    return binance


@pytest.fixture
def vendor(binance, opened):  # noqa: ARG001
    return opened("ccxt:binance")


class TestHistory:
    def test_pages_join_without_a_seam(self, vendor, binance, network):
        """Thousands of days come in pages, none lost and none twice."""
        history = vendor.fetch("BTC/USDT")
        days = history.bars.dates
        whole = len(binance.candles) - 1

        assert len(days) == whole > 3000
        assert str(days[0]) == "2017-08-18"
        assert {int(step) for step in (days[1:] - days[:-1]).astype(int)} == {1}
        assert history.bars.close[[0, -1]].tolist() == [100, 99 + whole]
        assert len(network.asked(KLINES)) >= whole // 1000

    def test_the_running_candle_is_left_out(self, vendor, binance):
        """Binance sends the day of now; it has no close yet."""
        today = day_of(binance.candles[-1][0])

        history = vendor.fetch("BTC/USDT")

        assert str(history.bars.dates[-1]) < today
        assert f"the bar of {today} can change until" in history.notes[0]

    def test_both_ends_are_included(self, vendor, binance):  # noqa: ARG002
        """Days from start to end, no more."""
        history = vendor.fetch("BTC/USDT", START, dt.date(2017, 8, 20))

        assert history.bars.dates.astype(str).tolist() == [
            "2017-08-18",
            "2017-08-19",
            "2017-08-20",
        ]

    def test_other_hours_are_refused(self, vendor, binance):
        """A day that does not begin at midnight UTC is no day of ours."""
        binance.candles = [candle(FIRST + DAY + 9 * 3_600_000)]

        with pytest.raises(VendorError, match="open at 09:00:00 UTC"):
            vendor.fetch("BTC/USDT", START, dt.date(2017, 8, 31))


class TestFaults:
    def test_a_busy_exchange_is_waited_for(self, vendor, binance, network, reply):
        """Binance's 429 says how long to wait."""
        busy = reply(
            {"code": -1003, "msg": "Too many"}, 429, headers={"Retry-After": "11"}
        )
        network.on(HOST, KLINES, [busy, reply(binance.candles[:3])])

        assert len(vendor.fetch("BTC/USDT", START, dt.date(2017, 8, 20)).bars) == 3
        assert vendor.turnstile.clock.slept == [11.0]

    @pytest.mark.parametrize("body", ["oops", "[[1503014400000, "])
    def test_what_is_no_answer_is_an_error(self, vendor, network, reply, body):
        """Broken JSON and errors of the server are asked for four times."""
        network.on(HOST, KLINES, reply(body, 500 if body == "oops" else 200))

        with pytest.raises(VendorError, match=r"ccxt:binance, symbol BTC/USDT"):
            vendor.fetch("BTC/USDT", START, dt.date(2017, 8, 20))
        assert len(network.asked(KLINES)) == 4

    def test_a_later_page_that_breaks_off_leaves_no_gap(
        self, vendor, binance, network, reply
    ):
        """ccxt takes broken JSON for an empty page; here it is asked for again."""
        pages = [reply(binance.candles[:1000]), reply("[[1589414400"), binance.klines]
        network.on(HOST, KLINES, lambda request: _next(pages, request))
        days = vendor.fetch("BTC/USDT", START, dt.date(2021, 8, 31)).bars.dates

        assert {int(step) for step in (days[1:] - days[:-1]).astype(int)} == {1}

    def test_no_candle_is_an_error(self, vendor, binance):
        """An empty list is no history."""
        binance.candles = []

        with pytest.raises(VendorError, match="no candle between"):
            vendor.fetch("BTC/USDT", START, dt.date(2017, 8, 20))

    def test_an_unknown_symbol_is_named(self, vendor):
        """A pair that the exchange does not have is asked for once."""
        with pytest.raises(VendorError, match=r"does not have market symbol NO/PE"):
            vendor.fetch("NO/PE")

    def test_an_unknown_exchange_is_named(self, network, opened):  # noqa: ARG002
        """ccxt knows many exchanges, not this one."""
        with pytest.raises(VendorError, match="no exchange 'nowhere'"):
            opened("ccxt:nowhere").fetch("BTC/USDT")


class TestUniverse:
    def test_todays_markets_warn_of_survivors(self, vendor):
        """Coins that are gone are not listed, which is said."""
        universe = vendor.universe()

        assert universe.symbols == ("BTC/USDT",)
        assert "survivorship" in universe.notes[0]

    def test_the_past_has_no_list(self, vendor):
        """A list as of another day is refused."""
        with pytest.raises(VendorError, match="today's symbols alone"):
            vendor.universe(dt.date(2020, 1, 1))


def test_empty_pages_before_the_first_candle_are_passed(network, opened, reply):
    """Upbit answers with nothing before a coin was listed; the search goes on."""
    markets = [{"market": "KRW-BTC", "korean_name": "비트코인", "english_name": "B"}]
    network.on("api.upbit.com", "/v1/market/all", reply(markets))
    listed = dt.date(2018, 6, 1)

    def candles(request):
        until = dt.datetime.fromisoformat(request.query["to"]).date()
        count = int(request.query["count"])
        days = [until - dt.timedelta(days=1 + i) for i in range(count)]
        return reply(
            [
                {
                    "market": "KRW-BTC",
                    "candle_date_time_utc": f"{day}T00:00:00",
                    "candle_date_time_kst": f"{day}T09:00:00",
                    "opening_price": 100.0,
                    "high_price": 101.0,
                    "low_price": 99.0,
                    "trade_price": 100.0,
                    "timestamp": 1,
                    "candle_acc_trade_price": 1.0,
                    "candle_acc_trade_volume": 5.0,
                }
                for day in days
                if listed <= day <= dt.date(2018, 9, 30)
            ]
        )

    network.on("api.upbit.com", "/v1/candles/days", candles)
    history = opened("ccxt:upbit").fetch(
        "BTC/KRW", dt.date(2017, 1, 1), dt.date(2018, 8, 31)
    )

    assert str(history.bars.dates[0]) == "2018-06-01"
    assert len(history.bars) == 92


def test_coins_trade_around_the_clock():
    """Every pair has the calendar of all days."""
    assert exchanges.calendar("BTC/USDT") == "24/7"
