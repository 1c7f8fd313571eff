"""The dashboard's files: read once from the package, and sent from memory.

What is sent is looked up among the files that were read: no path is made of what a
caller asks for.
"""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from closecast.serving.api.problems import Problem

WEB = Path(__file__).parents[1] / "web"
INDEX = "index.html"

TEXT = (".html", ".js", ".mjs", ".css", ".json", ".svg", ".txt", ".webmanifest")
TYPES = {".js": "text/javascript", ".mjs": "text/javascript"}
"""What browsers insist on, whatever this machine's registry says."""

CHECKED = "no-cache"
"""A browser asks each time whether its copy is the same, and is told in few bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file.

    Attributes:
        content: Its bytes.
        packed: The same in gzip; None where it is no text.
        kind: Its media type.
        etag: What stands for its content.
    """

    content: bytes
    packed: bytes | None
    kind: str
    etag: str


class Assets:
    """The files of a folder.

    Args:
        folder: The folder; nothing is served where there is none.
    """

    def __init__(self, folder: Path = WEB) -> None:
        self._files = {
            path.relative_to(folder).as_posix(): _asset(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    def answer(self, name: str, request: Request) -> Response:
        """Send a file.

        Args:
            name: Its name in the folder.
            request: What was asked.

        Returns:
            The file, or that the browser's copy is the same.

        Raises:
            Problem: There is no such file.
        """
        asset = self._files.get(name)
        if asset is None:
            raise Problem(
                404,
                "Expected a file of the dashboard, got the name of none. See /.",
                kind="unknown-address",
            )
        headers = {"ETag": asset.etag, "Cache-Control": CHECKED}
        if request.headers.get("if-none-match") == asset.etag:
            return Response(status_code=304, headers=headers)
        content = asset.content
        if asset.packed is not None:
            headers["Vary"] = "Accept-Encoding"
            if "gzip" in request.headers.get("accept-encoding", ""):
                headers["Content-Encoding"] = "gzip"
                content = asset.packed
        return Response(content, headers=headers, media_type=asset.kind)


def _asset(path: Path) -> Asset:
    content, suffix = path.read_bytes(), path.suffix.lower()
    guessed = TYPES.get(suffix) or mimetypes.guess_type(path.name)[0]
    return Asset(
        content=content,
        packed=gzip.compress(content, 9, mtime=0) if suffix in TEXT else None,
        kind=guessed or "application/octet-stream",
        etag=f'"{hashlib.sha256(content).hexdigest()[:32]}"',
    )
