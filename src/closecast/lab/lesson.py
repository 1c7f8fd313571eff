"""A lesson: one text for the page, the notebook and the documentation.

A lesson is ``lessons/NAME.LANGUAGE.md``: a head of ``key: value`` lines, then Markdown.
Each fenced block of Python is a cell, run in order. A line that ends in
``# change: 1, 2, 3`` is a control: a number to change, and what it may be. Both
languages have the same code but for comments and words.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from closecast.errors import LessonError

LESSONS = Path(__file__).parent / "lessons"

LANGUAGES = ("en", "ko")

CONTROL = re.compile(
    r"^(?P<name>\w+) = (?P<value>.+?)  # (?:change|바꿔 보기): (?P<choices>.+)$",
    re.MULTILINE,
)

HEAD = re.compile(r"---\n(.*?)\n---\n", re.DOTALL)

CELL = re.compile(r"^```python\n(.*?)\n```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A number to change.

    Attributes:
        name: Its variable.
        value: What it is, as Python writes it.
        choices: What it may be.
    """

    name: str
    value: str
    choices: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of a lesson.

    Attributes:
        text: Markdown, or the Python of a cell.
        is_code: Whether it is a cell.
    """

    text: str
    is_code: bool

    @property
    def controls(self) -> tuple[Control, ...]:
        """The numbers to change in a cell."""
        if not self.is_code:
            return ()
        return tuple(
            Control(
                name=found["name"],
                value=found["value"],
                choices=tuple(found["choices"].split(", ")),
            )
            for found in CONTROL.finditer(self.text)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """A lesson in one language.

    Attributes:
        name: Its name, such as ``01-why-lstm``.
        language: ``en`` or ``ko``.
        title: Its title.
        slides: The slides' words that it is about.
        summary: One or two sentences.
        parts: Text and cells, in order.
    """

    name: str
    language: str
    title: str
    slides: str
    summary: str
    parts: tuple[Part, ...]

    @property
    def number(self) -> int:
        """Its place in the lecture, from 1."""
        return int(self.name.split("-")[0])

    @property
    def cells(self) -> tuple[str, ...]:
        """The Python of each cell."""
        return tuple(part.text for part in self.parts if part.is_code)

    @property
    def controls(self) -> tuple[Control, ...]:
        """The numbers to change."""
        return tuple(control for part in self.parts for control in part.controls)

    def changed(self, values: Mapping[str, str]) -> "Lesson":
        """Change numbers.

        Args:
            values: New values by the name of their control.

        Returns:
            The lesson with these values in its code.

        Raises:
            LessonError: There is no such control, or it may not be that.
        """
        known = {control.name: control.choices for control in self.controls}
        for name, value in values.items():
            if value not in known.get(name, ()):
                offered = "; ".join(f"{n}: {', '.join(c)}" for n, c in known.items())
                raise LessonError(
                    f"Expected a control and one of its values ({offered}), got "
                    f"{name}={value} (lesson {self.name}). Choose one of these."
                )
        return replace(self, parts=tuple(_changed(part, values) for part in self.parts))


def lesson_names() -> tuple[str, ...]:
    """List the lessons in their order."""
    return tuple(sorted(path.name.split(".")[0] for path in LESSONS.glob("*.en.md")))


def read_lesson(name: str, language: str = "en") -> Lesson:
    """Read a lesson.

    Args:
        name: Its name, such as ``01-why-lstm``.
        language: ``en`` or ``ko``.

    Returns:
        The lesson.

    Raises:
        LessonError: There is no such lesson or language.
    """
    require_language(language)
    if name not in lesson_names():
        raise LessonError(
            f"Expected a lesson, one of {', '.join(lesson_names())}, got {name!r}."
        )
    text = (LESSONS / f"{name}.{language}.md").read_text(encoding="utf-8")
    return parse(text, name, language)


def read_lessons(language: str = "en") -> tuple[Lesson, ...]:
    """Read all lessons.

    Args:
        language: ``en`` or ``ko``.

    Returns:
        The lessons in their order.

    Raises:
        LessonError: There is no such language.
    """
    return tuple(read_lesson(name, language) for name in lesson_names())


def require_language(language: str) -> None:
    """Refuse a language that the lessons do not have.

    Args:
        language: Its code.

    Raises:
        LessonError: There is no such language.
    """
    if language not in LANGUAGES:
        raise LessonError(
            f"Expected a language among {', '.join(LANGUAGES)}, got {language!r}. "
            "Choose one of them."
        )


def parse(text: str, name: str, language: str) -> Lesson:
    """Take a lesson's text apart.

    Args:
        text: The file's content.
        name: Name of the lesson.
        language: Its language.

    Returns:
        The lesson.

    Raises:
        LessonError: There is no head, or it lacks a key.
    """
    found = HEAD.match(text)
    lines = found[1].splitlines() if found else []
    head = dict(line.split(": ", 1) for line in lines if ": " in line)
    missing = [key for key in ("title", "slides", "summary") if key not in head]
    if found is None or missing:
        raise LessonError(
            f"Expected a head with title, slides and summary, got none of "
            f"{', '.join(missing)} (lesson {name}, {language}). Write it between two "
            "lines of ---."
        )
    return Lesson(
        name=name,
        language=language,
        title=head["title"],
        slides=head["slides"],
        summary=head["summary"],
        parts=tuple(_parts(text[found.end() :])),
    )


def _parts(text: str) -> Iterator[Part]:
    for at, piece in enumerate(CELL.split(text)):
        if piece.strip():
            yield Part(text=piece.strip("\n"), is_code=at % 2 == 1)


def _changed(part: Part, values: Mapping[str, str]) -> Part:
    if not part.is_code:
        return part

    def line(found: re.Match[str]) -> str:
        if found["name"] not in values:
            return found[0]
        start, end = (at - found.start() for at in found.span("value"))
        return found[0][:start] + values[found["name"]] + found[0][end:]

    return replace(part, text=CONTROL.sub(line, part.text))


def neighbours(
    lesson: Lesson, lessons: Sequence[Lesson]
) -> tuple[Lesson | None, Lesson | None]:
    """Find the lessons before and after one.

    Args:
        lesson: The one.
        lessons: All of a language, in their order.

    Returns:
        The one before and the one after; None at an end.
    """
    at = [one.name for one in lessons].index(lesson.name)
    before = lessons[at - 1] if at > 0 else None
    return before, lessons[at + 1] if at + 1 < len(lessons) else None
