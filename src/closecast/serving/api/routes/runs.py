"""``/v1/runs``: the experiments of this machine."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter
from fastapi import Query as Asked

from closecast.errors import ModelError
from closecast.serving.api.problems import Problem, not_now
from closecast.serving.api.service import Served, Service
from closecast.serving.api.shapes import Curves, Run, Runs, RunShape
from closecast.serving.runs import KnownRun, curves, describe

T = TypeVar("T")

router = APIRouter(prefix="/v1", tags=["experiments"])


@router.get("/runs")
async def runs(
    service: Served,
    limit: Annotated[int, Asked(ge=1, le=500)] = 50,
    offset: Annotated[int, Asked(ge=0, le=10_000_000)] = 0,
) -> Runs:
    """List the runs, newest first."""
    known = await service.work(service.runs.runs)
    shown = known[offset : offset + limit]
    return Runs(runs=[RunShape(**short(run)) for run in shown], total=len(known))


@router.get("/runs/{run_id}")
async def run(service: Served, run_id: str) -> Run:
    """Show a run from the inside."""
    known = await require_run(service, run_id)
    described = await _read(service, lambda: describe(known))
    return Run(**short(known), **described)


@router.get("/runs/{run_id}/curves")
async def run_curves(
    service: Served,
    run_id: str,
    limit: Annotated[int, Asked(ge=1, le=100)] = 20,
) -> Curves:
    """Give the learning curves of a run's best members."""
    known = await require_run(service, run_id)
    return Curves.model_validate(
        {"curves": await _read(service, lambda: curves(known, limit))}
    )


async def _read(service: Service, task: Callable[[], T]) -> T:
    try:
        return await service.work(task)
    except ModelError as error:
        raise not_now("an undamaged run") from error


async def require_run(service: Service, run_id: str) -> KnownRun:
    """Find a run whose folder is there.

    Args:
        service: What is served.
        run_id: What was asked for.

    Returns:
        The run.

    Raises:
        Problem: There is no such run.
    """
    known = await service.work(lambda: service.runs.find(run_id))
    if known is None or known.state == "gone":
        raise Problem(
            404,
            f"Expected the id of a run, got {run_id[:64]!r}. See /v1/runs.",
            kind="unknown-run",
        )
    return known


def short(run: KnownRun) -> dict[str, Any]:
    """Say of a run what callers may know: never where it lies.

    Args:
        run: The run.

    Returns:
        The fields of ``RunShape``.
    """
    return {name: value for name, value in asdict(run).items() if name != "folder"}
