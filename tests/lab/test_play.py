import pytest

from closecast.errors import LessonError
from closecast.lab import play as room
from closecast.lab.lesson import Lesson, Part
from closecast.lab.play import Drawing, Output, play


def lesson(*cells: str) -> Lesson:
    """Make a lesson of some cells."""
    return Lesson(
        name="01-mine", language="en", title="", slides="", summary="",
        parts=tuple(Part(text=cell, is_code=True) for cell in cells),
    )  # fmt: skip


def test_each_cell_has_what_it_showed():
    """Cells share their variables; text and figures come back cell by cell."""
    first, second, third = play(
        lesson(
            "x = 1\nprint(x)\nprint()\nprint('둘')",
            "x += 1",
            "from closecast.lab import canvas, show\n"
            "picture = show(canvas()[0], f'number {x}')\n"
            "print('after')",
        )
    )

    assert first == Output(text="1\n\n둘")
    assert second == Output()
    assert third.text == "after"
    (drawing,) = third.drawings
    assert isinstance(drawing, Drawing)
    assert drawing.alt == "number 2"
    assert drawing.svg.startswith("<svg ")


def test_a_cell_without_end_of_line_is_apart_from_the_next():
    """A figure's record never sticks to text before it."""
    one, two = play(lesson("print('a', end='')", "print('b', end='')"))

    assert (one.text, two.text) == ("a", "b")


def test_trials_of_a_lesson_are_not_counted(own_index):
    """What a lesson trains is in an index of its own, which is gone afterwards."""
    cell = (
        "import os\nfrom closecast.experiments.index import INDEX_VARIABLE\n"
        "print(os.environ[INDEX_VARIABLE])"
    )
    (output,) = play(lesson(cell))

    assert output.text.endswith("index.sqlite")
    assert output.text != str(own_index)


def test_a_failure_is_told_with_its_error():
    """Which lesson, and what went wrong."""
    with pytest.raises(LessonError, match=r"01-mine \(en\) to run, got ZeroDivisionEr"):
        play(lesson("1 / 0"))


def test_a_lesson_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch):
    """A page does not wait for ever."""
    monkeypatch.setattr(room, "LONGEST_S", 0.5)
    with pytest.raises(LessonError, match=r"to end within 0\.5 s, got no end"):
        play(lesson("import time\ntime.sleep(60)"))
