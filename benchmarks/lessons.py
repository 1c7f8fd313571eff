"""How long each lesson of the lab takes, as a reader waits for it.

Every lesson is run as its page runs it, a process of its own with its imports, in both
languages; the median of some runs is kept. Asked: less than twenty seconds each.

    python benchmarks/lessons.py --out benchmarks/results/lessons.json   # 4 minutes
"""

import argparse
import resource
import statistics
import time
from pathlib import Path

from machine import publish

from closecast.lab.lesson import LANGUAGES, Lesson, lesson_names, read_lesson
from closecast.lab.play import play


def cpu_of_children() -> float:
    """Add up what ended processes took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def timed(lesson: Lesson) -> tuple[float, float]:
    """Run a lesson; give its wall and CPU seconds."""
    start, before = time.perf_counter(), cpu_of_children()
    play(lesson)
    return time.perf_counter() - start, cpu_of_children() - before


def main() -> None:
    """Time every lesson and say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    found: dict[str, object] = {}
    for name in lesson_names():
        for language in LANGUAGES:
            runs = [timed(read_lesson(name, language)) for _ in range(arguments.runs)]
            found[f"{name}.{language}"] = {
                "wall_s": round(statistics.median(wall for wall, _ in runs), 2),
                "cpu_s": round(statistics.median(cpu for _, cpu in runs), 2),
            }
    publish({"runs": arguments.runs, "lessons": found}, arguments.out)


if __name__ == "__main__":
    main()
