"""Yahoo: yfinance as it is, against answers in Yahoo's own JSON."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from closecast.errors import VendorError
from closecast.market.vendors import yahoo

HOST = "query2.finance.yahoo.com"
NEW_YORK, SEOUL, TOKYO = "America/New_York", "Asia/Seoul", "Asia/Tokyo"
DAYS = ("2024-01-02", "2024-01-03", "2024-01-04")
PAST = {"start": dt.date(2024, 1, 1), "end": dt.date(2024, 1, 31)}


def opening(day, zone, hour=9, minute=0):
    """Say when a session opens, in seconds of Unix time."""
    moment = dt.datetime.combine(dt.date.fromisoformat(str(day)), dt.time(hour, minute))
    return int(moment.replace(tzinfo=ZoneInfo(zone)).timestamp())


def chart(symbol, zone=NEW_YORK, days=DAYS, closes=None, regular_end=None, **result):
    """Write a chart as Yahoo does."""
    closes = closes or [100.0 + i for i in range(len(days))]
    meta = {
        "currency": "USD",
        "symbol": symbol,
        "instrumentType": "EQUITY",
        "exchangeTimezoneName": zone,
        "timezone": "X",
        "gmtoffset": 0,
        "regularMarketTime": opening(days[-1], zone),
        "firstTradeDate": opening("2000-01-03", zone),
        "priceHint": 2,
        "dataGranularity": "1d",
        "validRanges": ["1d", "5d", "1mo", "max"],
    }
    end = regular_end or opening("2024-03-01", zone, 16)
    period = {"timezone": "X", "gmtoffset": 0, "start": end - 6 * 3600, "end": end}
    meta["currentTradingPeriod"] = {"pre": period, "regular": period, "post": period}
    up, down = ([c and c + by for c in closes] for by in (1, -1))
    quote = {"open": closes, "high": up, "low": down, "close": closes}
    quote["volume"] = [c and 1000 for c in closes]
    indicators = {
        "quote": [quote],
        "adjclose": [{"adjclose": [c and c / 2 for c in closes]}],
    }
    stamps = [opening(day, zone) for day in days]
    body = {"meta": meta, "timestamp": stamps, "indicators": indicators, **result}
    return {"chart": {"result": [body], "error": None}}


@pytest.fixture
def vendor(network, opened, reply):
    network.on("fc.yahoo.com", "/", reply("", status=404))
    for host in ("query1", "query2"):
        network.on(f"{host}.finance.yahoo.com", "/v1/test/getcrumb", reply("crumb"))
    return opened("yahoo")


@pytest.fixture
def on(network, reply):
    """Let Yahoo answer for a symbol; a new symbol each time, since yfinance caches."""

    def set_up(symbol, **options):
        network.on(HOST, f"/v8/finance/chart/{symbol}", reply(chart(symbol, **options)))

    return set_up


class TestHistory:
    def test_bars_are_raw_and_the_rest_lies_beside_them(self, vendor, on):
        """Dividends leave prices alone; adjusted closes and events are kept."""
        day = str(opening(DAYS[1], NEW_YORK))
        events = {
            "dividends": {day: {"amount": 0.5, "date": int(day)}},
            "splits": {
                day: {
                    "date": int(day),
                    "numerator": 4,
                    "denominator": 1,
                    "splitRatio": "4:1",
                }
            },
        }
        on("AAPL", events=events)
        history = vendor.fetch("AAPL", **PAST)

        assert history.bars.close.tolist() == [100, 101, 102]
        assert history.extras["adj_close"].tolist() == [50, 50.5, 51]
        assert history.extras["dividend"].tolist() == [0, 0.5, 0]
        assert history.extras["split"].tolist() == [1, 4, 1]
        assert history.notes == ()

    @pytest.mark.parametrize(
        ("symbol", "zone"), [("X1", NEW_YORK), ("X2.KS", SEOUL), ("X3.T", TOKYO)]
    )
    def test_no_time_zone_shifts_a_day(self, vendor, on, symbol, zone):
        """The session is the exchange's own date, east and west of UTC."""
        on(symbol, zone=zone)
        history = vendor.fetch(symbol, **PAST)

        assert history.bars.dates.astype(str).tolist() == list(DAYS)

    @pytest.mark.parametrize("zone", [NEW_YORK, SEOUL])
    def test_the_day_on_which_clocks_change_stays(self, vendor, on, zone):
        """Sessions around a change of the clock keep their dates."""
        days = ("2024-03-08", "2024-03-11", "2024-11-01", "2024-11-04")
        symbol = "D" + zone[:2].upper()
        on(symbol, zone=zone, days=days)
        history = vendor.fetch(symbol, dt.date(2024, 3, 1), dt.date(2024, 11, 30))

        assert history.bars.dates.astype(str).tolist() == list(days)

    def test_both_ends_are_asked_for(self, vendor, on, network):
        """The last session is included, though yfinance's end is not."""
        on("ENDS")
        vendor.fetch("ENDS", dt.date(2024, 1, 2), dt.date(2024, 1, 4))
        query = network.asked("/v8/finance/chart/ENDS")[-1].query

        assert int(query["period1"]) == opening("2024-01-02", NEW_YORK, 0)
        assert int(query["period2"]) == opening("2024-01-05", NEW_YORK, 0)

    def test_the_running_bar_is_left_out(self, vendor, on, now_s):
        """While the session runs its bar is no close, which is said."""
        today = dt.datetime.now(ZoneInfo(NEW_YORK)).date()
        midnight = opening(today + dt.timedelta(days=1), NEW_YORK, 0)
        end = min(int(now_s) + 3600, midnight)
        on("RUN", days=(*DAYS, str(today)), regular_end=end)
        history = vendor.fetch("RUN")

        assert history.bars.dates.astype(str).tolist() == list(DAYS)
        assert "can change until" in history.notes[0]

    def test_the_closed_bar_stays(self, vendor, on, now_s):
        """Half an hour after its session the last bar counts."""
        end = int(now_s) - 7200
        day = dt.datetime.fromtimestamp(end - 1, ZoneInfo(NEW_YORK)).date()
        on("OVER", days=(*DAYS, str(day)), regular_end=end)

        assert str(vendor.fetch("OVER").bars.dates[-1]) == str(day)

    def test_a_bar_of_nulls_is_left_out(self, vendor, on):
        """Yahoo writes null where it knows nothing yet."""
        on("NULLS", closes=[100.0, 101.0, None])
        history = vendor.fetch("NULLS", **PAST)

        assert len(history.bars) == 2
        assert "1 sessions without prices are left out (2024-01-04)" in history.notes[0]

    def test_a_bar_that_breaks_a_rule_is_left_out(self, vendor, on):
        """A negative price is named and not repaired."""
        on("SICK", closes=[100.0, -5.0, 102.0])
        history = vendor.fetch("SICK", **PAST)

        assert len(history.bars) == 2
        assert "1 bars that break a rule" in history.notes[0]
        assert "expected a positive price, got -5 in open" in history.notes[0]


