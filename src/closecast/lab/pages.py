"""Lessons as HTML pages: live from a server, or still with their outputs in them.

A page asks nothing of any other machine. Its words come from the lesson, and from
``WORDS`` for what is around it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from closecast.lab.fonts import SHIPPED
from closecast.lab.lesson import (
    LANGUAGES,
    Control,
    Lesson,
    neighbours,
    read_lessons,
)
from closecast.lab.notebook import notebook_text
from closecast.lab.play import Output, play

TEMPLATES = Path(__file__).parent / "templates"

WORDS = {
    "en": {
        "lab": "The lab",
        "intro": "The lecture as running software: every topic of the slides is a "
        "lesson that shows its effect on real prices in seconds.",
        "lesson": "Lesson",
        "slides": "In the slides",
        "change": "Change a number:",
        "running": "Running ...",
        "gone": "The server has ended. Start it again with: closecast lab",
        "notebook": "Notebook",
        "other": "한국어",
        "figure": "The figure in words",
        "footer": "Real prices of five US stocks, 2000 to 2013, that come with "
        "closecast. No investment advice.",
    },
    "ko": {
        "lab": "실습실",
        "intro": "강의를 실행되는 소프트웨어로 옮겼습니다. 슬라이드의 주제마다 실제 "
        "주가에서 효과를 몇 초 만에 확인하는 강이 하나씩 있습니다.",
        "lesson": "실습",
        "slides": "슬라이드",
        "change": "숫자 바꿔 보기:",
        "running": "실행 중 ...",
        "gone": "서버가 꺼졌습니다. closecast lab으로 다시 켜세요.",
        "notebook": "노트북",
        "other": "English",
        "figure": "그림을 말로",
        "footer": "closecast에 들어 있는 2000~2013년 미국 주식 다섯 종목의 실제 "
        "주가입니다. 투자 조언이 아닙니다.",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a lesson as a page shows it.

    Attributes:
        html: Its text, or what a cell showed.
        code: The code of a cell; None for text.
        controls: The numbers of a cell to change.
    """

    html: Markup
    code: Markup | None = None
    controls: tuple[Control, ...] = ()


def lesson_page(lesson: Lesson, outputs: Sequence[Output] | None = None) -> str:
    """Write the page of a lesson.

    Args:
        lesson: The lesson.
        outputs: What its cells showed; None for a page that asks its server.

    Returns:
        A page of HTML.
    """
    before, after = neighbours(lesson, read_lessons(lesson.language))
    return _render(
        "lesson.html.j2",
        lesson.language,
        title=lesson.title,
        lesson=lesson,
        before=before,
        after=after,
        live=outputs is None,
        pieces=_pieces(lesson, outputs),
    )


def index_page(language: str) -> str:
    """Write the page that lists the lessons.

    Args:
        language: ``en`` or ``ko``.

    Returns:
        A page of HTML.
    """
    return _render(
        "index.html.j2",
        language,
        title=WORDS[language]["lab"],
        lesson=None,
        lessons=read_lessons(language),
    )


def write_pages(folder: Path, languages: Sequence[str] = LANGUAGES) -> list[Path]:
    """Run every lesson and write its page, to be opened without a server.

    Args:
        folder: Where to.
        languages: Languages to write.

    Returns:
        The pages.

    Raises:
        LessonError: The code of a lesson failed.
    """
    written = []
    for language in languages:
        (folder / language).mkdir(parents=True, exist_ok=True)
        pages = {"index.html": index_page(language)}
        for lesson in read_lessons(language):
            pages[f"{lesson.name}.html"] = lesson_page(lesson, play(lesson))
            pages[f"{lesson.name}.ipynb"] = notebook_text(lesson)
        for name, text in pages.items():
            path = folder / language / name
            path.write_text(text, encoding="utf-8")
            written.append(path)
    (folder / SHIPPED.name).write_bytes(SHIPPED.read_bytes())
    return written


def output_html(output: Output, language: str) -> Markup:
    """Write what a cell showed.

    Args:
        output: What it showed.
        language: Of the words around it.

    Returns:
        HTML; empty where it showed nothing.
    """
    text = Markup("<pre>{}</pre>").format(output.text) if output.text else Markup()
    figures = [
        Markup(
            "<figure>{}</figure><details><summary>{}</summary><p>{}</p></details>"
        ).format(
            Markup(drawing.svg),  # noqa: S704  drawn here
            WORDS[language]["figure"],
            drawing.alt,
        )
        for drawing in output.drawings
    ]
    return text + Markup().join(figures)


def code_html(code: str) -> Markup:
    """Write Python with colours.

    Args:
        code: The Python.

    Returns:
        HTML.
    """
    from pygments import highlight  # type: ignore[import-untyped]
    from pygments.formatters import (  # type: ignore[import-untyped]
        HtmlFormatter,
    )
    from pygments.lexers import PythonLexer  # type: ignore[import-untyped]

    return Markup(highlight(code, PythonLexer(), HtmlFormatter()))  # noqa: S704


def text_html(text: str) -> Markup:
    """Write Markdown as HTML.

    Args:
        text: Markdown of a lesson.

    Returns:
        HTML.
    """
    from markdown_it import MarkdownIt

    return Markup(MarkdownIt("commonmark").enable("table").render(text))  # noqa: S704


def _pieces(lesson: Lesson, outputs: Sequence[Output] | None) -> list[Piece]:
    shown = iter(outputs or [Output()] * len(lesson.cells))
    return [
        Piece(
            html=output_html(next(shown), lesson.language),
            code=code_html(part.text),
            controls=part.controls,
        )
        if part.is_code
        else Piece(html=text_html(part.text))
        for part in lesson.parts
    ]


def _render(template: str, language: str, **values: Any) -> str:  # noqa: ANN401
    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    root = "../"
    style = found.get_template("style.css").render(root=root)
    return found.get_template(template).render(
        language=language,
        other=next(one for one in LANGUAGES if one != language),
        t=WORDS[language],
        root=root,
        style=Markup(style),  # noqa: S704  our own
        **values,
    )
