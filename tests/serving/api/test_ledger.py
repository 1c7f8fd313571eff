"""Published forecasts by HTTP: as they were recorded, with the record beside them."""

import asyncio
import datetime as dt
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from closecast.market.bars import Bars
from closecast.models.baselines import Zero
from closecast.serving.api import published
from closecast.serving.api.published import Published
from closecast.serving.ledger import Ledger, Publication

DAYS = 6
"""Cutoffs that are recorded, the last one the newest session."""


def evening(day: np.datetime64) -> dt.datetime:
    """Give a time after New York's close, before the next session."""
    return dt.datetime.combine(day.item(), dt.time(22), dt.UTC)


def record(ledger: Ledger, forecaster, model_hash: str, bars: Bars) -> None:
    """Record day by day what the model and a baseline forecast, and score it."""
    dates = np.unique(bars.dates)
    for day in dates[-DAYS:]:
        past = bars.select(bars.dates <= day)
        rows = past.offsets[1:] - 1
        forecasts = {
            "closecast": forecaster.voice.forecast(past, rows),
            "zero": Zero(horizon=5).forecast(past, rows),
        }
        hashes = {"closecast": model_hash, "zero": "0" * 64}
        ledger.record(
            Publication.of(forecasts, past, model_hashes=hashes), evening(day)
        )
    ledger.score(bars, evening(dates[-1]))


@pytest.fixture(scope="module")
def written(forecaster, run_folder: Path, bars: Bars, tmp_path_factory) -> Path:
    """Write a ledger once for all tests, which only read it."""
    import json

    model = json.loads((run_folder / "model" / "model.json").read_text())
    path = tmp_path_factory.mktemp("ledger") / "ledger.sqlite"
    with Ledger.open(path) as ledger:
        record(ledger, forecaster, model["sha256"], bars)
    return path


@pytest.fixture
def book(served, written: Path):
    """Serve the ledger."""
    opened = Ledger.open(written, create=False)
    served.service.published = Published(opened, clock=served.time)
    return opened


def test_the_newest_forecast_is_the_one_that_was_published(book, client, bars: Bars):
    """It comes from the ledger, digit by digit, with its time and its maker."""
    answer = client.get("/v1/forecasts/AAPL").json()

    entry = book.latest("AAPL").entry
    assert answer["origin"] == "ledger"
    assert answer["cutoff"] == str(bars.dates[bars.offsets[1] - 1])
    assert answer["made_at"] == entry.as_of.isoformat().replace("+00:00", "Z")
    assert answer["late"] is False
    assert answer["model"] == {"version": 1, "hash": entry.model_hash}
    assert answer["verdict"]["text"] == "No evidence of skill in the mean."
    high = entry.last_close * np.exp(float(entry.quantiles[0, 35]))
    assert answer["steps"][0]["intervals"]["80"][1] == pytest.approx(high, rel=1e-6)
    assert (
        answer["steps"][4]["path"]["80"][1] > answer["steps"][4]["intervals"]["80"][1]
    )


def test_the_record_counts_what_came_true(book, client):
    """Forecasts, closes scored, coverage and skill, as the ledger has them."""
    record = client.get("/v1/forecasts/IBM").json()["record"]

    table = book.table("IBM")
    own, zero = (
        table.take(np.flatnonzero(table.model == n)) for n in ("closecast", "zero")
    )
    assert record["forecasts"] == DAYS
    assert record["scored"] == len(own.crps) == 5 + 4 + 3 + 2 + 1
    assert record["coverage"]["80"] == pytest.approx(own.held[:, 1].mean())
    assert record["crps"] == pytest.approx((own.crps / own.scale).mean())
    skill = 1 - (own.crps / own.scale).sum() / (zero.crps / zero.scale).sum()
    assert record["skill"] == {"zero": pytest.approx(skill)}


