"""Change the code a little, a thousand times: does a test of its own room notice?

Each mutant is one small change of one module: a comparison, an operator, a constant or
a condition. The tests of that module (``tests/ROOM/test_MODULE.py`` and those that
``ALSO`` names) run on it in a process of its own, forked where the heavy libraries are
loaded already, so that a mutant costs its tests and not the start of Python. Shapes and
types are not checked at run time here: a test has to notice. One that no test notices
survives and is named.

    python scripts/mutate.py windows evaluation --out benchmarks/results/mutants.json
    python scripts/mutate.py windows evaluation --known build/mutants.json
    python scripts/mutate.py windows --sample 100 --seed 1     # so many, drawn
    python scripts/mutate.py windows --module scaling          # one module

The test that noticed a mutant runs first on the next one, pytest loads no plugin, and
hypothesis draws the same examples each time and shrinks none: less than a second a
mutant on one core, and the same answer in any order. What ``--known`` holds of a module
is not asked again while the module, its tests and every file of closecast that they
load are the same to the byte. ``docs/mutants.md`` argues the survivors.
"""

import argparse
import ast
import gc
import hashlib
import importlib.abc
import importlib.util
import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "closecast"
LIMIT_S = 120
"""A mutant whose tests take longer runs in circles: it is noticed."""

ALSO = {
    "windows/leakage": ("windows/test_planted_leaks.py",),
    "windows/states": ("windows/test_state_values.py", "windows/test_own_states.py"),
    "windows/weighing": ("windows/test_state_values.py", "windows/test_own_states.py"),
    "windows/on_disk": ("training/test_on_disk.py",),
}
"""Tests that a module has beside its own, where its own lie elsewhere."""

COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A change of a module.

    Attributes:
        module: Room and module, such as ``windows/scaling``.
        line: Where it is changed.
        was: The line as it is.
        now: What was changed into what.
        source: The whole module, changed.
    """

    module: str
    line: int
    was: str
    now: str
    source: str


def changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Give what a node may be changed into, each with words for it."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARED:
        other = COMPARED[type(node.ops[0])]
        yield (
            f"{type(node.ops[0]).__name__} -> {other.__name__}",
            ast.Compare(node.left, [other(), *node.ops[1:]], node.comparators),
        )
    elif isinstance(node, ast.BinOp) and type(node.op) in COMPUTED:
        other_op = COMPUTED[type(node.op)]
        yield (
            f"{type(node.op).__name__} -> {other_op.__name__}",
            ast.BinOp(node.left, other_op(), node.right),
        )
    elif isinstance(node, ast.BoolOp):
        swapped = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield "and <-> or", ast.BoolOp(swapped, node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert):
        yield "without not", node.operand
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "without minus", node.operand
    elif isinstance(node, ast.Constant):
        yield from constants(node)
    elif isinstance(node, ast.If | ast.IfExp):
        turned = ast.UnaryOp(ast.Not(), node.test)
        yield "condition turned", type(node)(turned, node.body, node.orelse)


def constants(node: ast.Constant) -> Iterator[tuple[str, ast.AST]]:
    """Give other constants; words are left alone."""
    if isinstance(node.value, bool):
        yield f"{node.value} -> {not node.value}", ast.Constant(not node.value)
    elif isinstance(node.value, int | float):
        other = node.value + 1
        yield f"{node.value} -> {other}", ast.Constant(other)


def in_text(tree: ast.AST) -> set[int]:
    """Give nodes that change nothing: annotations, messages, and what is decorated."""
    left: set[int] = set()
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.FunctionDef):
            parts += [*node.decorator_list, node.returns]
            parts += [a.annotation for a in (*node.args.args, *node.args.kwonlyargs)]
        elif isinstance(node, ast.AnnAssign):
            parts.append(node.annotation)
        elif isinstance(node, ast.ClassDef):
            parts += node.decorator_list
        elif isinstance(node, ast.JoinedStr | ast.Raise):
            parts.append(node)
        for part in parts:
            if part is not None:
                left |= {id(one) for one in ast.walk(part)}
    return left


def mutants_of(module: str) -> list[Mutant]:
    """Make every mutant of a module."""
    text = (SOURCE / f"{module}.py").read_text(encoding="utf-8")
    tree, lines, made = ast.parse(text), text.splitlines(), []
    left = in_text(tree)
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            places = value if isinstance(value, list) else [value]
            for at, node in enumerate(places):
                if not isinstance(node, ast.AST) or id(node) in left:
                    continue
                for now, other in changes(node):
                    ast.copy_location(other, node)
                    put(parent, field, value, at, other)
                    source = ast.unparse(ast.fix_missing_locations(tree))
                    put(parent, field, value, at, node)
                    line = node.lineno  # type: ignore[attr-defined]
                    was = lines[line - 1].strip()
                    made.append(Mutant(module=module, line=line, was=was, now=now,
                                       source=source))  # fmt: skip
    return made


def put(parent: ast.AST, field: str, value: object, at: int, node: ast.AST) -> None:
    """Put a node where another one was."""
    if isinstance(value, list):
        value[at] = node
    else:
        setattr(parent, field, node)


class Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports a mutant where its module is asked for."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant
        self.name = "closecast." + mutant.module.replace("/", ".")

    def find_spec(self, name: str, *_: object) -> Any:
        """Answer for the one module."""
        if name == self.name:
            return importlib.util.spec_from_loader(name, self)
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Run the changed source."""
        path = SOURCE / f"{self.mutant.module}.py"
        module.__file__ = str(path)
        exec(compile(self.mutant.source, str(path), "exec"), module.__dict__)  # noqa: S102


