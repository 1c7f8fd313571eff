"""What is answered when something cannot be: ``application/problem+json``.

``detail`` is a sentence of the house: what was expected, what was given, what to do.
Nothing of the server's inside is in it.

Source: RFC 9457, Problem Details for HTTP APIs.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from closecast.errors import ClosecastError

MEDIA_TYPE = "application/problem+json"

TITLES = {
    400: "The request cannot be read",
    401: "A key is needed",
    403: "Not allowed",
    404: "Not found",
    405: "Not that way",
    408: "Too slow",
    413: "Too large",
    414: "The address is too long",
    415: "Another kind of content is needed",
    421: "Another host is meant",
    422: "Cannot be done with this",
    429: "Too many requests",
    500: "A fault of the server",
    503: "Not now",
}


class Problem(ClosecastError):  # noqa: N818  as RFC 9457 calls it
    """Something that is answered with an error.

    Args:
        status: HTTP status.
        detail: What was expected, what was given, what to do.
        kind: One or two words for programs, such as ``unknown-symbol``.
        nearest: Names that may have been meant.
        retry_after_s: Seconds after which it may be asked again.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        kind: str,
        nearest: Sequence[str] = (),
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail = status, kind, detail
        self.nearest, self.retry_after_s = tuple(nearest), retry_after_s

    def document(self) -> dict[str, Any]:
        """Lay it out as RFC 9457 has it.

        Returns:
            ``type``, ``title``, ``status``, ``detail`` and, where there are any,
            ``nearest``.
        """
        document: dict[str, Any] = {
            "type": f"urn:closecast:problem:{self.kind}",
            "title": TITLES.get(self.status, "Not possible"),
            "status": self.status,
            "detail": self.detail,
        }
        if self.nearest:
            document["nearest"] = list(self.nearest)
        return document

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        """Make the answer.

        Args:
            headers: More headers.

        Returns:
            The answer with its headers.
        """
        more = dict(headers or {})
        if self.retry_after_s is not None:
            more["Retry-After"] = str(self.retry_after_s)
        if self.status == 401:  # noqa: PLR2004  the one that says how to come in
            more["WWW-Authenticate"] = 'Bearer realm="closecast"'
        content = json.dumps(self.document(), ensure_ascii=False)
        return Response(content, self.status, more, media_type=MEDIA_TYPE)


def not_now(what: str, how: str = "to answer", retry_after_s: int = 5) -> Problem:
    """Say that a part of the server is away for the moment.

    Args:
        what: The part, such as "the ledger".
        how: What was expected of it.
        retry_after_s: Seconds after which it may be asked again.

    Returns:
        The problem.
    """
    return Problem(
        503,
        f"Expected {what} {how}, got nothing from it. Nothing is lost; ask again "
        f"in {retry_after_s} s.",
        retry_after_s=retry_after_s,
        kind="unavailable",
    )
