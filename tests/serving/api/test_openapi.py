"""The schema that is published is what the routes do."""

import pytest
from hypothesis import HealthCheck, settings

from closecast.serving.api import guard

ADDRESSES = {
    "/v1/health", "/metrics", "/v1/session", "/v1/symbols", "/v1/prices/{symbol}",
    "/v1/forecasts", "/v1/forecasts/{symbol}", "/v1/history/{symbol}", "/v1/ledger",
    "/v1/scoreboard", "/v1/runs", "/v1/runs/{run_id}", "/v1/runs/{run_id}/curves",
    "/v1/runs/{run_id}/events", "/v1/doctor", "/v1/lessons", "/v1/sentences",
}  # fmt: skip


def test_every_route_is_in_the_schema(served):
    """Nothing is served that is not written down, but the dashboard's own files."""
    assert set(served.app.openapi()["paths"]) == ADDRESSES


def test_the_schema_says_who_may_ask(served, stranger, client):
    """A key or a session, but for what is open: and a stranger is answered so."""
    schema = served.app.openapi()

    assert set(schema["components"]["securitySchemes"]) == {"key", "session"}
    assert schema["security"] == [{"key": []}, {"session": []}]
    for address, operations in schema["paths"].items():
        if "get" not in operations or "{" in address:
            continue
        is_open = operations["get"].get("security") == []
        refused = stranger.get(address).status_code == 401
        assert refused is not is_open or address == "/v1/session", address
    assert client.get("/v1/symbols").status_code == 200


@pytest.fixture
def patient(monkeypatch, new_served):
    """An app that lets one ask, and guess keys, as often as one likes."""
    for name in ("GUESSES", "GUESS_BURST"):
        monkeypatch.setattr(guard, name, 1e6)
    return new_served(rate=1e6, burst=1e6)


@pytest.mark.filterwarnings("default")
def test_schemathesis_follows_what_answers_lead_to(patient):
    """Answers feed the next questions, symbols and runs that are there: no 5xx."""
    import schemathesis
    from hypothesis.stateful import run_state_machine_as_test
    from schemathesis.checks import negative_data_rejection, positive_data_acceptance

    # the second knows no refusal by 414, of an address that is too long
    excluded = [positive_data_acceptance, negative_data_rejection]
    headers = {"Authorization": f"Bearer {patient.key}", "Host": "127.0.0.1"}
    schema = schemathesis.openapi.from_asgi(
        "/v1/openapi.json", patient.app, headers=headers
    )

    class Walk(schema.as_state_machine()):
        """Asks as one who has a key."""

        def get_call_kwargs(self, _):
            """Give the key."""
            return {"headers": headers}

        def validate_response(self, response, case, **_):
            """Hold each answer against the schema."""
            case.validate_response(response, headers=headers, excluded_checks=excluded)

    run_state_machine_as_test(
        Walk,
        settings=settings(
            max_examples=8,
            stateful_step_count=6,
            derandomize=True,
            deadline=None,
            suppress_health_check=HealthCheck,
        ),
    )


@pytest.mark.filterwarnings("default")
def test_schemathesis_finds_no_answer_beyond_the_schema(patient):
    """Whatever it asks, valid or not: no 5xx, and every answer as it was promised."""
    import schemathesis
    from hypothesis import given
    from schemathesis.checks import positive_data_acceptance

    headers = {"Authorization": f"Bearer {patient.key}", "Host": "127.0.0.1"}
    schema = schemathesis.openapi.from_asgi(
        "/v1/openapi.json", patient.app, headers=headers
    )
    operations = [one.ok() for one in schema.get_all_operations()]

    for operation in operations:

        @settings(max_examples=10, derandomize=True, suppress_health_check=HealthCheck)
        @given(case=operation.as_strategy())
        def ask(case) -> None:
            # that a high is not below the low no schema can say
            case.call_and_validate(
                headers=headers, excluded_checks=[positive_data_acceptance]
            )

        ask()

    assert {one.path for one in operations} == ADDRESSES
