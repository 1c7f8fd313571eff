"""The Korea Exchange: pykrx as it is, in a process of its own, login included."""

import datetime as dt

import pytest

from closecast.errors import VendorError
from closecast.market.vendors import krx
from closecast.market.vendors.vendor import open_vendor

HOST = "data.krx.co.kr"
CLIENT = "/contents/MDC/COMS/client"
DATA = "/comm/bldAttendant/getJsonData.cmd"
NAME, WORD = "trader-7", "s3cret-word"
SAMSUNG = {
    "full_code": "KR7005930003",
    "short_code": "005930",
    "codeName": "삼성전자",
    "marketCode": "STK",
    "marketName": "유가증권",
    "marketEngName": "KOSPI",
    "ord1": "",
    "ord2": "16",
}


def row(day, close, volume="10,000"):
    """Write a day as the exchange does: text, commas, the newest day first."""
    return {
        "TRD_DD": day,
        "TDD_CLSPRC": close,
        "FLUC_TP_CD": "2",
        "CMPPREVDD_PRC": "-100",
        "FLUC_RT": "-0.10",
        "TDD_OPNPRC": close,
        "TDD_HGPRC": close,
        "TDD_LWPRC": close,
        "ACC_TRDVOL": volume,
        "ACC_TRDVAL": "9,000,000",
        "MKTCAP": "1",
        "LIST_SHRS": "1",
    }


ROWS = [row("2024/01/04", "2,610,000"), row("2024/01/03", "2,650,000")]
DATES = dt.date(2024, 1, 3), dt.date(2024, 1, 4)


class Exchange:
    """Answers as the exchange does, by the name of the statistic that is asked for."""

    def __init__(self, reply):
        self.reply, self.login = reply, "CD001"
        self.history = reply({"output": ROWS, "CURRENT_DATETIME": "x"})
        self.listing = [{"ISU_SRT_CD": c, "ISU_ABBRV": c} for c in ("005930", "000660")]

    def log_in(self, request):
        """Take a name and a word."""
        right = request.form.get("mbrId") == NAME and request.form.get("pw") == WORD
        code = self.login if right else "CD002"
        headers = {"Set-Cookie": "JSESSIONID=abc; Path=/"}
        return self.reply({"_error_code": code, "_error_message": "x"}, headers=headers)

    def data(self, request):
        """Give a statistic."""
        statistic = request.form["bld"].rpartition("/")[2]
        if statistic.startswith("finder_"):
            listed = [SAMSUNG] if statistic == "finder_stkisu" else [SAMSUNG_OLD]
            return self.reply({"block1": listed})
        if statistic == "MDCSTAT01501":
            return self.reply({"OutBlock_1": self.listing})
        answer = self.history
        return answer.pop(0) if isinstance(answer, list) else answer


SAMSUNG_OLD = SAMSUNG | {"short_code": "000001", "full_code": "KR7000001000"}


@pytest.fixture
def exchange(network, reply, monkeypatch):
    exchange = Exchange(reply)
    network.on(HOST, f"{CLIENT}/MDCCOMS001.cmd", reply("<html></html>"))
    network.on(HOST, f"{CLIENT}/view/login.jsp", reply("<html></html>"))
    network.on(HOST, f"{CLIENT}/MDCCOMS001D1.cmd", exchange.log_in)
    network.on(HOST, DATA, exchange.data)
    monkeypatch.setenv("KRX_ID", NAME)
    monkeypatch.setenv("KRX_PW", WORD)
    return exchange


@pytest.fixture
def vendor(exchange, opened):  # noqa: ARG001  it must stand before the login
    return opened("krx")


class TestHistory:
    def test_bars_are_raw(self, vendor, exchange, network):  # noqa: ARG002
        """Prices are as traded, not adjusted, and the oldest day comes first."""
        history = vendor.fetch("005930", *DATES)
        form = network.asked(DATA)[-1].form

        assert history.bars.dates.astype(str).tolist() == ["2024-01-03", "2024-01-04"]
        assert history.bars.close.tolist() == [2_650_000, 2_610_000]
        assert history.adjusted == "nothing"
        assert (form["adjStkPrc"], form["isuCd"]) == ("1", "KR7005930003")
        assert (form["strtDd"], form["endDd"]) == ("20240103", "20240104")

    def test_a_halt_is_left_out(self, vendor, exchange):
        """Dashes for prices become zeros in pykrx, and are no bar."""
        halt = row("2024/01/05", "2,610,000", "0") | dict.fromkeys(
            ("TDD_OPNPRC", "TDD_HGPRC", "TDD_LWPRC"), "-"
        )
        exchange.history = exchange.reply({"output": [halt, *ROWS]})
        history = vendor.fetch("005930", dt.date(2024, 1, 3), dt.date(2024, 1, 5))

        assert len(history.bars) == 2
        assert "without prices are left out (2024-01-05)" in history.notes[0]


