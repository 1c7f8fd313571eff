"""The app: routes, and around them what every request passes through.

From the outside in: headers go on every answer, the journal sees all, sizes are
bounded, the guard lets in who may ask; then the routes.
"""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from closecast import __version__
from closecast.errors import (
    BarsError,
    ClosecastError,
    IntegrityError,
    LedgerError,
    SettingError,
    StoreError,
    WindowError,
)
from closecast.serving.api.guard import LOOPBACK, OPEN, Guard
from closecast.serving.api.headers import Headers
from closecast.serving.api.limits import BURST, RATE, Limiter, Sizes
from closecast.serving.api.logs import Journal, Log
from closecast.serving.api.problems import Problem, not_now
from closecast.serving.api.routes import ROUTERS
from closecast.serving.api.service import Service
from closecast.serving.api.sessions import COOKIE
from closecast.serving.api.shapes import ProblemShape

REFUSALS = (400, 401, 403, 404, 408, 413, 414, 421, 422, 429, 503)
"""How any address may refuse: by what is asked, by who asks, or for now."""

THEIRS = (BarsError, WindowError, SettingError)
"""Errors that are about what was asked."""

AWAY = {
    StoreError: "the store of prices",
    LedgerError: "the ledger",
    IntegrityError: "an undamaged model",
}

SHOWN_FAULTS = 3
MAX_SHOWN = 80


def create_app(
    service: Service,
    *,
    hosts: Collection[str] = LOOPBACK,
    rate: float = RATE,
    burst: float = BURST,
    log: Log | None = None,
) -> FastAPI:
    """Make an app.

    Args:
        service: What it serves.
        hosts: Names that it goes by.
        rate: Requests a second that a key may make.
        burst: How many at once.
        log: Where requests are written down.

    Returns:
        The app, for any ASGI server.
    """
    app = FastAPI(
        title="closecast",
        version=__version__,
        description="Forecasts of closing prices, with the record to judge them by.",
        openapi_url="/v1/openapi.json",
        docs_url=None,  # these pages load scripts from outside
        redoc_url=None,
        lifespan=_lifespan,
        middleware=[
            Middleware(Headers),
            Middleware(Journal, log=log or Log(), observe=service.metrics.observe),
            Middleware(Sizes),
            Middleware(
                Guard,
                keys=service.keys,
                sessions=service.sessions,
                limiter=Limiter(rate, burst),
                hosts=hosts,
            ),
        ],
        responses={
            code: {
                "model": ProblemShape,
                "content": {"application/problem+json": {}},
            }
            for code in REFUSALS
        },
    )
    app.state.service = service
    app.openapi = lambda: with_schemes(FastAPI.openapi(app))  # type: ignore[method-assign]
    for router in ROUTERS:
        app.include_router(router)
    app.add_exception_handler(ClosecastError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    return app


def with_schemes(schema: dict[str, Any]) -> dict[str, Any]:
    """Write into a schema how a caller shows who it is; the guard asks for it.

    Args:
        schema: OpenAPI, changed in place.

    Returns:
        The same: a key or a browser's cookie for all that is not open to everybody.
    """
    schema["components"]["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer"},
        "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
    }
    schema["security"] = [{"key": []}, {"session": []}]
    for address in OPEN:
        for operation in schema["paths"].get(address, {}).values():
            operation["security"] = []
    return schema


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.service.close()


async def _on_error(_: Request, error: Exception) -> Response:
    if isinstance(error, Problem):
        return error.response()
    for kind, part in AWAY.items():
        if isinstance(error, kind):
            return not_now(part).response()
    if isinstance(error, THEIRS):
        return Problem(422, str(error), kind="not-possible").response()
    raise error


async def _on_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  as it is registered
    faults: Any = error.errors()
    if any(fault["type"] == "json_invalid" for fault in faults):
        return Problem(
            400,
            "Expected a body in JSON, got something else. Mend it.",
            kind="not-json",
        ).response()
    if any(isinstance(fault.get("input"), bytes) for fault in faults):
        return Problem(
            422,
            "Expected a body of Content-Type application/json, got another type. Name "
            "it so.",
            kind="not-json",
        ).response()
    told = "; ".join(_told(fault) for fault in faults[:SHOWN_FAULTS])
    more = len(faults) - SHOWN_FAULTS
    rest = f"; and {more} more" if more > 0 else ""
    detail = (
        f"Expected a request as /v1/openapi.json has it, got {told}{rest}. Mend it."
    )
    return Problem(422, detail, kind="invalid").response()


async def _on_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  as it is registered
    detail = {
        400: "Expected a body in JSON, got one that cannot be read. Mend it.",
        404: "Expected an address of this server, got another. See /v1/openapi.json.",
        405: "Expected a method that this address knows, got another. See Allow.",
    }.get(error.status_code, str(error.detail))
    kind = {404: "unknown-address", 405: "method"}.get(error.status_code, "http")
    return Problem(error.status_code, detail, kind=kind).response(error.headers)


def _told(fault: dict[str, Any]) -> str:
    place = ".".join(str(part) for part in fault["loc"])
    value = repr(fault.get("input"))[:MAX_SHOWN]
    return f"{value} ({place}: {fault['msg']})"
