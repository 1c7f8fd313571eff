"""Audit what closecast stands on: known holes, licences, and a bill of materials.

Everything that closecast or one of its extras needs is looked up in environments that
have it installed, from requirement to requirement.

- Holes: pip-audit asks its index about every package. A package that the index does
  not answer for is "not audited", and the audit is then not green.
- Licences: as each package states it. Strong copyleft, Commons Clause and a licence
  that nobody can tell are refused in every extra. Closed licences are refused too, but
  named where the tests, the documentation or the benchmarks need them alone. Where a
  package states none, ``KNOWN`` says where it was read.
- Bill of materials: CycloneDX JSON, as cyclonedx-py writes it.

    python -m venv .venv-audit && .venv-audit/bin/pip install pip-audit cyclonedx-bom
    python scripts/audit.py --tools .venv-audit/bin \
        --python .venv/bin/python .venv-vendors/bin/python .venv-krx/bin/python \
        .venv-bench/bin/python

Ends with 0 only where everything was audited and nothing was found, 1 where something
was found or is unknown, 2 where something could not be audited.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
OUT = ROOT / "build" / "audit"
PROBE = """
import json, re, sys
from importlib import metadata
found = {}
for one in metadata.distributions():
    m = one.metadata
    name = re.sub(r"[-_.]+", "-", m["Name"]).lower()
    if name in found:  # what lies first on the path is what is imported
        continue
    found[name] = {
        "version": one.version,
        "expression": m.get("License-Expression") or "",
        "license": m.get("License") or "",
        "classifiers": [c for c in m.get_all("Classifier") or [] if "License" in c],
        "requires": one.requires or [],
    }
json.dump(found, sys.stdout)
"""

TOOLS_ONLY = {"test", "docs", "bench"}
"""Extras of programs that are run here and not shipped."""

COPYLEFT = r"(?<!L)(?<!Lesser )\bA?GPL|Affero|GNU General Public"
CLOSED = re.compile(r"Proprietary", re.IGNORECASE)
REFUSED = re.compile(
    rf"{COPYLEFT}|Commons Clause|SSPL|BUSL|Non-?Commercial|{CLOSED.pattern}",
    re.IGNORECASE,
)
LESSER = re.compile(r"LGPL|Lesser General Public", re.IGNORECASE)
ACCEPTED = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla|Unlicense|CC0"
    r"|Zlib|HPND|0BSD|NCSA|Public Domain|Boost|Historical Permission|NVIDIA",
    re.IGNORECASE,
)
KNOWN = {  # each in its LICENSE, beside the metadata
    "axe-playwright-python": "MIT",
    "namex": "Apache-2.0",
    "peewee": "MIT",
}
"""Licence of a package that states none in its metadata, and where it was read."""


def normal(name: str) -> str:
    """Write a package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def probed(pythons: Iterable[str]) -> dict[str, dict[str, object]]:
    """List what environments have installed; the first that has a package counts."""
    found: dict[str, dict[str, object]] = {}
    for python in pythons:
        done = subprocess.run(
            [python, "-c", PROBE], capture_output=True, text=True, check=True
        )
        for name, one in json.loads(done.stdout).items():
            found.setdefault(name, one)
    return found


def stated(requires: Iterable[str], extras: set[str]) -> set[str]:
    """Give the packages that requirements name, with extras among them."""
    names = set()
    for one in map(Requirement, requires):
        chosen = [{"extra": extra} for extra in extras or {""}]
        if one.marker is None or any(map(one.marker.evaluate, chosen)):
            names.add(normal(one.name))
    return names


def closure(found: dict[str, dict[str, object]], extras: set[str]) -> set[str]:
    """Follow requirements from closecast's own to the last."""
    open_ = stated(found["closecast"]["requires"], extras)  # type: ignore[arg-type]
    closed: set[str] = set()
    while open_:
        name = open_.pop()
        closed.add(name)
        if name in found:
            more = stated(found[name]["requires"], set())  # type: ignore[arg-type]
            open_ |= more - closed
    return closed


def licence_of(name: str, one: dict[str, object]) -> str:
    """Give a licence in few words: the expression, the classifiers, or the text."""
    classifiers = [str(c).split(" :: ")[-1] for c in one["classifiers"]]  # type: ignore[attr-defined]
    told = [c for c in classifiers if c != "OSI Approved"]
    first = str(one["license"]).strip().splitlines()[:1]
    return (
        KNOWN.get(name)
        or str(one["expression"])
        or ", ".join(told)
        or (first[0] if first else "")
    )


def verdict_on(licence: str) -> str:
    """Say whether a licence is accepted, refused or unknown."""
    choices = re.split(r"\bOR\b", licence)
    if any(ACCEPTED.search(one) and not REFUSED.search(one) for one in choices):
        return "accepted"
    if REFUSED.search(licence):
        return "refused"
    return "accepted" if LESSER.search(licence) else "unknown"