class TestUniverse:
    def test_a_list_is_that_of_its_day(self, vendor, exchange, network):  # noqa: ARG002
        """Those that failed since are on it, so no warning is needed."""
        universe = vendor.universe(dt.date(2015, 1, 2))
        form = network.asked(DATA)[-1].form

        assert universe.symbols == ("000660", "005930")
        assert universe.point_in_time
        assert universe.notes == ()
        assert (form["trdDd"], form["mktId"]) == ("20150102", "ALL")

    def test_a_holiday_has_no_list(self, vendor, exchange):
        """An empty list is an error."""
        exchange.listing = []

        with pytest.raises(VendorError, match="got "):
            vendor.universe(dt.date(2015, 1, 1))


class TestFaults:
    def test_a_blocked_address_is_an_error(self, vendor, exchange):
        """The exchange's 403 is not asked again."""
        exchange.history = exchange.reply("blocked", status=403)

        with pytest.raises(VendorError, match="HTTP status 403"):
            vendor.fetch("005930", *DATES)
        assert vendor.turnstile.clock.slept == []

    def test_a_busy_exchange_is_waited_for(self, vendor, exchange):
        """Retry-After is waited, then the answer is taken."""
        busy = exchange.reply("", status=429, headers={"Retry-After": "30"})
        exchange.history = [busy, exchange.reply({"output": ROWS})]

        assert len(vendor.fetch("005930", *DATES).bars) == 2
        assert vendor.turnstile.clock.slept == [30.0]

    @pytest.mark.parametrize("body", ['{"output": [', '{"output": []}', "LOGOUT"])
    def test_an_answer_that_pykrx_turns_into_an_empty_table_is_an_error(
        self, vendor, exchange, body
    ):
        """pykrx prints and returns nothing where it fails; nothing is no data."""
        exchange.history = exchange.reply(body)

        with pytest.raises(VendorError, match="symbol 005930"):
            vendor.fetch("005930", *DATES)

    def test_a_volume_beyond_32_bits_is_an_error(self, vendor, exchange):
        """pykrx cannot hold it; no wrong number comes out."""
        busiest = row("2024/01/04", "1,000", "3,000,000,000")
        exchange.history = exchange.reply({"output": [busiest]})

        with pytest.raises(VendorError, match="symbol 005930"):
            vendor.fetch("005930", *DATES)

    @pytest.mark.parametrize("symbol", ["AAPL", "123456"])
    def test_an_unknown_code_is_refused(self, vendor, symbol):
        """A code that is not on the lists of the exchange is not asked for."""
        with pytest.raises(VendorError, match=f"{symbol} is n"):
            vendor.fetch(symbol)


class TestLogin:
    def test_without_a_name_nothing_is_imported(self, network, monkeypatch, opened):
        """The two variables are asked for before pykrx tries to log in."""
        monkeypatch.delenv("KRX_ID", raising=False)
        monkeypatch.delenv("KRX_PW", raising=False)
        vendor = open_vendor("krx", python=opened("krx").process.python)

        with vendor, pytest.raises(VendorError, match="KRX_ID and KRX_PW are not both"):
            vendor.fetch("005930")
        assert network.requests == []

    def test_a_refused_login_names_no_secret(self, exchange, opened, capfd):
        """Neither the word nor the name is in the error or on the screen."""
        exchange.login = "CD003"
        vendor = open_vendor("krx", python=opened("krx").process.python)

        with vendor, pytest.raises(VendorError, match="login with KRX_ID") as caught:
            vendor.fetch("005930")
        printed = "".join(capfd.readouterr())
        for secret in (NAME, WORD):
            assert secret not in f"{caught.value}{caught.value.__cause__}{printed}"

    def test_the_command_line_holds_no_secret(self, vendor):
        """Who lists the processes of this machine sees neither name nor word."""
        vendor.fetch("005930", *DATES)
        command = " ".join(map(str, vendor.process._process.args))

        assert WORD not in command
        assert NAME not in command


def test_the_calendar_is_koreas():
    """Every code trades at the exchange itself."""
    assert krx.calendar("005930") == "XKRX"
