"""Lessons as notebooks of Jupyter, in its format 4.5."""

import json
from pathlib import Path
from typing import Any

from closecast.lab.lesson import LANGUAGES, Lesson, Part, read_lessons


def notebook(lesson: Lesson) -> dict[str, Any]:
    """Turn a lesson into a notebook without outputs.

    Args:
        lesson: The lesson.

    Returns:
        What an ``.ipynb`` holds.

    Source: nbformat 4.5, nbformat.readthedocs.io.
    """
    title = Part(text=f"# {lesson.number}. {lesson.title}", is_code=False)
    return {
        "cells": [
            _cell(part, f"{lesson.name}-{at}")
            for at, part in enumerate((title, *lesson.parts))
        ],
        "metadata": {
            "kernelspec": {
                "display_name": "Python 3",
                "language": "python",
                "name": "python3",
            },
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def notebook_text(lesson: Lesson) -> str:
    """Write a lesson as the text of an ``.ipynb``.

    Args:
        lesson: The lesson.

    Returns:
        JSON.
    """
    return json.dumps(notebook(lesson), indent=1, ensure_ascii=False) + "\n"


def write_notebooks(folder: Path) -> list[Path]:
    """Write every lesson in every language as a notebook.

    Args:
        folder: Where to; made if absent.

    Returns:
        The files ``NAME.LANGUAGE.ipynb``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for language in LANGUAGES:
        for lesson in read_lessons(language):
            path = folder / f"{lesson.name}.{language}.ipynb"
            path.write_text(notebook_text(lesson), encoding="utf-8")
            written.append(path)
    return written


def _cell(part: Part, name: str) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": "code" if part.is_code else "markdown",
        "id": name,
        "metadata": {},
        "source": part.text.splitlines(keepends=True),
    }
    if part.is_code:
        cell |= {"execution_count": None, "outputs": []}
    return cell
