import webbrowser
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from closecast.cli import app
from closecast.lab import pages
from closecast.lab.play import Output


def run(*arguments: str):
    """Type a command."""
    return CliRunner().invoke(app, ["lab", *arguments])


def test_notebooks_are_written(tmp_path: Path):
    """One a lesson and language, and the command ends."""
    done = run("--notebooks", str(tmp_path / "books"))

    assert done.exit_code == 0, done.output
    assert done.output.startswith("Notebooks: 22 in ")
    assert len(list((tmp_path / "books").glob("*.ipynb"))) == 22


def test_pages_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """To be opened without a server."""
    monkeypatch.setattr(pages, "play", lambda lesson: [Output()] * len(lesson.cells))
    done = run("--out", str(tmp_path), "--language", "ko")

    assert done.exit_code == 0, done.output
    assert (tmp_path / "ko" / "index.html").is_file()
    assert "ko/index.html" in done.output


@pytest.mark.parametrize("browser", [True, False])
def test_the_lab_opens_and_closes(monkeypatch: pytest.MonkeyPatch, browser: bool):
    """The browser is sent to the first page, and Ctrl-C ends it with a word."""
    opened: list[str] = []

    def interrupted(_: ThreadingHTTPServer) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr(ThreadingHTTPServer, "serve_forever", interrupted)
    done = run(
        "--port", "0", "--language", "ko", *([] if browser else ["--no-browser"])
    )

    assert done.exit_code == 0, done.output
    assert done.output.endswith("The lab is closed.\n")
    assert [place.endswith("/ko/index.html") for place in opened] == [True] * browser


def test_what_cannot_be_is_told(tmp_path: Path):
    """Another language, and a file where a folder is meant."""
    (tmp_path / "file").write_text("")

    assert "among en, ko, got 'fr'" in str(run("--language", "fr").exception)
    done = run("--notebooks", str(tmp_path / "file"))
    assert "Expected a folder to write to" in str(done.exception)
