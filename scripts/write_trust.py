"""Write docs/trust.md from what the scripts of trust have measured.

Each figure stands beside the command that makes it, the date, the machine and the
commit. What was not measured is called "not run"; nothing is filled in.

    python scripts/write_trust.py            # writes docs/trust.md
    python scripts/write_trust.py --check    # ends with 1 where the page is another
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "trust.md"

HEAD = """# What was tried to break it, and what came of it

`make trust` runs every script below and writes this page from their results in
`benchmarks/results`; what says "not run" was not. Beside each figure stand the command
that made it, how long that took ("about" where its run did not say) and where it comes
from. What they are meant to defend is on [the page on security](security.md).
"""

GATES = {
    "imports": "importing loads nothing heavy",
    "wheel": "a pure wheel below 3 MB, and 21 libraries that everybody needs at most",
    "docs_complete": "every command, option, setting and error is documented, also in "
    "Korean",
    "lock": "what CI installs is pinned and hashed",
    "no_forbidden_words": "no pickle, no eval, no YAML that runs code",
    "security": "no shell, and no connection but where it is named",
    "trust": "this page is what was measured",
}
"""What a test of tests/architecture holds for every change."""

GATE = """
## What every change passes
`.ci/run`, on a clean clone, installs by hash what the tests need, then runs `make
test`, the lessons and the demo. Warnings are errors; shapes and types are checked at
run time.

| held | by |
|---|---|
"""

NOT_TRIED = """
## What nobody has tried
- Wheels of macOS, Windows and Linux on arm64: cibuildwheel reads its configuration and
  names 18 wheels (`cibuildwheel --print-build-identifiers`); those of Linux on x86-64
  were built and run, no other.
- The container file: no container engine was at hand.
- Eight hours of load (`python benchmarks/soak.py --minutes 480`): one hour was run.
"""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Something that was tried.

    Attributes:
        what: What was tried, in words.
        result: Name of the file of its result, without its suffix.
        command: What makes it.
        takes: About how long on two quiet cores, where its result does not say.
        told: Says in a sentence what came of it.
    """

    what: str
    result: str
    command: str
    takes: str
    told: Callable[[dict[str, Any]], str]


def store_crash(r: dict[str, Any]) -> str:
    """Say what came of writers of a store."""
    wrong = sum(r[n] for n in ("lost", "torn", "changed", "damaged", "unreadable"))
    return (
        f"{r['reopened']} of {r['kills']} stores reopen; of {r['acknowledged']} "
        f"acknowledged batches {r['lost']} are lost; {wrong} things wrong"
    )


def sweep_kills(r: dict[str, Any]) -> str:
    """Say what came of sweeps."""
    return (
        f"{r['kills']} kills; {r['runs_identical']} of {r['runs']} sweeps end with the "
        "bytes of one that was not killed"
    )


def daily_crash(r: dict[str, Any]) -> str:
    """Say what came of daily jobs."""
    return (
        f"{r['killed']} kills; of {r['forecasts']} forecasts {r['lost']} lost, "
        f"{r['twice']} twice, {r['late']} late; {r['wrong']} broken links of the ledger"
    )


def serve_crash(r: dict[str, Any]) -> str:
    """Say what came of killed servers."""
    return (
        f"{r['killed']} kills, {r['of them while it started']} of them while it "
        f"started; {r['answered']:,} answers and {r['other answers']} of another kind; "
        f"of {r['forecasts']} forecasts {r['lost']} lost, {r['twice']} twice; "
        f"{r['wrong']} broken links of the ledger"
    )


def model_kills(r: dict[str, Any]) -> str:
    """Say what came of saved models."""
    new, over = r["new folder"], r["over another"]
    return (
        f"new folder: {new['kills']} kills, {new['acknowledged']} acknowledged, "
        f"{new['lost']} lost, {new['mixed']} mixed; over another model: "
        f"{over['kills']} kills, {over['whole']} whole, {over['refused']} refused, "
        f"{over['mixed']} mixed"
    )


