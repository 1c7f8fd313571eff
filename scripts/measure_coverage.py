"""Measure what the tests reach: branches and lines, by room.

    python scripts/measure_coverage.py                  # the whole suite, 25 minutes
    python scripts/measure_coverage.py tests/windows    # a part, printed and not kept

Needs pytest-cov. Writes benchmarks/results/coverage.json after a whole run.
"""

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
from machine import ROOT, machine

COUNTED = ("covered_lines", "num_statements", "covered_branches", "num_branches")


def measured(parts: list[str], report: Path) -> None:
    """Run the tests and write coverage's own report."""
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "2", "--cov", "--cov-branch",
         f"--cov-report=json:{report}", "--cov-fail-under=0", *parts],
        cwd=ROOT, check=True,
    )  # fmt: skip


def by_room(report: dict[str, object]) -> dict[str, float]:
    """Add up the files of each room; give shares in percent."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0] * len(COUNTED))
    for name, one in report["files"].items():  # type: ignore[attr-defined]
        room = Path(name).parts[2].removesuffix(".py")
        for at, key in enumerate(COUNTED):
            sums[room][at] += one["summary"].get(key, 0)
    return {
        room: round(100 * (lines + branches) / max(1, of_lines + of_branches), 1)
        for room, (lines, of_lines, branches, of_branches) in sorted(sums.items())
    }


def main() -> None:
    """Measure and say it."""
    parts = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coverage.json"
        measured(parts, path)
        report = json.loads(path.read_text())
    share = round(report["totals"]["percent_covered"], 1)
    result = {"machine": machine(), "branches": share, "rooms": by_room(report)}
    text = json.dumps(result, indent=2) + "\n"
    print(text)
    if not parts:
        (ROOT / "benchmarks" / "results" / "coverage.json").write_text(text)


if __name__ == "__main__":
    main()
