"""``/`` and ``/assets/``: the dashboard's own files."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from closecast.serving.api.service import Served
from closecast.serving.api.static import INDEX

router = APIRouter(include_in_schema=False)


@router.get("/")
@router.get("/index.html")
async def index(service: Served, request: Request) -> Response:
    """Send the page."""
    return service.assets.answer(INDEX, request)


@router.get("/assets/{name:path}")
async def asset(service: Served, request: Request, name: str) -> Response:
    """Send a file of the page."""
    return service.assets.answer(name, request)
