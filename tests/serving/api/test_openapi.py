"""The schema that is published is what the routes do."""

import pytest
from hypothesis import HealthCheck, settings

ADDRESSES = {
    "/v1/health", "/metrics", "/v1/session", "/v1/symbols", "/v1/prices/{symbol}",
    "/v1/forecasts", "/v1/forecasts/{symbol}", "/v1/history/{symbol}", "/v1/ledger",
    "/v1/scoreboard", "/v1/runs", "/v1/runs/{run_id}", "/v1/runs/{run_id}/curves",
    "/v1/runs/{run_id}/events", "/v1/doctor", "/v1/lessons", "/v1/sentences",
}  # fmt: skip


def test_every_route_is_in_the_schema(served):
    """Nothing is served that is not written down, but the dashboard's own files."""
    assert set(served.app.openapi()["paths"]) == ADDRESSES


@pytest.mark.filterwarnings("default")
def test_schemathesis_finds_no_answer_beyond_the_schema(new_served):
    """Whatever it asks, valid or not: no 5xx, and every answer as it was promised."""
    import schemathesis
    from hypothesis import given
    from schemathesis.checks import positive_data_acceptance

    served = new_served(rate=1e6, burst=1e6)
    headers = {"Authorization": f"Bearer {served.key}", "Host": "127.0.0.1"}
    schema = schemathesis.openapi.from_asgi(
        "/v1/openapi.json", served.app, headers=headers
    )
    operations = [one.ok() for one in schema.get_all_operations()]

    for operation in operations:

        @settings(max_examples=10, database=None, suppress_health_check=HealthCheck)
        @given(case=operation.as_strategy())
        def ask(case) -> None:
            # that a high is not below the low no schema can say
            case.call_and_validate(
                headers=headers, excluded_checks=[positive_data_acceptance]
            )

        ask()

    assert {one.path for one in operations} == ADDRESSES