def tests_of(module: str) -> list[str]:
    """Give the tests that are to notice a change of a module."""
    room, name = module.split("/")
    own = ROOT / "tests" / room / f"test_{name}.py"
    more = [ROOT / "tests" / one for one in ALSO.get(module, ())]
    return [str(path) for path in (own, *more) if path.exists()]


class KeenFirst:
    """A plugin of pytest: tests that noticed something before run first.

    Attributes:
        keen: Their names, the last to notice first.
        told: Where the name of one that fails is written.
        took: Seconds and name of each test.
    """

    def __init__(self, keen: list[str], told: int) -> None:
        self.keen, self.told = keen, told
        self.took: list[tuple[float, str]] = []

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Put them in front, all others after them as they were."""
        place = {name: at for at, name in enumerate(self.keen)}
        items.sort(key=lambda item: place.get(item.nodeid, len(place)))

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Tell which test noticed."""
        if report.failed:
            os.write(self.told, f"{report.nodeid}\n".encode())
        elif report.when == "call":
            self.took.append((report.duration, report.nodeid))


def run_tests(mutant: Mutant | None, tests: list[str], keen: list[str]) -> int:
    """Run tests in a forked process; give pytest's exit code, or a signal's.

    Args:
        mutant: What is changed; none, to see whether the tests pass without.
        tests: Files of tests.
        keen: Tests that go first; the one that notices is put in front. Where nothing
            is changed, it takes every test, the quickest first, and after them the
            files of closecast that were loaded.
    """
    hear, tell = os.pipe()
    child = os.fork()
    if child:
        os.close(tell)
        with os.fdopen(hear) as heard:
            told = heard.read().split("\n")[:-1]
        _, status = os.waitpid(child, 0)
        keen[:] = [*told, *(one for one in keen if one not in told)]
        return os.waitstatus_to_exitcode(status)
    signal.alarm(LIMIT_S)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    import pytest

    if mutant is not None:
        sys.meta_path.insert(0, Changed(mutant))
    plugin = KeenFirst(keen, tell)
    code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-m", "not gpu", "-W",
                        "ignore::pytest.PytestAssertRewriteWarning", "-o",
                        "addopts=--import-mode=importlib", *tests],
                       plugins=[plugin])  # fmt: skip
    if mutant is None:
        loaded = {str(getattr(one, "__file__", None)) for one in sys.modules.values()}
        own = sorted(one for one in loaded if one.startswith(str(SOURCE)))
        quick = [name for _, name in sorted(plugin.took)]
        os.write(tell, "".join(f"{one}\n" for one in (*quick, *own)).encode())
    os._exit(int(code))


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was found of the mutants of a module.

    Attributes:
        tried: Mutants that its tests ran on.
        noticed: How many they noticed.
        survived: The others, in words.
        not_judged: Mutants of a module without tests, or whose tests fail anyway.
        seconds: What it took.
        files: Files that it was found of: tests, and what they load.
        sha256: Of all of them.
    """

    tried: int
    noticed: int
    survived: list[str]
    not_judged: list[str]
    seconds: float
    files: list[str]
    sha256: str


def ask(module: str, mutants: list[Mutant]) -> Found:
    """Run the tests of a module on some mutants of it."""
    began, tests = time.monotonic(), tests_of(module)
    keen: list[str] = []
    survived: list[str] = []
    not_judged: list[str] = []
    sound = bool(tests) and run_tests(None, tests, keen) == 0
    loaded = [one for one in keen if one.startswith(str(SOURCE))]
    for mutant in mutants:
        told = f"{mutant.module}:{mutant.line}: {mutant.now}: {mutant.was}"
        if not sound:
            not_judged.append(told)
        elif run_tests(mutant, tests, keen) == 0:
            survived.append(told)
            print(told, file=sys.stderr, flush=True)
    room = Path(module).parent
    fixtures = [ROOT / "tests" / one / "conftest.py" for one in (".", room)]
    files = [*loaded, *tests, __file__, *map(str, filter(Path.exists, fixtures))]
    relative = sorted(str(Path(one).relative_to(ROOT)) for one in files)
    return Found(
        tried=len(mutants),
        noticed=len(mutants) - len(survived) - len(not_judged),
        survived=survived,
        not_judged=not_judged,
        seconds=round(time.monotonic() - began, 1),
        files=relative,
        sha256=hash_of(relative),
    )


def hash_of(files: list[str]) -> str:
    """Hash the content of some files of the repository."""
    every = hashlib.sha256()
    for name in files:
        path = ROOT / name
        every.update(path.read_bytes() if path.exists() else b"gone")
    return every.hexdigest()


def load_heavy() -> None:
    """Load what every test needs, once, before any process is forked."""
    import arch.bootstrap
    import hypothesis
    import pandas
    import pyarrow
    import pytest
    import scipy.stats
    import scoringrules
    import statsmodels.tsa.stattools
    import torch

    heavy = (arch.bootstrap, pandas, pyarrow, pytest, scipy.stats, scoringrules, torch)
    assert all((*heavy, statsmodels.tsa.stattools))  # noqa: S101
    # tests inherit this: the same examples for every mutant, and none made smaller
    phases = [one for one in hypothesis.Phase if one.name not in ("shrink", "explain")]
    hypothesis.settings.register_profile(
        "mutants", derandomize=True, database=None, deadline=None, phases=phases
    )
    hypothesis.settings.load_profile("mutants")
    gc.collect()
    gc.freeze()  # no process looks through all that again


def drawn_by_module(
    modules: list[str], sample: int | None, seed: int
) -> tuple[int, dict[str, list[Mutant]]]:
    """Make the mutants of some modules, and draw so many; count all of them."""
    every = [mutant for module in modules for mutant in mutants_of(module)]
    dice = random.Random(seed)  # noqa: S311  no secret
    drawn = dice.sample(every, min(sample or len(every), len(every)))
    drawn.sort(key=lambda one: (one.module, one.line))
    return len(every), {
        module: [one for one in drawn if one.module == module] for module in modules
    }


def found_of(
    drawn: dict[str, list[Mutant]], known_at: Path | None
) -> Iterator[tuple[str, Found]]:
    """Find out of each module, unless it is known; keep what is found."""
    known = json.loads(known_at.read_text()) if known_at and known_at.exists() else {}
    for module, mutants in drawn.items():
        before = known.get(module)
        if before is None or before["sha256"] != hash_of(before["files"]):
            known[module] = asdict(ask(module, mutants))
            if known_at:
                known_at.parent.mkdir(exist_ok=True)
                known_at.write_text(json.dumps(known, indent=1))
        yield module, Found(**known[module])


def main() -> None:
    """Change, run and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rooms", nargs="+")
    parser.add_argument("--module", nargs="+", help="these of the rooms alone")
    parser.add_argument("--sample", type=int, help="so many, drawn; all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--known", type=Path, help="what was found before, and is kept")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if arguments.sample and arguments.known:
        parser.error("Expected --known without --sample, got both. Leave one out.")
    os.chdir(ROOT)
    sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "src")]
    from machine import publish

    modules = [
        f"{room}/{path.stem}"
        for room in arguments.rooms
        for path in sorted((SOURCE / room).glob("*.py"))
        if path.stem != "__init__" and path.stem in (arguments.module or [path.stem])
    ]
    count, drawn = drawn_by_module(modules, arguments.sample, arguments.seed)
    load_heavy()
    found = dict(found_of(drawn, arguments.known))
    tried = sum(one.tried for one in found.values())
    seconds = sum(one.seconds for one in found.values())
    publish(
        {
            "rooms": arguments.rooms,
            "mutants": count,
            "tried": tried,
            "seed": arguments.seed,
            "noticed": sum(one.noticed for one in found.values()),
            "survived": sum(len(one.survived) for one in found.values()),
            "not judged": sum(len(one.not_judged) for one in found.values()),
            "seconds a mutant": round(seconds / max(1, tried), 1),
            "survivors": [line for one in found.values() for line in one.survived],
            "unjudged": [line for one in found.values() for line in one.not_judged],
        },
        arguments.out,
    )


if __name__ == "__main__":
    main()
