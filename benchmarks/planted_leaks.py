"""Plant ten leaks as they happen in practice, and see each of them caught.

The leaks and the tests that have to catch them are those of
``tests/windows/test_planted_leaks.py``; what pytest says of each is published.

    python benchmarks/planted_leaks.py --out benchmarks/results/planted_leaks.json
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

from machine import publish

TESTS = Path(__file__).parents[1] / "tests" / "windows" / "test_planted_leaks.py"


def outcomes() -> dict[str, str]:
    """Run the tests and give what became of each, by name."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "junit.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly"]
        subprocess.run([*command, f"--junitxml={report}", str(TESTS)], check=False)
        cases = ET.parse(report).iter("testcase")  # noqa: S314
        return {
            case.attrib["name"]: "failed"
            if {child.tag for child in case} & {"failure", "error", "skipped"}
            else "passed"
            for case in cases
        }


def main() -> None:
    """Run and say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    found = outcomes()
    caught = {name: one for name, one in found.items() if "caught" in name}
    document = {
        "caught": sum(one == "passed" for one in caught.values()),
        "of": len(caught),
        "tests": found,
    }
    publish(document, arguments.out)


if __name__ == "__main__":
    main()
