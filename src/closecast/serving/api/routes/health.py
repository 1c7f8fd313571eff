"""``/v1/health`` and ``/metrics``: what answers, and counts."""

from typing import Literal

from fastapi import APIRouter
from fastapi.responses import Response

from closecast.errors import ClosecastError
from closecast.serving.api.metrics import CONTENT_TYPE
from closecast.serving.api.problems import Problem
from closecast.serving.api.service import Served, Service
from closecast.serving.api.shapes import Health

router = APIRouter(tags=["health"])


@router.get("/v1/health")
async def health(service: Served) -> Health:
    """Say whether the server's parts answer. It needs no key."""
    prices: Literal["ok", "unavailable"] = "ok"
    model: Literal["ok", "none"] = "none"
    try:
        service.prices.content()
        model = "none" if service.desk.serving() is None else "ok"
    except ClosecastError:  # said in the answer; the request that needs it says more
        prices = "unavailable"
    ledger = await _ledger(service)
    well = prices == "ok" and ledger != "unavailable"
    return Health(
        status="ok" if well else "degraded", prices=prices, model=model, ledger=ledger
    )


async def _ledger(service: Service) -> Literal["ok", "none", "unavailable"]:
    if service.published is None:
        return "none"
    try:
        await service.published.standing()
    except Problem:  # said in the answer, as above
        return "unavailable"
    return "ok"


@router.get("/metrics", response_class=Response)
async def metrics(service: Served) -> Response:
    """Give the metrics in Prometheus' text format."""
    serving = service.desk.serving()
    service.metrics.version.set(0 if serving is None else serving.version)
    return Response(service.metrics.text(), media_type=CONTENT_TYPE)
