"""Change the code a little, a thousand times: does a test of its own room notice?

Each mutant is one small change of one module: a comparison, an operator, a constant or
a condition. The tests of that module (``tests/ROOM/test_MODULE.py`` and those that
``ALSO`` names) run on it in a process of its own, forked where the heavy libraries are
loaded already, so that a mutant costs its tests and not the start of Python. Shapes and
types are not checked at run time here: a test has to notice. One that no test notices
survives and is named.

    python scripts/mutate.py windows evaluation --out benchmarks/results/mutants.json
    python scripts/mutate.py windows --sample 100 --seed 1     # so many, drawn
    python scripts/mutate.py windows --module scaling          # one module

The test that noticed a mutant runs first on the next one, pytest loads no plugin, and
hypothesis draws the same examples each time and shrinks none: less than a second a
mutant on one core, and the same answer in any order. ``docs/mutants.md`` argues the
survivors.
"""

import argparse
import ast
import importlib.abc
import importlib.util
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "closecast"
LIMIT_S = 300
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
    """

    def __init__(self, keen: list[str], told: int) -> None:
        self.keen, self.told = keen, told

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Put them in front, all others after them as they were."""
        place = {name: at for at, name in enumerate(self.keen)}
        items.sort(key=lambda item: place.get(item.nodeid, len(place)))

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Tell which test noticed."""
        if report.failed:
            os.write(self.told, report.nodeid.encode())


def run_tests(mutant: Mutant | None, tests: list[str], keen: list[str]) -> int:
    """Run tests in a forked process; give pytest's exit code, or a signal's.

    Args:
        mutant: What is changed; none, to see whether the tests pass without.
        tests: Files of tests.
        keen: Tests that go first; the one that notices is put in front.
    """
    hear, tell = os.pipe()
    child = os.fork()
    if child:
        os.close(tell)
        with os.fdopen(hear) as heard:
            name = heard.read()
        _, status = os.waitpid(child, 0)
        if name:
            keen[:] = [name, *(one for one in keen if one != name)]
        return os.waitstatus_to_exitcode(status)
    signal.alarm(LIMIT_S)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    import pytest

    if mutant is not None:
        sys.meta_path.insert(0, Changed(mutant))
    code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-m", "not gpu", "-W",
                        "ignore::pytest.PytestAssertRewriteWarning", "-o",
                        "addopts=--import-mode=importlib", *tests],
                       plugins=[KeenFirst(keen, tell)])  # fmt: skip
    os._exit(int(code))


def judged(mutants: list[Mutant]) -> Iterator[tuple[Mutant, str]]:
    """Say of each mutant whether a test noticed it."""
    sound: dict[str, bool] = {}
    keen: dict[str, list[str]] = {}
    for mutant in mutants:
        name, tests = mutant.module, tests_of(mutant.module)
        if name not in sound:
            keen[name] = []
            sound[name] = not tests or run_tests(None, tests, keen[name]) == 0
        if not tests:
            yield mutant, "no test of its own"
        elif not sound[name]:
            yield mutant, "not judged: its tests fail without it"
        else:
            ended = run_tests(mutant, tests, keen[name])
            yield mutant, "survived" if ended == 0 else "noticed"


def load_heavy() -> None:
    """Load what every test needs, once, before any process is forked."""
    import hypothesis
    import pandas
    import pyarrow
    import pytest
    import scipy.stats

    assert all((pandas, pyarrow, pytest, scipy.stats))  # noqa: S101
    # tests inherit this: the same examples for every mutant, and none made smaller
    phases = [one for one in hypothesis.Phase if one.name not in ("shrink", "explain")]
    hypothesis.settings.register_profile(
        "mutants", derandomize=True, database=None, deadline=None, phases=phases
    )
    hypothesis.settings.load_profile("mutants")


def main() -> None:
    """Change, run and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rooms", nargs="+")
    parser.add_argument("--module", nargs="+", help="these of the rooms alone")
    parser.add_argument("--sample", type=int, help="so many, drawn; all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    os.chdir(ROOT)
    sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "src")]
    from machine import publish

    modules = [
        f"{room}/{path.stem}"
        for room in arguments.rooms
        for path in sorted((SOURCE / room).glob("*.py"))
        if path.stem != "__init__" and path.stem in (arguments.module or [path.stem])
    ]
    every = [mutant for module in modules for mutant in mutants_of(module)]
    dice = random.Random(arguments.seed)  # noqa: S311  no secret
    drawn = dice.sample(every, min(arguments.sample or len(every), len(every)))
    drawn.sort(key=lambda one: (one.module, one.line))
    load_heavy()
    counts: Counter[str] = Counter()
    survivors, began = [], time.monotonic()
    for mutant, ended in judged(drawn):
        counts[ended] += 1
        if ended != "noticed":
            survivors.append(
                f"{mutant.module}:{mutant.line}: {mutant.now}: {mutant.was}"
            )
            print(ended, survivors[-1], file=sys.stderr, flush=True)
    found = {
        "rooms": arguments.rooms,
        "mutants": len(every),
        "tried": len(drawn),
        "seed": arguments.seed,
        "noticed": counts["noticed"],
        "survived": counts["survived"],
        "not judged": sum(counts.values()) - counts["noticed"] - counts["survived"],
        "seconds a mutant": round((time.monotonic() - began) / max(1, len(drawn)), 1),
        "survivors": survivors,
    }
    publish(found, arguments.out)


if __name__ == "__main__":
    main()
