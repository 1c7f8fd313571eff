"""Run a lesson's code as a process of its own, and keep what each cell shows.

The code runs as it stands on the page, from top to bottom in one program. Models that
a lesson trains are counted in an index that is thrown away with it: a lesson is no
trial on anybody's prices.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from closecast.errors import LessonError
from closecast.experiments.index import INDEX_VARIABLE
from closecast.lab.lesson import Lesson

ON_PAGE = "CLOSECAST_LAB_PAGE"
"""Environment variable that is set where a lesson is run for a page."""

RECORD = "\x1e"
"""Begins a line of the output that is a record for the page and not text."""

LONGEST_S = 900
"""A lesson that runs longer hangs; on a busy machine one of seconds takes minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A figure that a cell showed.

    Attributes:
        svg: An ``<svg>``.
        alt: What it shows, in words.
    """

    svg: str
    alt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What a cell showed.

    Attributes:
        text: What it printed.
        drawings: Its figures.
    """

    text: str = ""
    drawings: tuple[Drawing, ...] = ()


def play(lesson: Lesson) -> tuple[Output, ...]:
    """Run a lesson.

    Args:
        lesson: The lesson, its numbers changed or not.

    Returns:
        What each cell showed.

    Raises:
        LessonError: Its code failed, or ran too long.
    """
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / f"{lesson.name.replace('-', '_')}.py"
        script.write_text(_script(lesson), encoding="utf-8")
        told = {ON_PAGE: "1", INDEX_VARIABLE: str(Path(folder) / "index.sqlite")}
        try:
            done = subprocess.run(  # noqa: S603  our own lesson
                [sys.executable, "-X", "utf8", str(script)],
                cwd=folder,
                env={"OMP_NUM_THREADS": "1", **os.environ, **told},
                capture_output=True,
                encoding="utf-8",
                check=False,
                timeout=LONGEST_S,
            )
        except subprocess.TimeoutExpired as error:
            raise LessonError(
                f"Expected lesson {lesson.name} to end within {LONGEST_S} s, got no "
                "end. Try it on a machine that is less busy."
            ) from error
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        raise LessonError(
            f"Expected lesson {lesson.name} ({lesson.language}) to run, got "
            f"{' '.join(last) or done.returncode}. Run its notebook to see where."
        )
    return tuple(_outputs(done.stdout, len(lesson.cells)))


def _script(lesson: Lesson) -> str:
    mark = f'print("\\n" + {RECORD!r} + "{{}}")'
    return "\n\n".join(f"{cell}\n{mark}" for cell in lesson.cells)


def _outputs(printed: str, cells: int) -> Iterator[Output]:
    """Take what was printed apart, cell after cell.

    Args:
        printed: All of it.
        cells: How many cells there are.

    Yields:
        What each cell showed.

    """
    for part in printed.split(f"\n{RECORD}{{}}\n")[:cells]:
        lines = part.split("\n")
        records = [json.loads(line[1:]) for line in lines if line.startswith(RECORD)]
        text = "\n".join(line for line in lines if not line.startswith(RECORD))
        yield Output(
            text=text.strip("\n"),
            drawings=tuple(Drawing(**record) for record in records),
        )
