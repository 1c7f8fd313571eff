"""``/login`` and ``/v1/session``: a browser gets a cookie that no script can read."""

from typing import Annotated

from fastapi import APIRouter, Request
from fastapi import Query as Asked
from fastapi.responses import RedirectResponse, Response

from closecast.serving.api.guard import cookie_of
from closecast.serving.api.problems import Problem
from closecast.serving.api.service import Served
from closecast.serving.api.sessions import COOKIE, SESSION_S
from closecast.serving.api.shapes import Login, SessionShape

router = APIRouter(tags=["session"])


@router.get("/login", include_in_schema=False)
async def login(
    service: Served, request: Request, ticket: Annotated[str, Asked(max_length=200)]
) -> Response:
    """Log a browser in by the link that was printed; the link works once."""
    cookie = service.sessions.redeem(ticket)
    if cookie is None:
        raise Problem(
            401,
            "Expected a link that was not used yet, got one that was, or that is more "
            "than 10 minutes old. Start closecast serve again, or log in with a key.",
            kind="used-link",
        )
    return _with_cookie(RedirectResponse("/", 303), cookie, request)


@router.get("/v1/session")
async def whose(request: Request) -> SessionShape:
    """Say who is logged in."""
    caller = request.scope["state"]["caller"]
    if caller == "anyone":
        raise Problem(
            401,
            "Expected somebody logged in, got nobody. Log in first.",
            kind="no-session",
        )
    return SessionShape(caller=caller)


@router.post("/v1/session")
async def open_session(
    service: Served, request: Request, body: Login, response: Response
) -> SessionShape:
    """Log a browser in with a key."""
    key = service.keys.find(body.key)
    if key is None or service.keys.expired(key):
        raise Problem(
            401,
            "Expected a key that is valid, got another. Make one: closecast serve "
            "keys add.",
            kind="wrong-key",
        )
    _with_cookie(response, service.sessions.open(key.name), request)
    return SessionShape(caller=key.name)


@router.delete("/v1/session", status_code=204)
async def close_session(service: Served, request: Request) -> Response:
    """Log a browser out."""
    cookie = cookie_of(dict(request.scope["headers"]))
    if cookie:
        service.sessions.close(cookie)
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/")
    return response


def _with_cookie(response: Response, cookie: str, request: Request) -> Response:
    response.set_cookie(
        COOKIE,
        cookie,
        max_age=int(SESSION_S),
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response
