"""An error message is one string: a stray comma would make it a tuple."""

import ast
from pathlib import Path

import closecast

ROOT = Path(closecast.__file__).parent


def is_text(node: ast.expr) -> bool:
    """Tell whether a node is a string or an f-string."""
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def is_exception(call: ast.Call) -> bool:
    """Tell whether a call makes an exception, and not a function that builds one."""
    return ast.unparse(call.func).split(".")[-1][0].isupper()


def split_messages(source: str) -> list[int]:
    """Find the lines that raise an error with more than one text."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Call)
        and is_exception(node.exc)
        and sum(is_text(argument) for argument in node.exc.args) > 1
    ]


def test_messages_are_one_string():
    """`raise ValueError("needs 3,", "got 2")` shows its reader a tuple."""
    split = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in ROOT.rglob("*.py")
        for line in split_messages(path.read_text())
    ]

    assert split == []


def test_a_planted_tuple_is_found():
    """The search above finds what it looks for."""
    assert split_messages('raise ValueError("needs 3,", f"got {2}")') == [1]
    assert split_messages('raise ValueError("needs 3, " f"got {2}")') == []
    assert split_messages('raise _refusal("needs 3", "Give 3.")') == []