def licences(found: dict[str, dict[str, object]]) -> dict[str, object]:
    """Judge the licence of everything that closecast or an extra of it needs."""
    every = {
        extra[1]
        for text in found["closecast"]["requires"]  # type: ignore[attr-defined]
        if (extra := re.search(r"extra\s*==\s*['\"]([^'\"]+)", str(text)))
    }
    needed, shipped = closure(found, every), closure(found, every - TOOLS_ONLY)
    judged = {
        name: (licence := licence_of(name, found[name]), verdict_on(licence))
        for name in sorted(needed & set(found))
    }
    refused = {n: one for n, (one, v) in judged.items() if v == "refused"}
    tools = {n: refused.pop(n) for n in closed_tools(refused, shipped)}
    return {
        "packages": len(judged),
        "accepted": sum(verdict == "accepted" for _, verdict in judged.values()),
        "refused": refused,
        "closed, run here and not shipped": tools,
        "unknown": {n: one for n, (one, v) in judged.items() if v == "unknown"},
        "not_installed_here": sorted(needed - set(found)),
        "licences": {name: one for name, (one, _) in judged.items()},
    }


def closed_tools(refused: dict[str, str], shipped: set[str]) -> list[str]:
    """Name what is refused for being closed alone, and is not shipped."""
    return [
        name
        for name, licence in refused.items()
        if name not in shipped and not REFUSED.search(CLOSED.sub("", licence))
    ]


def holes(found: dict[str, dict[str, object]], tools: Path) -> dict[str, object]:
    """Ask an index about known holes of every package."""
    pins = [
        f"{name}=={str(one['version']).split('+')[0]}"
        for name, one in sorted(found.items())
        if name != "closecast"
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pins.txt"
        path.write_text("\n".join(pins) + "\n")
        done = subprocess.run(
            [tools / "pip-audit", "-r", path, "--no-deps", "--disable-pip",
             "-f", "json", "--progress-spinner", "off"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    return judged_holes(len(pins), done.stdout, done.stderr)


def judged_holes(asked: int, answer: str, error: str) -> dict[str, object]:
    """Read what pip-audit answered: a package that it skipped was not audited."""
    try:
        told = json.loads(answer)["dependencies"]
    except (ValueError, KeyError):
        last = (error.strip().splitlines() or ["no answer"])[-1]
        return {"asked": asked, "audited": 0, "not_audited": asked, "why": last,
                "found": {}}  # fmt: skip
    skipped = {one["name"]: one["skip_reason"] for one in told if "skip_reason" in one}
    audited = [one for one in told if "vulns" in one]
    return {
        "asked": asked,
        "audited": len(audited),
        "not_audited": asked - len(audited),
        "why": next(iter(skipped.values()), ""),
        "found": {
            f"{one['name']} {one['version']}": [hole["id"] for hole in one["vulns"]]
            for one in audited
            if one["vulns"]
        },
    }


def bill(pythons: Iterable[str], tools: Path) -> dict[str, object]:
    """Write a CycloneDX bill of materials for each environment."""
    OUT.mkdir(parents=True, exist_ok=True)
    written = {}
    for number, python in enumerate(pythons):
        path = OUT / f"sbom-{number}.json"
        subprocess.run(
            [tools / "cyclonedx-py", "environment", python, "--of", "JSON", "-o", path],
            check=True, capture_output=True,
        )  # fmt: skip
        document = json.loads(path.read_text())
        written[path.relative_to(ROOT).as_posix()] = len(document["components"])
    return {"format": "CycloneDX", "components": written}


def exit_code(report: dict[str, dict[str, object]]) -> int:
    """Be green only where everything was audited and nothing found."""
    judged, asked = report["licences"], report["holes"]
    if judged["refused"] or judged["unknown"] or asked["found"]:
        return 1
    return 2 if asked["not_audited"] or judged["not_installed_here"] else 0


def main() -> None:
    """Audit and say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", nargs="+", default=[sys.executable])
    parser.add_argument("--tools", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from machine import publish

    found = probed(arguments.python)
    report = {
        "licences": licences(found),
        "holes": holes(found, arguments.tools),
        "bill": bill(arguments.python, arguments.tools),
    }
    code = exit_code(report)
    publish({**report, "exit_code": code}, arguments.out)
    asked = report["holes"]
    if asked["not_audited"]:
        print(f"NOT AUDITED: {asked['not_audited']} of {asked['asked']} packages "
              f"({asked['why']}).", file=sys.stderr)  # fmt: skip
    sys.exit(code)


if __name__ == "__main__":
    main()
