"""Install what was built into empty environments, and tell the whole story there.

Builds the source archive and, from it, a wheel for each Python given; makes an empty
environment, installs the wheel with pip, and runs ``closecast doctor`` and ``closecast
demo`` outside of the repository. With ``--without-compiler`` the wheel is built where
no compiler can be found: it must install, say so once, and serve by the torch engine.

    python scripts/try_wheel.py --python python3.11 python3.12 python3.13
    python scripts/try_wheel.py --python python3.12 --without-compiler

Some three minutes for each Python on two cores.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
NOT_BUILT = "The native engine was not built here"
PORTABLE = {"CC": "/bin/false", "CXX": "/bin/false"}


def call(command: list[str | Path], folder: Path, **more: str) -> str:
    """Run a program; show what it said where it fails."""
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **more}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        said = (done.stdout + done.stderr)[-4000:]
        raise SystemExit(f"Expected {command[:4]} to succeed, got:\n{said}")
    return done.stdout + done.stderr


def build(place: Path, python: Path, *, portable: bool) -> Path:
    """Build a wheel from the source archive, with the build's own requirements."""
    (archive,) = place.glob("*.tar.gz")
    wheels = place / f"wheels-{python.parent.parent.name}"
    more = PORTABLE if portable else {}
    call([python, "-m", "pip", "wheel", "--no-deps", "-q", "-w", wheels, archive],
         place, **more)  # fmt: skip
    (wheel,) = wheels.glob("*.whl")
    return wheel


def try_out(
    wheel: Path, python: Path, place: Path, *, portable: bool
) -> dict[str, object]:
    """Install a wheel into an environment and run the demo from an empty folder."""
    began = time.perf_counter()
    wanted = f"{wheel}[torch]" if portable else str(wheel)
    call([python, "-m", "pip", "install", "-q", wanted], place)
    program = python.parent / "closecast"
    facts = json.loads(call([program, "doctor", "--json"], place).partition("Note:")[0])
    said = call([program, "demo", "--out", "demo"], place)
    report = (place / "demo" / "report.html").stat().st_size
    size = int(call(["du", "-sm", python.parent.parent], place).split()[0])
    return {
        "python": facts["python"]["version"],
        "wheel": wheel.name,
        "wheel_kb": wheel.stat().st_size // 1000,
        "environment_mb": size,
        "engine": facts["engine"]["engine"],
        "kernels": facts["engine"]["kernels"],
        "told_that_it_is_not_built": said.count(NOT_BUILT),
        "report_kb": report // 1000,
        "verdict": next(line for line in said.splitlines() if "evidence" in line),
        "seconds": round(time.perf_counter() - began),
    }


def main() -> None:
    """Build, install, run and say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", nargs="+", default=[sys.executable])
    parser.add_argument("--without-compiler", action="store_true")
    parser.add_argument("--out", type=lambda given: Path(given).absolute())
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from machine import publish

    tried = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        from scikit_build_core.build import build_sdist

        os.chdir(ROOT)
        build_sdist(str(place))
        os.chdir(place)
        for number, name in enumerate(arguments.python):
            home = place / f"env-{number}"
            call([name, "-m", "venv", home], place)
            python = home / "bin" / "python"
            portable = arguments.without_compiler
            wheel = build(place, python, portable=portable)
            (place / str(number)).mkdir()
            tried.append(try_out(wheel, python, place / str(number), portable=portable))
            print(json.dumps(tried[-1]), file=sys.stderr, flush=True)
    publish({"tried": tried}, arguments.out)


if __name__ == "__main__":
    main()
