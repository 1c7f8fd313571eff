"""What is written down, and what is counted."""

import pytest


def test_a_request_is_one_line_of_json(served, client):
    """Method, route, status, time and who asked; the answer carries its number."""
    answer = client.get("/v1/prices/AAPL?limit=1")

    line = served.lines()[-1]
    assert line["event"] == "request"
    assert line["method"] == "GET"
    assert line["path"] == "/v1/prices/AAPL"
    assert line["status"] == 200
    assert line["ms"] > 0
    assert line["caller"].startswith("tester")
    assert line["id"] == answer.headers["x-request-id"]


def test_no_secret_is_written(served, client):
    """Neither keys nor cookies nor tickets nor bodies are in the log."""
    ticket = served.service.sessions.ticket("tester")
    browser = served.client()
    browser.get(f"/login?ticket={ticket}")
    browser.post("/v1/session", json={"key": served.key})
    client.post("/v1/forecasts", json={"symbol": "SECRET", "bars": []})

    text = served.log.getvalue()

    assert served.key not in text
    assert ticket not in text
    assert browser.cookies["closecast"] not in text
    assert "SECRET" not in text


def test_a_name_with_line_ends_makes_no_line_of_its_own(served, client):
    """What a caller writes cannot forge a line."""
    client.get('/v1/prices/A%0a{"event":"request","caller":"chief"}')

    assert len(served.log.getvalue().splitlines()) == 1
    assert served.lines()[0]["caller"] == "tester"


def test_a_fault_is_written_with_its_trace_and_answered_without(
    served, client, monkeypatch
):
    """The owner sees where it happened, the caller a number to ask for."""

    def fault() -> None:
        raise ZeroDivisionError("the inside of the server")

    monkeypatch.setattr(served.service.runs, "runs", fault)

    answer = client.get("/v1/runs")

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "inside" not in answer.text
    fault_line = next(one for one in served.lines() if one["event"] == "fault")
    assert "ZeroDivisionError: the inside of the server" in fault_line["trace"]
    assert fault_line["id"] in answer.json()["detail"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_prometheus_reads_counts_and_times(client):
    """Requests by route and status, forecasts by origin, the version that serves."""
    client.get("/v1/forecasts/AAPL")
    client.get("/v1/forecasts/NONE")

    text = client.get("/metrics").text

    route = 'route="/v1/forecasts/{symbol:path}"'
    assert f'closecast_requests_total{{method="GET",{route},status="200"}} 1.0' in text
    assert f'closecast_requests_total{{method="GET",{route},status="404"}} 1.0' in text
    assert f"closecast_request_seconds_count{{{route}}} 2.0" in text
    assert 'closecast_forecasts_total{origin="computed"} 1.0' in text
    assert "closecast_model_version 1.0" in text


@pytest.mark.parametrize("name", ["A", "B", "../C"])
def test_addresses_do_not_become_labels(client, name: str):
    """Whatever is asked for, a route is counted under one name."""
    client.get(f"/v1/nowhere/{name}")

    assert f"nowhere/{name}" not in client.get("/metrics").text
