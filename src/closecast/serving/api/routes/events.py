"""``/v1/runs/ID/events``: where a running experiment stands, as it goes.

Server-sent events: ``progress`` at most once a second with what ``progress.json`` of
the run says, ``done`` once the run has ended, a comment now and then in between.
"""

import asyncio
import json
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from closecast.serving.api.problems import Problem
from closecast.serving.api.routes.runs import require_run
from closecast.serving.api.service import Served, Service
from closecast.serving.runs import KnownRun, progress_of

router = APIRouter(prefix="/v1", tags=["experiments"])

LOOK_S = 1.0
"""Seconds between two looks at the run."""

QUIET_LOOKS = 15
"""Looks without news after which a comment keeps the connection open."""

MOST_STREAMS = 64
"""Streams at once."""


@router.get(
    "/runs/{run_id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def events(service: Served, request: Request, run_id: str) -> StreamingResponse:
    """Tell where a run stands, as it goes, until it has ended."""
    await require_run(service, run_id)
    if service.streams >= MOST_STREAMS:
        raise Problem(
            429,
            f"Expected at most {MOST_STREAMS} event streams, got one more. Close one.",
            retry_after_s=10,
            kind="too-many-streams",
        )
    return StreamingResponse(
        _told(service, request, run_id), media_type="text/event-stream"
    )


async def _told(service: Service, request: Request, run_id: str) -> AsyncIterator[str]:
    service.streams += 1
    try:
        told, quiet = "", 0
        while not await request.is_disconnected():
            run = await service.work(lambda: service.runs.find(run_id))
            text = _standing(run)
            if text != told:
                told, quiet = text, 0
                yield text
            elif quiet >= QUIET_LOOKS:
                quiet = 0
                yield ": still here\n\n"
            if run is None or run.state != "unfinished":
                return
            quiet += 1
            await asyncio.sleep(LOOK_S)
    finally:
        service.streams -= 1


def _standing(run: KnownRun | None) -> str:
    if run is None or run.state == "gone":
        return _event("gone", {})
    short_of = {"id": run.id, "done": run.done, "members": run.members}
    if run.state == "done":
        return _event("done", short_of)
    standing = {**short_of, "running": run.running, "progress": progress_of(run)}
    return _event("progress", standing)


def _event(name: str, data: object) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
