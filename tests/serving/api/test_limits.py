"""How much anyone may ask: requests, bytes, seconds."""

import asyncio
from collections.abc import Iterator

from closecast.serving.api.limits import Limiter, Sizes


def test_a_bucket_fills_steadily():
    """Two at once, then one each half second at a rate of two."""
    now = [0.0]
    limiter = Limiter(2.0, 2.0, lambda: now[0])

    assert [limiter.take("me") for _ in range(3)] == [0.0, 0.0, 0.5]
    now[0] = 0.5
    assert limiter.take("me") == 0.0
    assert limiter.take("me") == 0.5
    assert limiter.take("you") == 0.0


def test_a_bucket_never_overflows():
    """A quiet hour is no licence for a storm."""
    now = [0.0]
    limiter = Limiter(2.0, 2.0, lambda: now[0])
    limiter.take("me")

    now[0] = 3600.0

    assert [limiter.take("me") > 0 for _ in range(3)] == [False, False, True]


def test_buckets_do_not_pile_up():
    """Ten thousand addresses are remembered, no more."""
    limiter = Limiter(1.0, 1.0)

    for number in range(10_050):
        limiter.take(str(number))

    assert len(limiter._buckets) == 10_000


def test_who_asks_too_much_is_told_when_to_come_again(new_served):
    """The answer is 429 with Retry-After, and others go on."""
    served = new_served(rate=1.0, burst=3.0)
    busy = served.client(Authorization=f"Bearer {served.key}")
    other = served.client(
        Authorization=f"Bearer {served.service.keys.add_for_now('other', 1)}"
    )

    statuses = [busy.get("/v1/symbols").status_code for _ in range(4)]

    assert statuses == [200, 200, 200, 429]
    answer = busy.get("/v1/symbols")
    assert int(answer.headers["retry-after"]) >= 1
    assert "at most 1 requests a second" in answer.json()["detail"]
    assert other.get("/v1/symbols").status_code == 200


def test_a_body_of_100_mb_is_refused_before_it_is_read(client):
    """What says that it is too large is never received."""
    answer = client.post(
        "/v1/forecasts",
        content=b"",
        headers={"Content-Length": str(100 * 1024 * 1024)},
    )

    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"
    assert "at most 2,097,152 bytes" in answer.json()["detail"]


def test_a_body_that_hides_its_size_is_cut_off(client):
    """Without a length no more is read than allowed."""
    sent = []

    def endless() -> Iterator[bytes]:
        for _ in range(100):
            sent.append(1)
            yield b"x" * 1024 * 1024

    answer = client.post("/v1/forecasts", content=endless())

    assert answer.status_code == 413


def test_a_length_that_is_none_is_refused(client):
    """A header with words in it is no length."""
    answer = client.post(
        "/v1/forecasts", content=b"{}", headers={"Content-Length": "many"}
    )

    assert answer.status_code == 413


def test_a_body_that_dawdles_is_given_up():
    """Who sends a byte now and then does not hold a place for ever."""
    sent = []

    async def never_called(*_) -> None:
        raise AssertionError

    async def dawdle():
        await asyncio.sleep(60)

    async def send(message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/forecasts",
        "query_string": b"",
        "headers": [],
    }
    asyncio.run(Sizes(never_called, body_s=0.01)(scope, dawdle, send))

    assert sent[0]["status"] == 408


def test_ten_thousand_symbols_at_once_are_refused(client):
    """A list that is too long is refused whole, with what is allowed."""
    many = ",".join(f"{number:x}" for number in range(10_000))

    answer = client.get(f"/v1/forecasts?symbols={many}")

    assert answer.status_code == 414
    assert "Ask for fewer symbols at once" in answer.json()["detail"]


def test_a_hundred_symbols_are_the_most(client):
    """A short list that is still too long is refused too."""
    many = ",".join(f"S{number}" for number in range(101))

    answer = client.get("/v1/forecasts", params={"symbols": many})

    assert answer.status_code == 422
    assert "at most 100 symbols, got 101" in answer.json()["detail"]


def test_more_work_than_can_wait_is_sent_away(served, client):
    """A full queue says so at once, and when to come again."""
    served.service._waiting = 256

    answer = client.get("/v1/doctor")

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    served.service._waiting = 0
    assert client.get("/v1/doctor").status_code == 200


def test_work_that_takes_too_long_is_given_up(served, client, monkeypatch):
    """Who asked is not kept waiting without end."""
    import time

    served.service.work_s = 0.05
    monkeypatch.setattr(served.service.prices, "bars", lambda _: time.sleep(0.5))

    answer = client.get("/v1/prices/AAPL")

    assert answer.status_code == 503
    assert "a computation to end within 0.05 s, got" in answer.json()["detail"]
