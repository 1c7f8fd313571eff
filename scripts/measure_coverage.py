"""Measure what the tests reach: branches and lines, by room.

    python scripts/measure_coverage.py                  # the whole suite, 25 minutes
    python scripts/measure_coverage.py tests/windows    # a part, printed and not kept

Needs pytest-cov. Writes benchmarks/results/coverage.json after a whole run, also after
one with failed tests: then it names them, and the page says so.
"""

import json
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
from machine import ROOT, publish

COUNTED = ("covered_lines", "num_statements", "covered_branches", "num_branches")
WHOLE = ("windows", "evaluation", "engine")
"""Rooms of which every line and branch is to be reached."""

ALL_RAN, SOME_FAILED = 0, 1
"""Exit codes of pytest after which there is something to report."""


def measured(parts: list[str], folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run the tests; give coverage's own report and what became of the tests."""
    report, tests = folder / "coverage.json", folder / "tests.xml"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "2", "--cov", "--cov-branch",
         f"--cov-report=json:{report}", "--cov-fail-under=0", f"--junitxml={tests}",
         *parts],
        cwd=ROOT, check=False,
    )  # fmt: skip
    if done.returncode not in {ALL_RAN, SOME_FAILED}:
        raise SystemExit("Expected tests that run, got none. See above.")
    return json.loads(report.read_text()), outcomes(tests)


def outcomes(tests: Path) -> dict[str, Any]:
    """Count tests by how they ended, and name those that failed."""
    counts: Counter[str] = Counter()
    failed = []
    for case in ET.parse(tests).iter("testcase"):  # noqa: S314  pytest's own
        kinds = {one.tag for one in case} & {"failure", "error", "skipped"}
        ended = "failed" if kinds - {"skipped"} else kinds.pop() if kinds else "passed"
        counts[ended] += 1
        if ended == "failed":
            failed.append(f"{case.get('classname')}.{case.get('name')}")
    return {**dict(sorted(counts.items())), "named": sorted(failed)}


def room_of(name: str) -> str:
    """Give the room of a file, by its path from the repository's root."""
    return Path(name).parts[2].removesuffix(".py")


def by_room(report: dict[str, Any]) -> dict[str, float]:
    """Add up the files of each room; give shares in percent."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0] * len(COUNTED))
    for name, one in report["files"].items():
        for at, key in enumerate(COUNTED):
            sums[room_of(name)][at] += one["summary"].get(key, 0)
    return {
        room: share(lines + branches, of_lines + of_branches)
        for room, (lines, of_lines, branches, of_branches) in sorted(sums.items())
    }


def share(reached: int, of: int) -> float:
    """Give a share in percent that is 100 only where nothing is missing."""
    return 100.0 if reached == of else min(99.9, round(100 * reached / of, 1))


def missing(report: dict[str, Any]) -> Iterator[str]:
    """Name what is not reached in the rooms that are to be reached whole."""
    for name, one in sorted(report["files"].items()):
        if room_of(name) in WHOLE:
            yield from (f"{name}:{line}" for line in one["missing_lines"])
            yield from (f"{name}:{a}->{b}" for a, b in one["missing_branches"])


def main() -> None:
    """Measure and say it."""
    parts = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        report, tests = measured(parts, Path(folder))
    found = {
        "branches": round(report["totals"]["percent_covered"], 1),
        "rooms": by_room(report),
        "missing": list(missing(report)),
        "tests": tests,
    }
    whole = ROOT / "benchmarks" / "results" / "coverage.json"
    publish(found, None if parts else whole)
    sys.exit(bool(tests["named"]))


if __name__ == "__main__":
    main()
