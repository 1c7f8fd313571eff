"""Forecasts by HTTP: the numbers of the model, and clear answers to bad questions."""

import datetime as dt
import json

import anyio.to_thread
import numpy as np
import pytest

from closecast.market.bars import Bars

COLUMNS = ("open", "high", "low", "close", "volume")


def posted(bars: Bars, count: int = 30) -> list[dict]:
    """Give the newest bars of the first symbol as a program would send them."""
    end = int(bars.offsets[1])
    return [
        {
            "date": str(bars.dates[row]),
            **dict(zip(COLUMNS, bars.values[row].tolist(), strict=True)),
        }
        for row in range(end - count, end)
    ]


def test_a_forecast_is_the_models_own(client, forecaster, bars: Bars):
    """Median and intervals are the model's quantiles as prices, to ten digits."""
    answer = client.get("/v1/forecasts/AAPL").json()

    own = forecaster.forecast(bars)
    for step in range(5):
        sent = answer["steps"][step]
        price = own.price(own.quantile(0.5))[0, step]
        low, high = (own.price(own.quantile(q))[0, step] for q in (0.1, 0.9))
        assert sent["median"] == pytest.approx(price, rel=1e-9)
        assert sent["intervals"]["80"] == pytest.approx([low, high], rel=1e-9)
        assert sent["date"] == str(own.target_dates[0, step])
    assert answer["cutoff"] == str(own.cutoffs[0])
    assert answer["last_close"] == pytest.approx(own.last_close[0])


def test_bands_of_the_path_lie_around_the_intervals(client, forecaster, bars: Bars):
    """They are the model's own, wider than the interval of each step."""
    answer = client.get("/v1/forecasts/AAPL").json()

    own = forecaster.forecast(bars)
    low, high = (own.price(end)[0] for end in own.path_interval(0.8))
    for at, step in enumerate(answer["steps"]):
        assert step["path"]["80"] == pytest.approx([low[at], high[at]], rel=1e-9)
        assert step["path"]["80"][0] <= step["intervals"]["80"][0]


def test_a_forecast_names_its_model_and_what_that_is_worth(client, shelf):
    """The verdict stands beside the numbers, and the version that made them."""
    answer = client.get("/v1/forecasts/AAPL").json()

    assert answer["model"] == {"version": 1, "hash": shelf.current().model_hash}
    assert answer["verdict"]["text"] == "No evidence of skill in the mean."
    assert answer["origin"] == "computed"


def test_intervals_lie_inside_each_other(client):
    """50 % is inside 80 %, which is inside 95 %, with the median in all."""
    for step in client.get("/v1/forecasts/IBM").json()["steps"]:
        ends = [step["intervals"][level] for level in ("95", "80", "50")]
        lows, highs = zip(*ends, strict=True)
        line = [*lows, step["median"], *reversed(highs)]
        assert line == sorted(line)


def test_a_forecast_of_the_past_knows_nothing_later(client, bars: Bars):
    """With a cutoff it is what the bars up to it alone give."""
    cutoff = str(bars.dates[200])
    past = client.get("/v1/forecasts/AAPL", params={"cutoff": cutoff}).json()

    lines = posted(bars, int(bars.offsets[1]))
    alone = [bar for bar in lines if bar["date"] <= cutoff]
    answer = client.post("/v1/forecasts", json={"symbol": "X", "bars": alone}).json()

    assert past["cutoff"] == cutoff
    for here, there in zip(past["steps"], answer["steps"], strict=True):
        assert here["intervals"] == there["intervals"]


def test_posted_bars_give_what_the_book_gives(client, bars: Bars):
    """The same bars, posted or served, have the same forecast."""
    lines = posted(bars, int(bars.offsets[1]))

    sent = client.post("/v1/forecasts", json={"symbol": "AAPL", "bars": lines})
    known = client.get("/v1/forecasts/AAPL")

    assert sent.status_code == 200
    assert sent.json()["steps"] == known.json()["steps"]


