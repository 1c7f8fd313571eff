"""``/v1/doctor``: what looks wrong in the prices, and how old they are."""

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Query as Asked

from closecast.serving.api.service import Served
from closecast.serving.api.shapes import Doctor, FindingShape, Freshness
from closecast.serving.examination import Examination

router = APIRouter(prefix="/v1", tags=["data"])

SHOWN = ("symbol", "date", "until", "severity", "kind", "what", "remedy", "training")


@router.get("/doctor")
async def doctor(
    service: Served,
    limit: Annotated[
        int, Asked(ge=1, le=1000, description="Findings, and symbols, at most.")
    ] = 200,
) -> Doctor:
    """Give what the doctor found, the worst first, and how old the last bars are."""
    version = service.prices.content().version
    found = service.examined
    if found is None or found.data != version:
        found = await service.work(lambda: Examination.of(service.prices))
        service.examined = found
    return _laid_out(found, limit)


def _laid_out(found: Examination, limit: int) -> Doctor:
    return Doctor(
        checked_at=found.checked_at,
        data=found.data,
        counts=found.counts,
        findings=[_shape(one) for one in found.findings[:limit]],
        freshness=[
            Freshness(
                symbol=one.symbol, last=one.last, behind=one.behind, stale=one.stale
            )
            for one in found.ages[:limit]
        ],
    )


def _shape(finding: Any) -> FindingShape:  # noqa: ANN401  pydantic checks it
    return FindingShape(**{name: getattr(finding, name) for name in SHOWN})
