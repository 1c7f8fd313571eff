"""Naver: FinanceDataReader as it is, against answers in Naver's own XML."""

import datetime as dt
import email.utils

import numpy as np
import pytest

from closecast.errors import VendorError
from closecast.market.vendors import naver

HOST, PATH = "fchart.stock.naver.com", "/sise.nhn"
ROWS = [
    "20240102|78200|79800|78200|79600|17142847",
    "20240103|78500|78800|77000|77000|21753644",
    "20240104|76100|77300|76100|76600|15324439",
]


def xml(rows):
    """Write rows as Naver does."""
    items = "\n".join(f'\t\t<item data="{row}" />' for row in rows)
    return (
        '<?xml version="1.0" encoding="EUC-KR" ?>\n<protocol>\n\t<chartdata '
        'symbol="005930" name="x" count="6000" timeframe="day" precision="0" '
        f'origintime="19900103">\n{items}\n\t</chartdata>\n</protocol>\n'
    )


@pytest.fixture
def vendor(network, opened):  # noqa: ARG001  the network comes first
    return opened("naver")


class TestHistory:
    def test_bars_are_as_naver_sent_them(self, network, vendor, reply):
        """Dates, prices and volumes come through; the days around them do not."""
        network.on(HOST, PATH, reply(xml(ROWS)))
        history = vendor.fetch("005930", dt.date(2024, 1, 3), dt.date(2024, 1, 4))

        assert history.bars.dates.astype(str).tolist() == ["2024-01-03", "2024-01-04"]
        assert history.bars.values[0].tolist() == [78500, 78800, 77000, 77000, 21753644]
        assert history.adjusted == "splits"
        assert network.asked(PATH)[0].query["symbol"] == "005930"

    def test_a_halted_session_is_left_out_and_said(self, network, vendor, reply):
        """Zeros for open, high and low with no volume are no bar."""
        network.on(HOST, PATH, reply(xml([*ROWS, "20240105|0|0|0|76600|0"])))
        history = vendor.fetch("005930")

        assert len(history.bars) == 3
        assert "1 sessions without prices are left out (2024-01-05)" in history.notes[0]

    def test_todays_bar_is_left_out_until_the_evening(self, network, vendor, reply):
        """A bar of today in Seoul, or of tomorrow, is not final yet."""
        tomorrow = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1)
        row = f"{tomorrow:%Y%m%d}|76100|77300|76100|76600|15324439"
        network.on(HOST, PATH, reply(xml([*ROWS, row])))
        # FinanceDataReader itself cuts at the end that it is given
        history = vendor.fetch("005930", end=tomorrow)

        assert history.bars.dates[-1] == np.datetime64("2024-01-04")
        assert "can change until" in history.notes[0]

    def test_a_full_answer_may_have_lost_its_oldest_sessions(
        self, network, vendor, reply
    ):
        """Six thousand sessions are as many as Naver gives, which is said."""
        first = dt.date(2000, 1, 1)
        days = [first + dt.timedelta(days=i) for i in range(naver.COUNT)]
        rows = [f"{day:%Y%m%d}|5|6|4|5|10" for day in days]
        network.on(HOST, PATH, reply(xml(rows)))

        assert "gives the newest 6000 sessions" in vendor.fetch("005930").notes[0]