def test_several_symbols_come_in_the_order_asked_for(client):
    """Each once, each as it is alone."""
    answer = client.get("/v1/forecasts?symbols=IBM,AAPL,IBM").json()

    assert [one["symbol"] for one in answer["forecasts"]] == ["IBM", "AAPL"]
    assert answer["forecasts"][0] == client.get("/v1/forecasts/IBM").json()


def test_an_answer_is_made_once(served, client, monkeypatch):
    """Asked again it is sent again, until the model changes."""
    first = client.get("/v1/forecasts/AAPL")
    monkeypatch.setattr(served.service.desk, "forecast", None)

    assert client.get("/v1/forecasts/AAPL").content == first.content


def test_a_promoted_version_serves_from_the_next_look_on(
    served, client, shelf, model_folder
):
    """Nobody restarts the server for a new model, and a rollback works as well."""
    client.get("/v1/forecasts/AAPL")
    shelf.add(model_folder, reason="another")
    shelf.promote(2, reason="to see")
    served.service.desk._looked -= 2

    assert client.get("/v1/forecasts/AAPL").json()["model"]["version"] == 2
    assert client.get("/v1/forecasts/AAPL").json()["verdict"] is None
    shelf.rollback(reason="back")
    served.service.desk._looked -= 2
    assert client.get("/v1/forecasts/AAPL").json()["model"]["version"] == 1


def test_a_model_that_was_tampered_with_serves_no_more(served, client, shelf):
    """A damaged version is refused at load: the answer is 503, not its numbers."""
    path = shelf.current().folder / "model" / "model.safetensors"
    shelf.add(path.parent, reason="another")
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    served.service.desk._looked -= 2

    answer = client.get("/v1/forecasts/AAPL")

    assert answer.status_code == 503
    assert "an undamaged model" in answer.json()["detail"]


def test_an_unknown_symbol_is_told_the_nearest(client):
    """404, with what may have been meant."""
    answer = client.get("/v1/forecasts/APPL")

    assert answer.status_code == 404
    assert answer.json()["nearest"] == ["AAPL"]
    assert "Did you mean AAPL?" in answer.json()["detail"]


NASTY = (
    "../../etc/passwd",
    "..%2F..%2Fetc%2Fpasswd",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "<script>alert(1)</script>",
    "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
    "AAPL%00",
    "AAPL%0d%0aSet-Cookie:%20a=b",
    "{{7*7}}",
    "'; DROP TABLE forecasts; --",
    "A" * 5000,
    "%F0%9F%92%A9",
)


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize("noun", ["forecasts", "prices"])
def test_a_path_or_a_script_in_a_name_is_an_unknown_symbol(client, noun, name: str):
    """A name is looked up in a list and used for nothing else."""
    answer = client.get(f"/v1/{noun}/{name}")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "root:" not in answer.text
    assert len(answer.text) < 1000


def test_a_future_cutoff_is_refused_with_the_last_session(client, bars: Bars):
    """Nobody gets a forecast from a day that has not come."""
    answer = client.get("/v1/forecasts/AAPL?cutoff=2999-01-01")

    assert answer.status_code == 422
    assert str(bars.dates[bars.offsets[1] - 1]) in answer.json()["detail"]
    assert "got 2999-01-01" in answer.json()["detail"]


def test_a_posted_bar_of_the_future_is_refused(client, bars: Bars):
    """A bar that cannot have been seen is none."""
    lines = posted(bars)
    lines[-1]["date"] = str(dt.datetime.now(dt.UTC).date() + dt.timedelta(days=3))

    answer = client.post("/v1/forecasts", json={"bars": lines})

    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:closecast:problem:future-bar"


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", '"NaN"', "null"])
def test_a_number_that_is_none_is_refused_by_its_place(client, bars: Bars, value: str):
    """NaN in a posted bar is told by bar and column, and is no fault of the server."""
    import json

    lines = posted(bars)
    lines[3]["close"] = "HERE"
    body = json.dumps({"bars": lines}).replace('"HERE"', value)

    answer = client.post(
        "/v1/forecasts", content=body, headers={"Content-Type": "application/json"}
    )

    assert answer.status_code == 422
    assert "bars.3.close" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("close", 0.0, "greater than 0"),
        ("volume", -1.0, "greater than or equal to 0"),
        ("close", True, "valid number"),
        ("date", "yesterday", "date"),
        ("high", 1e-9, "a high that is not below"),
    ],
)
def test_a_bar_that_breaks_a_rule_is_refused(client, bars: Bars, column, value, said):
    """A price of 0, a negative volume, a high below the low: each is told."""
    lines = posted(bars)
    lines[3][column] = value

    answer = client.post("/v1/forecasts", json={"bars": lines})

    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_two_bars_of_a_day_are_refused(client, bars: Bars):
    """A session has one bar."""
    lines = posted(bars)

    answer = client.post("/v1/forecasts", json={"bars": [*lines, lines[0]]})

    assert answer.status_code == 422
    assert "Expected one bar a date" in answer.json()["detail"]