class TestFaults:
    def test_too_many_requests_wait(self, vendor, network, reply):
        """Yahoo's 429 is waited for as long as it says."""
        busy = reply("Too Many Requests", status=429, headers={"Retry-After": "9"})
        path = "/v8/finance/chart/BUSY"
        network.on(HOST, path, [busy, busy, reply(chart("BUSY"))])
        history = vendor.fetch("BUSY", **PAST)

        assert len(history.bars) == 3
        assert vendor.turnstile.clock.slept == [9.0]

    def test_a_failing_server_is_an_error(self, vendor, network, reply):
        """Yahoo's 500 is asked again three times and then said."""
        network.on(HOST, "/v8/finance/chart/FAIL", reply("oops", status=500))

        with pytest.raises(VendorError, match=r"Expected bars, got .*symbol FAIL"):
            vendor.fetch("FAIL", **PAST)
        assert len(vendor.turnstile.clock.slept) == 3

    def test_broken_json_is_an_error(self, vendor, network, reply, on):
        """An answer that ends in the middle gives no data."""
        on("CUT")
        whole = network.routes[HOST, "/v8/finance/chart/CUT"]
        import json

        half = json.dumps(whole.body)[:-200]
        network.on(HOST, "/v8/finance/chart/CUT", [whole, reply(half)])

        with pytest.raises(VendorError, match="Try again later"):
            vendor.fetch("CUT", **PAST)

    def test_an_unknown_symbol_is_asked_for_once(self, vendor, network, reply):
        """Yahoo's own words for a symbol that it does not know are passed on."""
        error = {"code": "Not Found", "description": "No data found, symbol delisted"}
        body = {"chart": {"result": None, "error": error}}
        network.on(HOST, "/v8/finance/chart/NOPE", reply(body, status=404))

        with pytest.raises(VendorError, match=r"symbol NOPE\). Check how"):
            vendor.fetch("NOPE", **PAST)
        assert vendor.turnstile.clock.slept == []

    def test_no_bar_is_an_error(self, vendor, network, reply):
        """A chart without timestamps is no empty history."""
        body = chart("VOID")
        result = body["chart"]["result"][0]
        del result["timestamp"]
        result["indicators"] = {"quote": [{}], "adjclose": [{}]}
        network.on(HOST, "/v8/finance/chart/VOID", reply(body))

        with pytest.raises(VendorError, match="symbol VOID"):
            vendor.fetch("VOID", **PAST)

    def test_a_hang_ends_with_its_process(self, vendor, network, reply, monkeypatch):
        """What no timeout of a library ends, the end of its process does."""
        from dataclasses import replace

        hasty = replace(vendor.turnstile.manners, question_s=0.5, retries=0)
        monkeypatch.setattr(vendor.turnstile, "manners", hasty)
        network.on(HOST, "/v8/finance/chart/HANG", reply("", wait_s=20))

        with pytest.raises(VendorError, match=r"no answer within 0.5 s"):
            vendor.fetch("HANG", **PAST)

    def test_there_is_no_list_of_symbols(self, vendor):
        """Yahoo has no universe, which is said without asking it."""
        with pytest.raises(VendorError, match="has no list of symbols"):
            vendor.universe()


@pytest.mark.parametrize(
    ("symbol", "calendar"),
    [
        ("AAPL", "XNYS"),
        ("005930.KS", "XKRX"),
        ("BTC-USD", "24/7"),
        ("^GSPC", "auto"),
        ("X.UNKNOWN", "auto"),
    ],
)
def test_the_suffix_names_the_exchange(symbol, calendar):
    """Yahoo's suffixes lead to calendars; where they do not, the data decide."""
    assert yahoo.calendar(symbol) == calendar
