import json
import threading
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from closecast.errors import LessonError, SettingError
from closecast.lab import server as room
from closecast.lab.fonts import SHIPPED
from closecast.lab.play import Output
from closecast.lab.server import HOST, Lab, open_server


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lessons are not run, and each that would be is noted."""
    names: list[str] = []

    def play(lesson):
        names.append(lesson.controls[0].value)
        if lesson.name.startswith("05"):
            raise LessonError("Expected a lesson to run, got an error.")
        return [Output(text=lesson.controls[0].value)] * len(lesson.cells)

    monkeypatch.setattr(room, "play", play)
    return names


@pytest.fixture
def port() -> Iterator[int]:
    """A lab that serves on a free port, in Korean first."""
    with open_server(Lab(language="ko"), 0) as opened:
        thread = threading.Thread(target=opened.serve_forever)
        thread.start()
        yield opened.server_port
        opened.shutdown()
        thread.join()


def get(port: int, target: str, host: str | None = None) -> tuple[int, dict, bytes]:
    """Ask a server."""
    connection = HTTPConnection(HOST, port, timeout=30)
    headers = {} if host is None else {"Host": host}
    connection.request("GET", target, headers=headers)
    answer = connection.getresponse()
    found = answer.status, dict(answer.headers), answer.read()
    connection.close()
    return found


def test_a_number_is_changed_and_what_was_run_is_kept(played: list[str]):
    """Each choice is run once; the answer has code and output."""
    lab = Lab()
    first = json.loads(lab.answer("/en/01-why-lstm.json").body)
    second = json.loads(lab.answer("/en/01-why-lstm.json?forget_bias=3.0").body)
    lab.answer("/en/01-why-lstm.json?forget_bias=0.0")

    assert played == ["0.0", "3.0"]
    assert first["outputs"][0] == "<pre>0.0</pre>"
    assert second["outputs"][2] == "<pre>3.0</pre>"
    assert "3.0" in second["code"][0]
    assert len(first["code"]) == 3


def test_what_is_not_offered_is_not_run(played: list[str]):
    """A page gets the sentence, and nothing runs."""
    answer = Lab().answer("/en/01-why-lstm.json?forget_bias=__import__('os')")

    assert answer.status == 400
    assert (
        "Expected a control and one of its values" in json.loads(answer.body)["error"]
    )
    assert played == []


@pytest.mark.usefixtures("played")
def test_a_lesson_that_fails_tells_its_page():
    """The sentence of the error is what is shown."""
    answer = Lab().answer("/en/05-dropout.json")

    assert answer.status == 400
    assert json.loads(answer.body) == {
        "error": "Expected a lesson to run, got an error."
    }


def test_pages_are_served(port: int):
    """The first page is the index in the language asked for; lessons, books, font."""
    status, headers, _ = get(port, "/")
    assert (status, headers["Location"]) == (302, "/ko/index.html")
    assert "실습실" in get(port, "/ko/index.html")[2].decode()
    assert "Why an LSTM" in get(port, "/en/01-why-lstm.html")[2].decode()
    book = json.loads(get(port, "/ko/01-why-lstm.ipynb")[2])
    assert book["nbformat"] == 4
    assert get(port, f"/{SHIPPED.name}")[2] == SHIPPED.read_bytes()


@pytest.mark.parametrize(
    "target",
    ["/fr/index.html", "/en/12-more.html", "/en/01-why-lstm.py", "/en/../x", "/en"],
)
def test_what_is_not_there_is_not_found(port: int, target: str):
    """No file but the lessons is served."""
    assert get(port, target)[0] == 404


def test_another_name_for_this_machine_is_refused(port: int):
    """A page of somebody else cannot ask through a name that it owns."""
    assert get(port, "/en/index.html", f"localhost:{port}")[0] == 200
    assert get(port, "/en/index.html", "lab.example")[0] == 403


def test_a_port_that_is_taken_is_told(port: int):
    """With what to do."""
    with pytest.raises(
        SettingError, match=f"a free port, got {port} .* Choose another"
    ):
        open_server(Lab(), port)