def test_too_few_bars_are_refused_with_the_number_needed(client, bars: Bars):
    """A context of ten needs ten."""
    answer = client.post("/v1/forecasts", json={"bars": posted(bars, 9)})

    assert answer.status_code == 422
    assert "at least 10 bars" in answer.json()["detail"]


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_is_refused(client, body: bytes):
    """Half an object, bytes of another kind, and a tower of brackets."""
    answer = client.post(
        "/v1/forecasts", content=body, headers={"Content-Type": "application/json"}
    )

    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_field_that_is_unknown_is_refused(client, bars: Bars):
    """A misspelt field is told instead of passed over."""
    answer = client.post(
        "/v1/forecasts", json={"bars": posted(bars), "cut_off": "2012-01-03"}
    )

    assert answer.status_code == 422
    assert "cut_off" in answer.json()["detail"]


def test_an_empty_shelf_is_said(new_served):
    """Before a model was promoted there is no forecast, and the way to one is told."""
    served = new_served()
    served.service.desk._serving = None

    answer = served.client(Authorization=f"Bearer {served.key}").get(
        "/v1/forecasts/AAPL"
    )

    assert answer.status_code == 404
    assert "closecast shelf add" in answer.json()["detail"]


def test_a_forecast_over_a_suspected_defect_says_so(client, bars: Bars):
    """A step that looks like a split makes a note beside the numbers."""
    lines = posted(bars)
    for bar in lines[-3:]:
        for column in ("open", "high", "low", "close"):
            bar[column] /= 2.0

    answer = client.post("/v1/forecasts", json={"bars": lines}).json()

    assert "read a suspected defect" in answer["notes"][0]
    assert client.get("/v1/forecasts/AAPL").json()["notes"] == []


def test_a_model_that_reads_other_symbols_is_asked_with_all_of_them(
    served, bars: Bars, monkeypatch
):
    """States of the market come from the whole panel, so the whole panel is read."""
    desk = served.service.desk
    serving = desk.serving()
    monkeypatch.setattr(type(serving), "reads_others", property(lambda _: True))

    newest = desk.forecast(serving, "IBM")
    past = desk.forecast(serving, "IBM", bars.dates[200].item())

    assert newest.data == past.data == bars.fingerprint
    np.testing.assert_array_equal(newest.forecast.symbols, ["IBM"])


def test_no_request_takes_a_thread_to_find_what_is_served(client, bars, monkeypatch):
    """FastAPI sends plain functions to a thread, which costs more than an answer."""
    sent, run = [], anyio.to_thread.run_sync

    async def noted(task, *values, **how):
        sent.append(task)
        return await run(task, *values, **how)

    monkeypatch.setattr(anyio.to_thread, "run_sync", noted)

    assert client.get("/v1/symbols").status_code == 200
    assert client.get("/v1/forecasts/AAPL").status_code == 200
    answer = client.post("/v1/forecasts", json={"bars": posted(bars)})
    assert answer.status_code == 200
    assert not sent


def test_a_body_of_another_type_is_told_the_right_one(client, bars: Bars):
    """JSON that is sent as text is refused, and the header is named."""
    body = json.dumps({"bars": posted(bars)})

    answer = client.post(
        "/v1/forecasts", content=body, headers={"Content-Type": "text/plain"}
    )

    assert answer.status_code == 422
    assert "Content-Type application/json" in answer.json()["detail"]
