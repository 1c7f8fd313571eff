import ast
import re

import pytest

from closecast.errors import LessonError
from closecast.lab.lesson import (
    LANGUAGES,
    LESSONS,
    Lesson,
    lesson_names,
    neighbours,
    parse,
    read_lesson,
    read_lessons,
)

HANGUL = re.compile("[가-힣]")
TEXT = """---
title: A title
slides: some words
summary: A summary.
---
Before.

```python
rate = 0.1  # change: 0.1, "high", 1.0
other = 2
```

Between, and `rate = 3  # change: 4`.

```python
print(rate)
```
"""


def without_words(cell: str) -> str:
    """Give the code of a cell with each text put aside, and without comments."""
    tree = ast.parse(cell)
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            kept = {
                ast.unparse(part.value)
                for part in node.values
                if isinstance(part, ast.FormattedValue)
            }
            node.values = [ast.Constant(" ".join(sorted(kept)))]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = HANGUL.sub("", node.value) and ""
    return ast.unparse(tree)


@pytest.mark.parametrize("name", lesson_names())
def test_both_languages_have_the_same_code(name: str):
    """Comments and words differ, and nothing else; the numbers to change are alike."""
    english, korean = (read_lesson(name, language) for language in LANGUAGES)

    assert len(english.cells) == len(korean.cells)
    for one, other in zip(english.cells, korean.cells, strict=True):
        assert without_words(one) == without_words(other)
    assert english.controls == korean.controls
    assert [part.is_code for part in english.parts] == [
        part.is_code for part in korean.parts
    ]


def test_other_code_would_be_seen():
    """The comparison above looks through words and comments, and at numbers."""
    assert without_words('x = 1  # one\nprint("a", f"b {x}")') == without_words(
        'x = 1  # 하나\nprint("가", f"{x} 나")'
    )
    assert without_words("x = 1") != without_words("x = 2")
    assert without_words('f"{x}"') != without_words('f"{y}"')


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", lesson_names())
def test_every_lesson_is_whole(name: str, language: str):
    """A figure, a number to change, a question with its answer; Korean in Korean."""
    lesson = read_lesson(name, language)
    prose = "\n".join(part.text for part in lesson.parts if not part.is_code)

    assert lesson.controls
    for control in lesson.controls:
        assert control.value in control.choices
        assert len(control.choices) > 1
    assert any("show(" in cell for cell in lesson.cells)
    assert "<details>" in prose
    assert "</details>" in prose
    question = "## Question" if language == "en" else "## 질문"
    assert question in prose
    assert bool(HANGUL.search(lesson.summary)) == (language == "ko")
    assert bool(HANGUL.search("".join(lesson.cells))) == (language == "ko")


def test_the_lecture_has_eleven_lessons():
    """Every topic of the slides, and what comes after, in both languages."""
    assert [lesson.number for lesson in read_lessons()] == list(range(1, 12))
    assert len(list(LESSONS.iterdir())) == 22


def parsed() -> Lesson:
    return parse(TEXT, "03-a-title", "en")


def test_a_text_is_taken_apart():
    """Head, text and cells, in order; a control is in a cell and not in the text."""
    lesson = parsed()

    assert (lesson.title, lesson.number) == ("A title", 3)
    assert [part.is_code for part in lesson.parts] == [False, True, False, True]
    assert lesson.cells[1] == "print(rate)"
    (control,) = lesson.controls
    assert (control.name, control.value) == ("rate", "0.1")
    assert control.choices == ("0.1", '"high"', "1.0")


def test_a_number_is_changed_where_it_stands():
    """Only the value of the control is another one, and its choices stay."""
    changed = parsed().changed({"rate": '"high"'})

    assert changed.cells[0].splitlines() == [
        'rate = "high"  # change: 0.1, "high", 1.0',
        "other = 2",
    ]
    assert changed.parts[2] == parsed().parts[2]
    assert changed.changed({"rate": "0.1"}) == parsed()


@pytest.mark.parametrize(
    "values", [{"rate": "3"}, {"other": "3"}, {"rate": "0.1; import os"}]
)
def test_a_value_that_is_not_offered_is_refused(values: dict[str, str]):
    """A page can put nothing into the code but what its author has written there."""
    with pytest.raises(LessonError, match=r'rate: 0.1, "high", 1.0\), got'):
        parsed().changed(values)


def test_what_is_not_there_is_told():
    """Names and languages are offered; a text without head is named."""
    with pytest.raises(LessonError, match=r"01-why-lstm, .* got '12-more'"):
        read_lesson("12-more")
    with pytest.raises(LessonError, match="among en, ko, got 'fr'"):
        read_lessons("fr")
    with pytest.raises(LessonError, match=r"none of summary \(lesson x, en"):
        parse("---\ntitle: a\nslides: b\n---\ntext", "x", "en")
    with pytest.raises(LessonError, match="none of title, slides, summary"):
        parse("text", "x", "en")


def test_a_lesson_knows_its_neighbours():
    """The first has none before it, the last none after it."""
    lessons = read_lessons()

    assert neighbours(lessons[0], lessons) == (None, lessons[1])
    assert neighbours(lessons[10], lessons) == (lessons[9], None)
