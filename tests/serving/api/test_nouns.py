"""Symbols, prices, the scoreboard and the doctor."""

import numpy as np
import pytest

from closecast.errors import StoreError
from closecast.market.bars import Bars


def test_symbols_that_begin_with_the_letters_come_first(served, client, monkeypatch):
    """A search finds letters anywhere in a name."""
    content = served.service.prices.content()
    some = next(iter(content.symbols.values()))
    names = ("BRK.A", "AAPL", "IBM", "KA")
    monkeypatch.setattr(
        served.service.prices,
        "content",
        lambda: type(content)(version="v", symbols=dict.fromkeys(names, some)),
    )

    assert client.get("/v1/symbols?query=a").json()["total"] == 3
    first = client.get("/v1/symbols?query=k&limit=1").json()
    assert len(first["symbols"]) == 1
    assert first["total"] == 2


def test_a_symbol_tells_its_bars(client, bars: Bars):
    """How many there are, and from when to when."""
    one = client.get("/v1/symbols?query=IBM").json()["symbols"][0]

    assert one["symbol"] == "IBM"
    assert one["bars"] == bars.offsets[2] - bars.offsets[1]
    assert one["last"] == str(bars.dates[-1])


def test_prices_are_the_newest_bars_oldest_first(client, bars: Bars):
    """A page of them, and whether there are more."""
    page = client.get("/v1/prices/AAPL?limit=5").json()

    end = int(bars.offsets[1])
    assert page["dates"] == [str(date) for date in bars.dates[end - 5 : end]]
    np.testing.assert_allclose(page["close"], bars.close[end - 5 : end])
    assert page["more"] is True


def test_the_page_before_goes_on_where_the_last_one_began(client, bars: Bars):
    """Paging back loses no bar and repeats none."""
    pages, before = [], None
    while True:
        asked = {"limit": 100} | ({"before": before} if before else {})
        page = client.get("/v1/prices/AAPL", params=asked).json()
        pages = page["dates"] + pages
        if not page["more"]:
            break
        before = page["dates"][0]

    assert pages == [str(date) for date in bars.dates[: bars.offsets[1]]]


@pytest.mark.parametrize("asked", ["limit=0", "limit=5001", "before=soon", "limit=x"])
def test_a_page_that_is_none_is_refused(client, asked: str):
    """Bounds are told, with the field that breaks them."""
    answer = client.get(f"/v1/prices/AAPL?{asked}")

    assert answer.status_code == 422
    assert asked.split("=", maxsplit=1)[0] in answer.json()["detail"]


def test_the_scoreboard_is_that_of_the_version_that_serves(client):
    """As it was written by evaluate, with the version beside it."""
    board = client.get("/v1/scoreboard").json()

    assert board["version"] == 1
    assert board["verdict"] == "No evidence of skill in the mean."
    assert board["rows"][0]["crps"] == 0.55


def test_a_model_that_was_not_judged_has_no_scoreboard(
    served, client, shelf, model_folder
):
    """That is said, with what to do."""
    shelf.add(model_folder, reason="bare")
    shelf.promote(2, reason="to see")
    served.service.desk._looked -= 2

    answer = client.get("/v1/scoreboard")

    assert answer.status_code == 404
    assert "a model that was judged" in answer.json()["detail"]


def test_the_doctor_tells_how_old_the_prices_are(client, bars: Bars):
    """Prices of years ago are stale, and counted up to a year."""
    told = client.get("/v1/doctor").json()

    assert {one["symbol"] for one in told["freshness"]} == set(bars.symbols)
    assert all(one["stale"] for one in told["freshness"])
    assert told["freshness"][0]["behind"] == 260
    assert told["data"] == bars.fingerprint


def test_the_doctor_tells_the_worst_first(client, monkeypatch):
    """Findings come with symbol, date and remedy, as many as asked for."""
    from closecast.market.findings import Finding
    from closecast.serving import examination

    found = [
        Finding(
            file="",
            symbol="IBM",
            what="w",
            remedy="r",
            severity="warning",
            date="2012-01-03",
            kind=kind,
        )
        for kind in ("unsorted", "split")
    ]
    monkeypatch.setattr(examination, "check_bars", lambda *_, **__: found)

    told = client.get("/v1/doctor?limit=1").json()

    assert [one["kind"] for one in told["findings"]] == ["split"]
    assert told["counts"] == {"unsorted": 1, "split": 1}


def test_a_store_that_is_away_is_said_and_comes_back(served, client, monkeypatch):
    """503 with Retry-After while it is gone; the next question is answered."""
    prices = served.service.prices
    whole = prices.content

    def gone():
        raise StoreError("no store")

    monkeypatch.setattr(prices, "content", gone)
    answer = client.get("/v1/symbols")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert client.get("/v1/health").json()["status"] == "degraded"

    monkeypatch.setattr(prices, "content", whole)
    assert client.get("/v1/symbols").status_code == 200
    assert client.get("/v1/health").json()["status"] == "ok"


def test_an_address_that_is_none_is_told_as_a_problem(client):
    """Wrong addresses and wrong methods are answered as everything else is."""
    for answer, status in (
        (client.get("/v1/nothing"), 404),
        (client.put("/v1/symbols"), 405),
        (client.get("/assets/../../pyproject.toml"), 404),
        (client.get("/assets/..%2f..%2fpyproject.toml"), 404),
    ):
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"].startswith("Expected")
