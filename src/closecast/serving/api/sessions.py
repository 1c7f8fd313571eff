"""Browsers: a link that works once gives a cookie, and the cookie stands for a key.

Nothing here is written to a disk: after a restart a browser needs a new link. Times
are of the monotonic clock, which nobody sets back.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from closecast.serving.api.keys import sha256_of

COOKIE = "closecast"
TICKET_S = 600.0
"""Seconds that a link may lie unused."""

SESSION_S = 12 * 3600.0
"""Seconds that a browser stays logged in."""

MOST = 1000
"""Sessions at once; the oldest goes."""


@dataclass(frozen=True, slots=True)
class _Stay:
    owner: str
    until: float


class Sessions:
    """Who is logged in.

    Args:
        clock: Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tickets: dict[str, _Stay] = {}
        self._stays: dict[str, _Stay] = {}

    def ticket(self, owner: str) -> str:
        """Make what a link holds; it can be redeemed once.

        Args:
            owner: Name of the key that it stands for.

        Returns:
            The ticket.
        """
        return self._kept(self._tickets, owner, TICKET_S)

    def redeem(self, ticket: str) -> str | None:
        """Take a ticket for a session.

        Args:
            ticket: What the link holds.

        Returns:
            The cookie's value; None if the ticket was used, is too old or is none.
        """
        found = self._tickets.pop(sha256_of(ticket), None)
        if found is None or self._clock() >= found.until:
            return None
        return self.open(found.owner)

    def open(self, owner: str) -> str:
        """Begin a session.

        Args:
            owner: Name of the key that it stands for.

        Returns:
            The cookie's value.
        """
        return self._kept(self._stays, owner, SESSION_S)

    def close(self, cookie: str) -> None:
        """End a session.

        Args:
            cookie: The cookie's value.
        """
        self._stays.pop(sha256_of(cookie), None)

    def owner_of(self, cookie: str) -> str | None:
        """Find whose session it is.

        Args:
            cookie: The cookie's value.

        Returns:
            Name of the key; None where there is no such session any more.
        """
        stay = self._stays.get(sha256_of(cookie))
        if stay is None or self._clock() >= stay.until:
            return None
        return stay.owner

    def _kept(self, place: dict[str, _Stay], owner: str, seconds: float) -> str:
        secret = secrets.token_urlsafe(32)
        place[sha256_of(secret)] = _Stay(owner, self._clock() + seconds)
        while len(place) > MOST:
            del place[next(iter(place))]
        return secret
