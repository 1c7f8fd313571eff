import json
import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from closecast.experiments.index import INDEX_VARIABLE
from closecast.lab.lesson import LANGUAGES, lesson_names, read_lesson
from closecast.lab.notebook import notebook_text, write_notebooks


@pytest.mark.slow
@pytest.mark.parametrize("name", lesson_names())
def test_every_notebook_runs(name: str, tmp_path: Path, monkeypatch):
    """In Jupyter's own kernel, without a warning, and each figure has its words."""
    monkeypatch.setenv("PYTHONWARNINGS", "error::UserWarning")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv(INDEX_VARIABLE, os.fspath(tmp_path / "index.sqlite"))
    language = LANGUAGES[int(name[:2]) % 2]  # the code is the same in both
    lesson = read_lesson(name, language)
    book = nbformat.reads(notebook_text(lesson), as_version=4)

    NotebookClient(
        book, timeout=900, resources={"metadata": {"path": tmp_path}}
    ).execute()

    cells = [cell for cell in book.cells if cell.cell_type == "code"]
    shown = [cell for cell in cells if "show(" in cell.source]
    assert [cell.source for cell in cells] == list(lesson.cells)
    assert shown
    for cell in shown:
        html = [o.data["text/html"] for o in cell.outputs if "data" in o]
        assert any("aria-label=" in one for one in html)


@pytest.mark.parametrize("language", LANGUAGES)
def test_notebooks_are_valid(language: str):
    """Jupyter's own schema has nothing to say against them."""
    for name in lesson_names():
        book = json.loads(notebook_text(read_lesson(name, language)))
        nbformat.validate(book)
        assert book["cells"][0]["source"] == [
            f"# {int(name[:2])}. {read_lesson(name, language).title}"
        ]


def test_all_of_them_are_written(tmp_path: Path):
    """A file for each lesson and language, with Hangul as it is written."""
    written = write_notebooks(tmp_path / "books")

    assert len(written) == 22
    assert all(path.is_file() for path in written)
    korean = tmp_path / "books" / "01-why-lstm.ko.ipynb"
    assert "왜 LSTM인가" in korean.read_text(encoding="utf-8")
