"""Where a figure comes from: machine, versions and commit, to stand beside it."""

import json
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_PLACE = Path(sys.argv[0]).resolve()
SCRIPT = str(_PLACE.relative_to(ROOT)) if _PLACE.is_relative_to(ROOT) else _PLACE.name
"""What was started, from wherever, by its place in the repository."""

BEGUN = time.monotonic()
"""When the script that imports this began, in seconds of its clock."""


def machine() -> dict[str, str | int | None]:
    """Say where the figures come from."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.split(": ")[1] for line in lines if line.startswith("model name")]
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": version("torch"),
        "numpy": version("numpy"),
        "commit": commit.stdout.strip(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def publish(found: Mapping[str, object], out: Path | None) -> None:
    """Say what was found, where, how and in how long; write it where asked."""
    run = {
        "machine": machine(),
        "command": shlex.join(["python", SCRIPT, *sys.argv[1:]]),
        "seconds": round(time.monotonic() - BEGUN),
    }
    text = json.dumps(run | dict(found), indent=2)
    print(text)
    if out:
        out.write_text(text + "\n")