def faults(r: dict[str, Any]) -> str:
    """Say what came of failing disks."""
    deeds = r["deeds"]

    def total(name: str) -> int:
        return sum(deed[name] for deed in deeds.values())

    return (
        f"{total('faults'):,} faults in {len(deeds)} deeds ({', '.join(deeds)}): "
        f"{total('lost')} acknowledged lost, {total('half-written')} half-written, "
        f"{total('crash')} other errors, {total('stuck')} not done again on a sound "
        f"disk; {total('refused afterwards')} models refused after a save over them "
        "that was told to have failed"
    )


def bit_flips(r: dict[str, Any]) -> str:
    """Say what came of flipped bits."""
    return "; ".join(
        f"{name}: {one['found']:,} of {one['flips']:,} found"
        + f", at every bit of {one['files at every bit']} of {len(one['files'])} files"
        + (f", {one['same']:,} without effect" if one["same"] else "")
        + f", {one['silent']} silent, {one['crash']} crashes"
        + of_another_day(one, r["machine"])
        for name, one in r["artefacts"].items()
    )


def of_another_day(part: dict[str, Any], last: dict[str, Any]) -> str:
    """Say of which commit a part is that was not run with the others."""
    if part.get("commit", last["commit"]) == last["commit"]:
        return ""
    return f" ({part['date']}, commit {part['commit']})"


def mutated_files(r: dict[str, Any]) -> str:
    """Say what came of price files."""
    ends = r["total"]
    return (
        f"{r['files']:,} files: {r['crashes']} crashes, {r['silent']} prices changed "
        f"in silence; {ends['refused']:,} refused, {ends['same']:,} the same, "
        f"{ends['named']:,} named, {ends['written']:,} sound files that say "
        "something else"
    )


def mutated_models(r: dict[str, Any]) -> str:
    """Say what came of model folders."""
    return (
        f"{r['folders']:,} folders: {r['crash']} crashes, {r['silent']} silent; "
        f"{r['refused']:,} refused, {r['same']:,} the same, {r['forged']:,} forged "
        "with every hash made anew"
    )


def fuzzed(r: dict[str, Any]) -> str:
    """Say what came of the fuzzers."""
    every = r["fuzzed"]
    found = [f"{one['target']}: {one['find']}" for one in every if one["find"]]
    targets = list(dict.fromkeys(one["target"] for one in every))
    return (
        f"{r['hours']} hours, {sum(one['runs'] for one in every):,} runs of "
        f"{len(targets)} targets ({'; '.join(targets)}): {len(found)} finds"
        + (f" ({'; '.join(found)})" if found else "")
    )


def mutants(r: dict[str, Any]) -> str:
    """Say how many mutants the tests noticed."""
    drawn = "" if r["tried"] == r["mutants"] else f", drawn by seed {r['seed']}"
    return (
        f"{r['noticed']:,} of {r['tried']:,} noticed, of {r['mutants']:,} mutants of "
        f"{' and '.join(r['rooms'])}{drawn}; the {r['survived']} that survived are "
        f"argued in [a page of their own](mutants.md); {r['seconds a mutant']} s a "
        "mutant, and what was known of a module that is the same was not asked again"
    )


def hostile_requests(r: dict[str, Any]) -> str:
    """Say what came of requests."""
    wrong = ("fault", "raised", "traceback", "no problem document", "changed")
    return (
        f"{r['requests']:,} requests: {sum(r[n] for n in wrong)} faults, "
        f"{r['log_lines_with_the_key']} log lines with a key; "
        f"{r['refused']:,} refused, {r['answered']:,} answered"
    )


def determinism(r: dict[str, Any]) -> str:
    """Say what came of trainings done again."""
    parts = ", ".join(f"{name} {count}" for name, count in r["by"].items())
    return f"{r['identical']} of {r['trainings']} with the same bytes ({parts})"