def test_the_monitors_advise_once_they_were_asked(served, book, client):
    """Too few dates say nothing, and that is said."""
    client.get("/v1/forecasts/IBM")
    published = served.service.published
    published._ask_monitors(published._known)  # as the thread does, but now

    record = client.get("/v1/forecasts/IBM").json()["record"]

    assert record["advice"] == "go on"
    assert "too few to say anything" in record["why"][0]
    told = client.get("/v1/ledger").json()
    assert {one["state"] for one in told["monitors"]} == {"fine"}
    assert told["entries"] == book.head.number
    assert [one["symbol"] for one in told["symbols"]] == ["AAPL", "IBM"]


def test_history_lays_the_fans_beside_what_came(book, client, bars: Bars):
    """The oldest first, each step with its close once it is known."""
    told = client.get("/v1/history/AAPL").json()

    end = int(bars.offsets[1])
    closes = dict(zip(map(str, bars.dates[:end]), bars.close[:end], strict=True))
    assert len(told["forecasts"]) == DAYS
    cutoffs = [one["cutoff"] for one in told["forecasts"]]
    assert cutoffs == sorted(cutoffs)
    for one in told["forecasts"]:
        for step in one["steps"]:
            came = closes.get(step["date"])
            assert step["close"] == (came and pytest.approx(came, rel=1e-6))
    assert book.latest("AAPL").scores == ()


@pytest.mark.usefixtures("book")
def test_history_is_read_in_pages(client):
    """The newest ones before a date, as many as asked for."""
    whole = client.get("/v1/history/AAPL").json()["forecasts"]

    page = client.get(
        "/v1/history/AAPL", params={"limit": 2, "before": whole[-1]["cutoff"]}
    ).json()["forecasts"]

    assert page == whole[-3:-1]


def test_who_asks_for_a_computed_one_gets_it(book, client):
    """With the record beside it; of a recorded cutoff both say the same."""
    stored = client.get("/v1/forecasts/AAPL?origin=ledger").json()
    made = client.get("/v1/forecasts/AAPL?origin=computed").json()

    assert (stored["origin"], made["origin"]) == ("ledger", "computed")
    for name in ("forecasts", "scored", "coverage", "skill"):
        assert made["record"][name] == stored["record"][name]
    assert book.head.number == DAYS * 4
    for one, other in zip(stored["steps"], made["steps"], strict=True):
        assert one["median"] == pytest.approx(other["median"], rel=1e-6)


def test_a_cutoff_of_the_past_is_as_it_was_published(book, client, bars: Bars):
    """A recorded cutoff comes from the ledger; an older one is computed, or absent."""
    newest = np.unique(bars.dates)
    recorded, older = str(newest[-3]), str(newest[-30])

    def ask(**asked: str):
        return client.get("/v1/forecasts/AAPL", params=asked)

    assert ask(cutoff=recorded).json()["origin"] == "ledger"
    assert ask(cutoff=older).json()["origin"] == "computed"
    absent = ask(cutoff=older, origin="ledger")
    assert absent.status_code == 404
    assert absent.json()["type"] == "urn:closecast:problem:not-recorded"
    assert book.symbols(symbol="NONE") == ()


def test_another_models_forecast_has_no_verdict_of_this_one(
    served, client, forecaster, bars: Bars, tmp_path: Path
):
    """What an older version published is not dressed in the newer one's verdict."""
    ledger = Ledger.open(tmp_path / "other.sqlite")
    record(ledger, forecaster, "a" * 64, bars)
    served.service.published = Published(ledger, clock=served.time)

    answer = client.get("/v1/forecasts/AAPL").json()

    assert answer["model"] == {"version": None, "hash": "a" * 64}
    assert answer["verdict"] is None


def test_a_new_recording_is_seen_at_the_next_look(
    served, client, forecaster, bars: Bars, tmp_path: Path
):
    """The answer that lay ready is dropped when the chain has grown."""
    ledger = Ledger.open(tmp_path / "growing.sqlite")
    served.service.published = Published(ledger, clock=served.time)
    assert client.get("/v1/forecasts/AAPL").json()["origin"] == "computed"

    record(ledger, forecaster, "a" * 64, bars)
    served.time.seconds += 6

    assert client.get("/v1/forecasts/AAPL").json()["origin"] == "ledger"


