"""``/v1/scoreboard``: what the model that serves was judged to be worth."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from closecast.serving.api.problems import Problem
from closecast.serving.api.service import Served
from closecast.serving.api.shapes import Scoreboard

router = APIRouter(prefix="/v1", tags=["evidence"])


@router.get("/scoreboard", response_model=Scoreboard)
async def scoreboard(service: Served) -> Response:
    """Give the scoreboard of the version that serves."""
    serving = service.require_serving()
    if serving.scoreboard is None:
        raise Problem(
            404,
            f"Expected a model that was judged, got version {serving.version} without "
            "a scoreboard. Put a run on the shelf, as closecast evaluate --out writes.",
            kind="not-judged",
        )
    return JSONResponse(
        {
            "version": serving.version,
            "model_hash": serving.model_hash,
            **serving.scoreboard,
        }
    )