def wheels(r: dict[str, Any]) -> str:
    """Say what came of installed wheels."""
    return "; ".join(
        f"Python {one['python']}: the demo runs by the {one['engine']} engine"
        f"{' and says so once' * (one['told_that_it_is_not_built'] == 1)}, wheel "
        f"{one['wheel_kb']:,} kB, environment {one['environment_mb']:,} MB"
        for one in r["tried"]
    )


def first_contact(r: dict[str, Any]) -> str:
    """Say how long a newcomer waits."""
    alone = r["python_alone"]["cpu_s"]
    return (
        f"`import closecast` {r['import_closecast']['cpu_s'] - alone:.3f} CPU s beside "
        f"Python's own {alone}; `closecast --help` {r['help']['cpu_s']}, "
        f"`closecast demo` {r['demo']['cpu_s']}"
    )


def audit(r: dict[str, Any]) -> str:
    """Say what came of the audit."""
    judged, asked = r["licences"], r["holes"]
    tools = judged["closed, run here and not shipped"]
    holes = (
        f"NOT AUDITED for holes: {asked['not_audited']} of {asked['asked']} packages, "
        "the index does not answer"
        if asked["not_audited"]
        else f"{asked['audited']} packages audited, {len(asked['found'])} with holes"
    )
    missing = ", ".join(judged["not_installed_here"])
    return (
        f"{judged['accepted']} of {judged['packages']} licences accepted, "
        f"{len(judged['refused'])} refused, {len(judged['unknown'])} unknown"
        + (f", closed but not shipped: {', '.join(tools)}" if tools else "")
        + (f" (not looked at: {missing})" if missing else "")
        + f"; {holes}"
    )


def soak(r: dict[str, Any]) -> str:
    """Say what came of a long load."""
    low, high = r["memory_mb_per_hour_95"]
    files, threads = r["open_files"], r["threads"]
    return (
        f"{r['minutes']} minutes, {r['answered']:,} answers, "
        f"{sum(r['errors'].values())} errors; memory {r['memory_mb_per_hour']} MB an "
        f"hour ({low} to {high}); open files {files[0]} to {files[-1]}, threads "
        f"{threads[0]} to {threads[-1]}; p99 {r['p99_ms_first_sixth']} ms, at the end "
        f"{r['p99_ms_last_sixth']} ms"
    )


def sanitized(r: dict[str, Any]) -> str:
    """Say what came of the sanitizers."""
    return ", ".join(f"{name}: {found}" for name, found in r["watched"].items())


def coverage(r: dict[str, Any]) -> str:
    """Say how much the tests reach."""
    rooms = ", ".join(f"{name} {share} %" for name, share in r["rooms"].items())
    failed = r["tests"]["named"]
    return (
        f"{r['branches']} % of branches and lines together; {rooms}; "
        f"{r['tests']['passed']:,} tests passed, {len(failed)} failed"
        + (f" ({', '.join(failed)})" if failed else "")
    )


