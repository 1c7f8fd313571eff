"""`import closecast` is light: what is heavy loads when it is used."""

import json
import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "pandas",
    "polars",
    "pyarrow",
    "scipy.stats",
    "matplotlib",
    "statsmodels",
    "exchange_calendars",
    "scoringrules",
)
SCRIPT = """
import json, sys
{statement}
print(json.dumps([name for name in {heavy!r} if name in sys.modules]))
"""


def heavy_modules_after(statement: str) -> list[str]:
    """Run a statement in a fresh interpreter and name the heavy modules it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(statement=statement, heavy=HEAVY)],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("module", ["closecast", "closecast.cli"])
def test_importing_loads_nothing_heavy(module: str):
    """The package and its command line can be named without waiting for PyTorch."""
    assert heavy_modules_after(f"import {module}") == []


def test_a_heavy_import_is_seen():
    """The search above finds what it looks for."""
    assert "scipy.stats" in heavy_modules_after("import scipy.stats")
