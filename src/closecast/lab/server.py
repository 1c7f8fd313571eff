"""The lab on this machine: pages whose numbers can be changed.

It listens on the loopback alone and runs nothing but the lessons of the package, with
the numbers that they offer.
"""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from closecast.errors import LessonError, SettingError
from closecast.lab.fonts import SHIPPED
from closecast.lab.lesson import LANGUAGES, Lesson, read_lesson
from closecast.lab.notebook import notebook_text
from closecast.lab.pages import code_html, index_page, lesson_page, output_html
from closecast.lab.play import play

HOST = "127.0.0.1"

HTML = "text/html; charset=utf-8"
JSON = "application/json; charset=utf-8"
FONT = "font/ttf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is answered to a request.

    Attributes:
        body: Its bytes.
        kind: Their type.
        status: Of HTTP.
        place: Where to go instead; empty to stay.
    """

    body: bytes = b""
    kind: str = HTML
    status: HTTPStatus = HTTPStatus.OK
    place: str = ""


@dataclass(kw_only=True)
class Lab:
    """The lessons as they are asked for; what was run once is kept.

    Attributes:
        language: Of the first page.
    """

    language: str = "en"
    _played: dict[Lesson, bytes] = field(default_factory=dict)
    _busy: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, target: str) -> Answer:
        """Answer a request.

        Args:
            target: The path and what follows ``?``.

        Returns:
            The answer.
        """
        parts = urlsplit(target)
        if parts.path == "/":
            place = f"/{self.language}/index.html"
            return Answer(status=HTTPStatus.FOUND, place=place)
        if parts.path == f"/{SHIPPED.name}":
            return Answer(body=SHIPPED.read_bytes(), kind=FONT)
        language, _, file = parts.path.removeprefix("/").partition("/")
        if language in LANGUAGES and file == "index.html":
            return Answer(body=index_page(language).encode())
        name, _, suffix = file.rpartition(".")
        try:
            lesson = read_lesson(name, language)
        except LessonError:
            return _not_found()
        return self._of(lesson, suffix, dict(parse_qsl(parts.query)))

    def _of(self, lesson: Lesson, suffix: str, values: Mapping[str, str]) -> Answer:
        if suffix == "html":
            return Answer(body=lesson_page(lesson).encode())
        if suffix == "ipynb":
            return Answer(body=notebook_text(lesson).encode(), kind=JSON)
        if suffix == "json":
            return self._play(lesson, values)
        return _not_found()

    def _play(self, lesson: Lesson, values: Mapping[str, str]) -> Answer:
        try:
            changed = lesson.changed(values)
            with self._busy:  # one at a time, or none is quick
                if changed not in self._played:
                    self._played[changed] = _outputs(changed)
        except LessonError as error:
            told = json.dumps({"error": str(error)}).encode()
            return Answer(body=told, kind=JSON, status=HTTPStatus.BAD_REQUEST)
        return Answer(body=self._played[changed], kind=JSON)


def open_server(lab: Lab, port: int) -> ThreadingHTTPServer:
    """Open the lab's port, without serving yet.

    Args:
        lab: The lessons.
        port: The port; 0 takes a free one.

    Returns:
        The server.

    Raises:
        SettingError: The port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        """Hands requests to the lab."""

        def do_GET(self) -> None:
            """Answer one request."""
            # a page of somebody else's may not ask through its own name
            names = {f"{name}:{opened.server_port}" for name in (HOST, "localhost")}
            if self.headers.get("Host") not in names:
                self.send_error(HTTPStatus.FORBIDDEN)
                return
            answer = lab.answer(self.path)
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.kind)
            self.send_header("Content-Length", str(len(answer.body)))
            if answer.place:
                self.send_header("Location", answer.place)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Say nothing: a terminal is not a log."""

    try:
        opened = ThreadingHTTPServer((HOST, port), Handler)
    except OSError as error:
        raise SettingError(
            f"Expected a free port, got {port} ({error.strerror}). Choose another "
            "--port, or 0 for any."
        ) from error
    return opened


def _outputs(lesson: Lesson) -> bytes:
    told = {
        "outputs": [output_html(one, lesson.language) for one in play(lesson)],
        "code": [code_html(cell) for cell in lesson.cells],
    }
    return json.dumps(told).encode()


def _not_found() -> Answer:
    return Answer(body=b"Not found.", kind="text/plain", status=HTTPStatus.NOT_FOUND)
