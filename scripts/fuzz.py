"""Fuzz every door through which bytes of others come in, for some time each.

Each target of ``tests/fuzz/targets.py`` is fed by two fuzzers: atheris, which turns
bits of sound files and keeps what reaches new lines of closecast, and hypothesis, which
writes files from a grammar with odd values. Anything raised but an error of ours is a
find, and so is a process that dies. What was found is kept in a file and named.

    .venv/bin/python -m pip install atheris     # Linux, Python 3.11 to 3.13
    python scripts/fuzz.py --minutes 60 --out benchmarks/results/fuzz.json

Eleven targets and two fuzzers: 22 times as long as ``--minutes``.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
FUZZERS = ("atheris", "hypothesis")
DIED_S = 180
"""Seconds after its time that a fuzzer is given to end."""


def with_atheris(name: str, seconds: int, kept: Path) -> None:
    """Feed a target with what reaches new lines; ends the process."""
    import atheris

    with atheris.instrument_imports(include=["closecast"]):
        from targets import TARGETS
    target, corpus = TARGETS[name], kept / "seeds"
    corpus.mkdir()
    for number, seed in enumerate(target.seeds()):
        (corpus / str(number)).write_bytes(seed)
        target.try_out(seed)  # what is loaded late is loaded before the clock runs
    atheris.Setup(
        ["fuzz", f"-max_total_time={seconds}", "-print_final_stats=1", "-max_len=8192",
         "-timeout=120", "-rss_limit_mb=4096", f"-artifact_prefix={kept}/",
         str(corpus)],
        target.try_out,
    )  # fmt: skip
    atheris.Fuzz()


def with_hypothesis(name: str, seconds: int, kept: Path) -> None:
    """Feed a target with what a grammar writes; say how often."""
    from hypothesis import HealthCheck, Phase, given, settings
    from targets import TARGETS

    target, end, runs = TARGETS[name], time.monotonic() + seconds, 0

    @settings(
        max_examples=25,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(target.written)
    def feed(content: bytes) -> None:
        nonlocal runs
        if time.monotonic() < end:
            runs += 1
            (kept / "last").write_bytes(content)
            target.try_out(content)

    while time.monotonic() < end:
        feed()
    print(f"stat::number_of_executed_units: {runs}")


def fuzzed(name: str, fuzzer: str, seconds: int) -> dict[str, Any]:
    """Fuzz a target in a process of its own; give what came of it."""
    began = time.monotonic()
    kept = Path(tempfile.mkdtemp(prefix="closecast-fuzz-found-"))
    try:
        done = subprocess.run(
            [sys.executable, __file__, "--child", name, fuzzer, str(kept),
             "--seconds", str(seconds)],
            capture_output=True, text=True, errors="replace", check=False,
            timeout=seconds + DIED_S,
        )  # fmt: skip
        said, code = done.stdout + done.stderr, done.returncode
    except subprocess.TimeoutExpired:
        said, code = f"it did not end {DIED_S} s after its time", 1
    runs = re.findall(r"stat::number_of_executed_units:\s+(\d+)", said)
    found = {
        "target": name,
        "fuzzer": fuzzer,
        "runs": int(runs[-1]) if runs else 0,
        "seconds": round(time.monotonic() - began),
        "find": finding(said) if code else "",
    }
    if code:
        (kept / "said").write_text(said)
        print(f"{name}, {fuzzer}: see {kept}", file=sys.stderr)
    print(json.dumps(found), file=sys.stderr, flush=True)
    return found


def kept_of(out: Path | None, again: list[str]) -> list[dict[str, Any]]:
    """Give what an earlier run found at targets that are not fuzzed again."""
    if out is None or not out.exists():
        return []
    earlier = json.loads(out.read_text())["fuzzed"]
    return [one for one in earlier if one["target"] not in again]


def finding(said: str) -> str:
    """Give the line that says what was raised."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    raised = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return (raised or lines or ["it died without a word"])[-1][:300]


def main() -> None:
    """Fuzz everything that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5, help="for each")
    parser.add_argument("--only", nargs="+", help="targets by name")
    parser.add_argument("--fuzzers", nargs="+", choices=FUZZERS, default=FUZZERS)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sys.path[:0] = [str(ROOT / "tests" / "fuzz"), str(ROOT / "benchmarks")]
    if arguments.child:
        name, fuzzer, kept = arguments.child
        run = with_atheris if fuzzer == "atheris" else with_hypothesis
        return run(name, arguments.seconds, Path(kept))
    if "atheris" in arguments.fuzzers and find_spec("atheris") is None:
        raise SystemExit("Expected atheris, got none. Install it, or name --fuzzers.")
    from machine import publish
    from targets import TARGETS

    each = round(60 * arguments.minutes)
    names = arguments.only or list(TARGETS)
    found = kept_of(arguments.out, names) + [
        fuzzed(name, fuzzer, each) for name in names for fuzzer in arguments.fuzzers
    ]
    seconds = sum(one["seconds"] for one in found)  # with what was kept
    hours = round(seconds / 3600, 2)
    publish({"seconds": seconds, "hours": hours, "fuzzed": found}, arguments.out)
    return sys.exit(any(one["find"] for one in found))


if __name__ == "__main__":
    main()