@pytest.fixture
def on_postgres(served, forecaster, bars: Bars, database: str, tmp_path: Path):
    """Serve a ledger on a PostgreSQL server that has all sessions but the newest."""
    known = bars.select(bars.dates < bars.dates.max())
    with Ledger.open(database, receipts=tmp_path / "receipts") as ledger:
        record(ledger, forecaster, "a" * 64, known)
        opened = Ledger.open(database, create=False)
        served.service.published = Published(opened, clock=served.time)
        asyncio.run(served.service.published.standing())
        served.service.published._ask_monitors(served.service.published._known)
        yield ledger


ASKED, IBM = (f"/v1/forecasts/{name}?origin=ledger" for name in ("AAPL", "IBM"))


def test_a_server_of_postgresql_that_is_gone_for_a_minute_comes_back(
    served, on_postgres, postgres, client
):
    """What lies ready is sent with its age, all else is 503; then all is as before."""
    before = client.get(ASKED)
    assert client.get("/v1/history/IBM").status_code == 200
    entries = on_postgres.head.number
    told = client.get("/v1/prices/AAPL?limit=30").json()
    names = ("open", "high", "low", "close", "volume")
    posted = [
        {"date": date, **{name: told[name][at] for name in names}}
        for at, date in enumerate(told["dates"])
    ]

    postgres.stop()
    served.time.seconds += 60
    ready = client.get(ASKED)
    refused = [client.get(a) for a in ("/v1/history/IBM", "/v1/ledger", IBM)]
    computed = client.post("/v1/forecasts", json={"bars": posted})
    health = client.get("/v1/health").json()
    postgres.start()
    soon = client.get("/v1/history/IBM")  # within a second of the last look
    served.time.seconds += 2
    after = client.get(ASKED)

    assert (ready.content, ready.headers["age"]) == (before.content, "60")
    for answer in refused:
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert "Nothing is lost" in answer.json()["detail"]
    assert (health["status"], health["ledger"]) == ("degraded", "unavailable")
    assert computed.status_code == 200
    assert soon.status_code == 503
    assert (after.content, after.headers.get("age")) == (before.content, None)
    assert client.get("/v1/health").json()["ledger"] == "ok"
    assert client.get(IBM).status_code == 200
    assert on_postgres.head.number == entries
    assert on_postgres.verify() == ()


@pytest.mark.usefixtures("on_postgres")
def test_what_lies_ready_is_not_sent_for_ever(served, postgres, client):
    """After ten minutes without the database nobody knows what holds."""
    assert client.get(ASKED).status_code == 200

    postgres.stop()
    served.time.seconds += 599
    late = client.get(ASKED)
    served.time.seconds += 2
    too_late = client.get(ASKED)
    postgres.start()

    assert (late.status_code, late.headers["age"]) == (200, "599")
    assert too_late.status_code == 503


def test_a_database_that_hangs_is_waited_for_once(served, book, client, monkeypatch):
    """Who asks after the first one is told at once."""
    head, hanging = book.head, threading.Event()
    monkeypatch.setattr(published, "PATIENCE_S", 0.3)
    assert client.get("/v1/ledger").status_code == 200

    monkeypatch.setattr(
        type(book), "head", property(lambda _: hanging.wait(30) and head)
    )
    served.time.seconds += 60
    first = client.get("/v1/ledger")
    served.time.seconds += 1
    begun = time.perf_counter()
    others = [client.get("/v1/ledger") for _ in range(20)]
    took_s = time.perf_counter() - begun
    hanging.set()

    assert {one.status_code for one in (first, *others)} == {503}
    assert took_s < 20 * 0.3


def test_a_server_without_a_ledger_says_so(client):
    """There is no history, and the way to one is told."""
    for address in ("/v1/history/AAPL", "/v1/ledger"):
        answer = client.get(address)
        assert answer.status_code == 404
        assert "Start it with --ledger" in answer.json()["detail"]
    assert client.get("/v1/health").json()["ledger"] == "none"
