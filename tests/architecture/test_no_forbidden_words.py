"""No room without a noun, and nothing that runs the code of a file it reads."""

import ast
from pathlib import Path

import pytest

import closecast

ROOT = Path(closecast.__file__).parent
NAMELESS = {"utils", "util", "common", "core", "helpers", "helper", "base", "misc"}
UNSAFE_MODULES = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
UNSAFE_BUILTINS = {"eval", "exec"}
UNSAFE_METHODS = {"yaml.load", "torch.load", "torch.save"}
UNSAFE_NAMES = {"read_pickle", "to_pickle"}


def imported_modules(node: ast.AST) -> set[str]:
    """Give the top-level packages that a node imports."""
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom) and node.module:
        return {node.module.split(".")[0]}
    return set()


def called(node: ast.Call) -> str:
    """Write the function that a node calls as in the source: `a.b`."""
    return ast.unparse(node.func)


def is_unsafe_call(node: ast.AST) -> bool:
    """Tell whether a node calls what may run the code of a file."""
    if not isinstance(node, ast.Call):
        return False
    name = called(node)
    return (
        name in UNSAFE_BUILTINS | UNSAFE_METHODS
        or name.split(".")[-1] in UNSAFE_NAMES
        or any(keyword.arg == "allow_pickle" for keyword in node.keywords)
    )


def unsafe_lines(source: str) -> list[int]:
    """Find the lines that import or call something unsafe."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Call)
        and (is_unsafe_call(node) or imported_modules(node) & UNSAFE_MODULES)
    ]


def test_every_module_has_a_noun():
    """A function that seems to belong to `utils` has a home that is not named yet."""
    modules = [path.relative_to(ROOT) for path in ROOT.rglob("*.py")]

    nameless = [str(m) for m in modules if NAMELESS & {*m.parts, m.stem}]

    assert modules
    assert nameless == []


def test_no_file_that_is_read_can_run_code():
    """Models and settings are data: no pickle, no eval, no yaml.load."""
    unsafe = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in ROOT.rglob("*.py")
        for line in unsafe_lines(path.read_text())
    ]

    assert unsafe == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "eval('1')",
        "yaml.load(text)",
        "torch.load(path, weights_only=True)",
        "np.load(path, allow_pickle=True)",
        "pd.read_pickle(path)",
    ],
)
def test_planted_code_is_found(source: str):
    """The search above finds what it looks for."""
    assert unsafe_lines(source) == [1]


def test_a_network_may_be_put_into_evaluation_mode():
    """`network.eval()` is a method and runs nothing."""
    assert unsafe_lines("network.eval()") == []