RUN = "python benchmarks/{0}.py --out benchmarks/results/{0}.json"
TRIALS = (
    Trial(what="kill -9 while a store is written", result="store_crash",
          command=RUN.format("store_crash"), takes="5 min", told=store_crash),
    Trial(what="kill -9 while a sweep trains", result="sweep_kills",
          command=RUN.format("sweep_kills") + " --kills 300", takes="15 min",
          told=sweep_kills),
    Trial(what="kill -9 of the daily job and its ledger", result="daily_crash",
          command=RUN.format("daily_crash") + " --kills 300", takes="10 min",
          told=daily_crash),
    Trial(what="kill -9 of the server while it is asked", result="serve_crash",
          command=RUN.format("serve_crash") + " --kills 300", takes="25 min",
          told=serve_crash),
    Trial(what="kill -9 while a model is saved", result="model_kills",
          command=RUN.format("model_kills"), takes="3 min", told=model_kills),
    Trial(what="each write, flush, rename and making of a file fails (EIO, ENOSPC)",
          result="faults", command=RUN.format("faults"), takes="25 min", told=faults),
    Trial(what="one bit flips in what is stored", result="bit_flips",
          command=RUN.format("bit_flips"), takes="50 min", told=bit_flips),
    Trial(what="damaged price files", result="mutated_files",
          command="python benchmarks/mutated_files.py --files 100000", takes="6 min",
          told=mutated_files),
    Trial(what="damaged and forged model folders", result="mutated_models",
          command=RUN.format("mutated_models"), takes="3 min", told=mutated_models),
    Trial(what="what two fuzzers find at every door", result="fuzz",
          command="make fuzz", takes="11 hours", told=fuzzed),
    Trial(what="hostile requests", result="hostile_requests",
          command=RUN.format("hostile_requests"), takes="5 min", told=hostile_requests),
    Trial(what="the same training, each time otherwise", result="determinism",
          command=RUN.format("determinism"), takes="3 min", told=determinism),
    Trial(what="wheels in empty environments", result="wheels",
          command="python scripts/try_wheel.py --python python3.11 python3.12 "
          "python3.13 --out benchmarks/results/wheels.json",
          takes="10 min", told=wheels),
    Trial(what="a wheel without a compiler", result="wheel_portable",
          command="python scripts/try_wheel.py --without-compiler "
          "--out benchmarks/results/wheel_portable.json", takes="4 min", told=wheels),
    Trial(what="what a newcomer waits for", result="first_contact",
          command=RUN.format("first_contact"), takes="1 min", told=first_contact),
    Trial(what="licences, holes, bill of materials", result="audit",
          command="make audit", takes="2 min", told=audit),
    Trial(what="the engine under sanitizers and valgrind", result="sanitize",
          command="python scripts/sanitize.py --out benchmarks/results/sanitize.json",
          takes="3 min", told=sanitized),
    Trial(what="what the tests reach", result="coverage",
          command="python scripts/measure_coverage.py",
          takes="25 min", told=coverage),
    Trial(what="small changes of the code that a test must notice", result="mutants",
          command="make mutants", takes="25 min", told=mutants),
    Trial(what="an hour of load", result="soak", command=RUN.format("soak"),
          takes="61 min", told=soak),
)  # fmt: skip


def rows() -> Iterator[str]:
    """Give a section for each trial."""
    for trial in TRIALS:
        yield f"\n## {trial.what[0].upper()}{trial.what[1:]}\n"
        path = RESULTS / f"{trial.result}.json"
        result = json.loads(path.read_text()) if path.exists() else {}
        if result:
            yield f"{trial.told(result)}.\n\n{where(result['machine'])}\n"
        else:
            yield "Not run.\n"
        command, time = result.get("command", trial.command), took(result)
        if " --only " in command:  # a part was run once more
            command, time = trial.command, ""
        yield f"\n`{command}` ({time or 'about ' + trial.takes})\n"


def took(result: dict[str, Any]) -> str:
    """Say how long a run took; nothing where it did not say."""
    if "seconds" not in result:
        return ""
    minutes, seconds = divmod(round(result["seconds"]), 60)
    return f"took {minutes} min {seconds} s" if minutes else f"took {seconds} s"


def where(machine: dict[str, Any]) -> str:
    """Say where a figure comes from."""
    date = machine.get("date", "date not kept")
    return (
        f"{date}, {machine['cpu']}, {machine['cores']} cores, Python "
        f"{machine['python']}, commit {machine['commit']}."
    )


def page() -> str:
    """Write the page."""
    gates = "".join(
        f"| {held} | `tests/architecture/test_{name}.py` |\n"
        for name, held in GATES.items()
    )
    return HEAD + "".join(rows()) + GATE + gates + NOT_TRIED


def main() -> None:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    if parser.parse_args().check:
        sys.exit(PAGE.read_text(encoding="utf-8") != page())
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
