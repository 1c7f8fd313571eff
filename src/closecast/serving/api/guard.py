"""Who may ask: this host's name only, with a key or a browser's session.

A page of another site that resolves its own name to this machine (DNS rebinding) is
refused by its Host header; one that sends a form here has no cookie, as the cookie is
SameSite=Strict.
"""

from collections.abc import Collection
from http.cookies import CookieError, SimpleCookie

from starlette.types import ASGIApp, Receive, Scope, Send

from closecast.serving.api.keys import KeyRing
from closecast.serving.api.limits import (
    GUESS_BURST,
    GUESSES,
    Limiter,
    too_many,
)
from closecast.serving.api.problems import Problem
from closecast.serving.api.sessions import COOKIE, Sessions

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

OPEN = ("/v1/health", "/v1/session", "/login", "/favicon.ico")
"""Addresses that tell nothing and need no key."""

ASSETS = ("/", "/index.html")
ASSET_FOLDER = "/assets/"
"""The dashboard's own files, the same for everybody; its data need a key."""


class Guard:
    """Lets those in who may ask, and counts what they ask.

    Args:
        app: What answers.
        keys: The keys.
        sessions: The browsers.
        limiter: How much a key may ask.
        hosts: Names that this server goes by.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        keys: KeyRing,
        sessions: Sessions,
        limiter: Limiter,
        hosts: Collection[str] = LOOPBACK,
    ) -> None:
        self.app, self.keys, self.sessions = app, keys, sessions
        self.limiter, self.hosts = limiter, {host.lower() for host in hosts}
        self.guesses = Limiter(GUESSES, GUESS_BURST)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        try:
            self._require_host(headers)
            caller = self._caller(scope, headers)
            scope.setdefault("state", {})["caller"] = caller or "anyone"
            address = (scope.get("client") or ("unknown",))[0]
            wait_s = self.limiter.take(caller or f"address {address}")
            if wait_s:
                raise too_many(wait_s, f"{self.limiter.rate:g} requests a second")
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _require_host(self, headers: dict[bytes, bytes]) -> None:
        stated = headers.get(b"host", b"").decode("latin-1").lower()
        name = stated if stated.endswith("]") else stated.rsplit(":", 1)[0]
        if name not in self.hosts and stated not in self.hosts:
            raise Problem(
                421,
                f"Expected a request to {', '.join(sorted(self.hosts))}, got one to "
                f"another host. Allow it with --allow-host, if it is this server.",
                kind="unknown-host",
            )

    def _caller(self, scope: Scope, headers: dict[bytes, bytes]) -> str | None:
        token = _bearer(headers)
        if token is not None:
            return self._owner_of(token, scope)
        owner = self._visitor(headers)
        if owner is not None:
            _require_own_origin(scope, headers)
            return owner
        if is_open(scope["path"]):
            return None
        raise Problem(
            401,
            "Expected a key, got none. Send the header Authorization: Bearer KEY, or "
            "open the link that closecast serve prints.",
            kind="no-key",
        )

    def _owner_of(self, token: str, scope: Scope) -> str:
        key = self.keys.find(token)
        if key is None:
            address = (scope.get("client") or ("unknown",))[0]
            wait_s = self.guesses.take(address)
            if wait_s:
                raise too_many(wait_s, f"{GUESSES:g} wrong key a second")
            raise Problem(
                401,
                "Expected a key of this server, got another. See: closecast serve "
                "keys list; a new start prints a new key.",
                kind="wrong-key",
            )
        if self.keys.expired(key):
            raise Problem(
                401,
                f"Expected a key that is valid, got that of {key.name}, which expired "
                f"on {key.expires[:10]}. Make a new one: closecast serve keys add.",
                kind="expired-key",
            )
        return key.name

    def _visitor(self, headers: dict[bytes, bytes]) -> str | None:
        cookie = cookie_of(headers)
        owner = self.sessions.owner_of(cookie) if cookie else None
        key = self.keys.named(owner) if owner else None
        return None if key is None or self.keys.expired(key) else key.name


def is_open(path: str) -> bool:
    """Tell whether an address needs no key.

    Args:
        path: The address.

    Returns:
        Whether it is the dashboard's own file, or tells nothing.
    """
    return path in OPEN or path in ASSETS or path.startswith(ASSET_FOLDER)


def cookie_of(headers: dict[bytes, bytes]) -> str | None:
    """Read the session's cookie.

    Args:
        headers: Of the request.

    Returns:
        Its value; None if there is none.
    """
    try:
        jar = SimpleCookie(headers.get(b"cookie", b"").decode("latin-1"))
    except CookieError:
        return None
    return jar[COOKIE].value if COOKIE in jar else None


def _bearer(headers: dict[bytes, bytes]) -> str | None:
    kind, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


def _require_own_origin(scope: Scope, headers: dict[bytes, bytes]) -> None:
    if scope["method"] in {"GET", "HEAD", "OPTIONS"}:
        return
    origin = headers.get(b"origin", b"").decode("latin-1")
    host = headers.get(b"host", b"").decode("latin-1")
    if origin and origin.partition("://")[2] != host:
        raise Problem(
            403,
            "Expected a request of this server's own pages, got one of another site. "
            "Programs send a key instead of a cookie.",
            kind="other-origin",
        )