class TestFaults:
    def test_a_busy_server_is_asked_again_after_its_time(self, network, vendor, reply):
        """Retry-After is waited, then the answer is taken."""
        busy = reply("slow down", status=429, headers={"Retry-After": "7"})
        network.on(HOST, PATH, [busy, reply(xml(ROWS))])

        assert len(vendor.fetch("005930").bars) == 3
        assert vendor.turnstile.clock.slept == [7.0]

    def test_the_time_to_wait_may_be_a_date(self, network, vendor, reply):
        """Retry-After as an HTTP date counts from now."""
        date = email.utils.formatdate(dt.datetime.now().timestamp() + 60, usegmt=True)
        busy = reply("", status=429, headers={"Retry-After": date})
        network.on(HOST, PATH, [busy, reply(xml(ROWS))])
        vendor.fetch("005930")

        assert 50 < vendor.turnstile.clock.slept[0] <= 60

    def test_a_failing_server_is_asked_four_times(self, network, vendor, reply):
        """An error page is not read as an empty table."""
        network.on(HOST, PATH, reply("<html>oops</html>", status=500))

        with pytest.raises(VendorError, match="HTTP status 500"):
            vendor.fetch("005930")
        assert len(network.asked(PATH)) == 4
        assert vendor.turnstile.clock.slept == [1.5, 3.0, 6.0]

    def test_an_answer_that_breaks_off_is_no_shorter_history(
        self, network, vendor, reply
    ):
        """Rows that arrived before the break are not taken for all rows."""
        whole = xml(ROWS)
        network.on(HOST, PATH, reply(whole[: whole.index("20240104")]))

        with pytest.raises(VendorError, match="breaks off"):
            vendor.fetch("005930")

    def test_a_cut_connection_is_no_shorter_history(self, network, vendor, reply):
        """Fewer bytes than were promised are an error."""
        network.on(HOST, PATH, [reply(xml(ROWS), cut=300), reply(xml(ROWS))])

        assert len(vendor.fetch("005930").bars) == 3
        assert len(network.asked(PATH)) == 2

    def test_no_row_is_an_error(self, network, vendor, reply):
        """An unknown code gets an empty chart, and is asked for once."""
        network.on(HOST, PATH, reply(xml([])))

        with pytest.raises(VendorError, match=r"no such code.*symbol 999999"):
            vendor.fetch("999999")
        assert len(network.asked(PATH)) == 1

    def test_a_foreign_symbol_is_refused(self, network, vendor):
        """The reader's road to Yahoo is never taken."""
        with pytest.raises(VendorError, match="AAPL is no code of six digits"):
            vendor.fetch("AAPL")
        assert network.requests == []

    def test_a_hang_ends(self, network, vendor, reply, monkeypatch):
        """A server that never answers costs one timeout an attempt."""
        from dataclasses import replace

        hasty = replace(vendor.turnstile.manners, request_s=0.2, retries=1)
        monkeypatch.setattr(vendor.turnstile, "manners", hasty)
        network.on(HOST, PATH, reply("", wait_s=20))

        with pytest.raises(VendorError, match="timed out"):
            vendor.fetch("005930")
        assert len(network.asked(PATH)) == 2


class TestUniverse:
    def test_todays_list_warns_of_survivors(self, network, vendor, reply):
        """The list holds codes as text, zeros first, and says what it lacks."""
        krx = "/comm/bldAttendant/executeForResourceBundle.cmd"
        day = {"result": {"output": [{"max_work_dt": "20240104"}]}}
        network.on("data.krx.co.kr", krx, reply(day))
        rows = ("0,005930,S,,1,STK", "1,000660,H,,1,STK")
        table = "\n".join((",Code,Name,Dept,ChangeCode,MarketId", *rows))
        cache = "/FinanceData/fdr_krx_data_cache/refs/heads/master/data/listing/krx"
        network.on("raw.githubusercontent.com", f"{cache}/2024-01-04.csv", reply(table))
        universe = vendor.universe()

        assert universe.symbols == ("000660", "005930")
        assert not universe.point_in_time
        assert "survivorship" in universe.notes[0]

    def test_the_past_has_no_list(self, network, vendor):
        """A list as of another day is refused, not answered with today's."""
        with pytest.raises(VendorError, match="today's symbols alone"):
            vendor.universe(dt.date(2015, 1, 2))
        assert network.requests == []


def test_the_calendar_is_koreas():
    """Every code trades at the Korea Exchange."""
    assert naver.calendar("005930") == "XKRX"
