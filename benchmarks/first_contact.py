"""What a newcomer waits for: the import, the help page, the demo.

Each is a whole process of its own, timed from outside.

    python benchmarks/first_contact.py --out benchmarks/results/first_contact.json
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import publish

COMMANDS = {
    "import_closecast": [sys.executable, "-c", "import closecast"],
    "python_alone": [sys.executable, "-c", "pass"],
    "help": [sys.executable, "-m", "closecast", "--help"],
}


def timed(command: list[str], cwd: str) -> tuple[float, float]:
    """Run a command; give its wall and CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, cwd=cwd, check=True, capture_output=True)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    return wall, cpu


def measured(command: list[str], runs: int) -> dict[str, float]:
    """Run a command several times after one warm-up; give medians."""
    with tempfile.TemporaryDirectory() as folder:
        timed(command, folder)
        figures = [timed(command, folder) for _ in range(runs)]
    return {
        "runs": runs,
        "wall_s": round(statistics.median(wall for wall, _ in figures), 3),
        "cpu_s": round(statistics.median(cpu for _, cpu in figures), 3),
    }


def main() -> None:
    """Measure everything and say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    demo = [sys.executable, "-m", "closecast", "demo", "--out", "run"]
    found = {name: measured(one, arguments.runs) for name, one in COMMANDS.items()}
    publish(found | {"demo": measured(demo, 3)}, arguments.out)


if __name__ == "__main__":
    main()
