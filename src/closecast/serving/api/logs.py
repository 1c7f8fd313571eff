"""What is written down of each request: one JSON object a line, without secrets.

Keys, cookies, bodies and the query of an address are never written. A fault is written
with its traceback here, and answered with a sentence that holds none of it.
"""

import json
import secrets
import sys
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TextIO

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from closecast.serving.api.problems import Problem

MAX_PATH = 200
"""Characters of an address that are written."""

Observer = Callable[[str, str, int, float], None]
"""Is told the method, the route, the status and the seconds of each request."""


class Log:
    """Writes lines.

    Args:
        stream: Where to; stderr by default.
        quiet: Whether requests that were answered well are left out.
    """

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self.stream, self.quiet = stream or sys.stderr, quiet

    def write(self, event: str, level: str = "info", **fields: object) -> None:
        """Write a line.

        Args:
            event: What happened.
            level: ``info``, ``warning`` or ``error``.
            **fields: What else there is to say.
        """
        if self.quiet and level == "info" and event == "request":
            return
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {"at": at, "level": level, "event": event, **fields}
        self.stream.write(json.dumps(line, ensure_ascii=False) + "\n")
        self.stream.flush()


class Journal:
    """Writes down every request, times it, and answers where a fault happened.

    Args:
        app: What answers.
        log: Where it is written.
        observe: Told of each request, for metrics.
    """

    def __init__(self, app: ASGIApp, log: Log, observe: Observer) -> None:
        self.app, self.log, self.observe = app, log, observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, identity, status = time.perf_counter(), secrets.token_hex(8), 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", identity.encode()))
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as error:
            self._tell(error, identity)
            if not status:
                await _fault(identity)(scope, receive, watched)
        finally:
            self._note(scope, status, identity, time.perf_counter() - started)

    def _tell(self, error: Exception, identity: str) -> None:
        trace = "".join(traceback.format_exception(error))
        self.log.write("fault", "error", id=identity, trace=trace)

    def _note(self, scope: Scope, status: int, identity: str, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        self.observe(scope["method"], route, status, seconds)
        self.log.write(
            "request",
            "info" if status < 500 else "error",  # noqa: PLR2004
            id=identity,
            method=scope["method"],
            path=scope["path"][:MAX_PATH],
            route=route,
            status=status,
            ms=round(seconds * 1000, 2),
            caller=scope.get("state", {}).get("caller", "refused"),
        )


def _fault(identity: str) -> "ASGIApp":
    return Problem(
        500,
        "Expected an answer, got a fault of this server. Its log says more under "
        f"{identity}.",
        kind="fault",
    ).response()
