"""How much anyone may ask: requests a second, bytes, seconds, length of an address.

A body is read whole before anything looks at it, and never more of it than allowed:
one that says it is too large is refused before it is sent.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from closecast.serving.api.problems import Problem

MAX_BODY = 2 * 1024 * 1024
MAX_ADDRESS = 8 * 1024
BODY_S = 10.0
"""Seconds that a body may take to arrive."""

RATE, BURST = 300.0, 600.0
"""Requests a second that a key may make, and how many at once."""

GUESSES, GUESS_BURST = 1.0, 20.0
"""Wrong keys a second that an address may try, and how many at once."""

MOST_BUCKETS = 10_000
"""Callers remembered at once."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Limiter:
    """Token buckets, one a caller: each fills steadily, and a request takes from it.

    Args:
        rate: Tokens a second.
        burst: Tokens of a full bucket.
        clock: Seconds that never go back.
    """

    def __init__(
        self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.rate, self.burst, self._clock = rate, burst, clock
        self._buckets: dict[str, _Bucket] = {}

    def take(self, caller: str, cost: float = 1.0) -> float:
        """Take from a caller's bucket.

        Args:
            caller: Name of a key, or an address.
            cost: Tokens to take.

        Returns:
            0 if they were there; else seconds until they will be, and none is taken.
        """
        now = self._clock()
        bucket = self._buckets.get(caller)
        if bucket is None:
            bucket = self._buckets[caller] = _Bucket(self.burst, now)
            if len(self._buckets) > MOST_BUCKETS:
                del self._buckets[next(iter(self._buckets))]
        bucket.tokens = min(self.burst, bucket.tokens + (now - bucket.at) * self.rate)
        bucket.at = now
        if bucket.tokens < cost:
            return (cost - bucket.tokens) / self.rate
        bucket.tokens -= cost
        return 0.0


def too_many(wait_s: float, limit: str) -> Problem:
    """Say that somebody asks too much.

    Args:
        wait_s: Seconds until more is allowed.
        limit: What is allowed.

    Returns:
        The problem.
    """
    retry = max(1, round(wait_s + 0.5))
    return Problem(
        429,
        f"Expected at most {limit}, got more. Ask again in {retry} s.",
        retry_after_s=retry,
        kind="too-many-requests",
    )


class Sizes:
    """Refuses long addresses, and reads bodies within bounds of size and time.

    Args:
        app: What answers.
        max_body: Bytes of a body.
        body_s: Seconds that it may take.
    """

    def __init__(
        self, app: ASGIApp, max_body: int = MAX_BODY, body_s: float = BODY_S
    ) -> None:
        self.app, self.max_body, self.body_s = app, max_body, body_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            _require_short(scope)
            if scope["method"] not in {"GET", "HEAD"}:
                receive = await self._body(scope, receive)
        except Problem as problem:
            close = {"Connection": "close"}
            await problem.response(close)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    async def _body(self, scope: Scope, receive: Receive) -> Receive:
        stated = dict(scope["headers"]).get(b"content-length", b"0")
        if not stated.isdigit() or int(stated) > self.max_body:
            raise self._too_large(f"{stated.decode('latin-1')} bytes")
        try:
            async with asyncio.timeout(self.body_s):
                body = await self._collected(receive)
        except TimeoutError as error:
            raise Problem(
                408,
                f"Expected a body within {self.body_s:g} s, got a part of it. Send it "
                "faster, or send less.",
                kind="slow-body",
            ) from error
        waiting: list[Message] = [{"type": "http.request", "body": body}]

        async def replay() -> Message:
            return waiting.pop() if waiting else await receive()

        return replay

    async def _collected(self, receive: Receive) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return b"".join(parts)
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self.max_body:
                raise self._too_large("more")
            if not message.get("more_body", False):
                return b"".join(parts)

    def _too_large(self, got: str) -> Problem:
        return Problem(
            413,
            f"Expected a body of at most {self.max_body:,} bytes, got {got}. Send "
            "fewer bars: a forecast reads the last ones only.",
            kind="body-too-large",
        )


def _require_short(scope: Scope) -> None:
    length = len(scope["path"]) + len(scope["query_string"])
    if length > MAX_ADDRESS:
        raise Problem(
            414,
            f"Expected an address of at most {MAX_ADDRESS:,} characters, got "
            f"{length:,}. Ask for fewer symbols at once.",
            kind="address-too-long",
        )
