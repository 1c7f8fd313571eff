"""The type checker of the tests: arrays have the shapes and dtypes that they claim.

mypy has checked everything else before a test runs, and what a user may get wrong is
checked at the door by our own errors, which tests must be able to reach.
"""

from collections.abc import Callable
from types import UnionType
from typing import Any, Union, get_args, get_origin

from beartype import beartype
from jaxtyping import AbstractArray


def holds_array(hint: object) -> bool:
    """Tell whether a type is an array with a shape, or a union or tuple with one.

    Arrays in a list may differ in length, so an axis has no one size there.
    """
    if get_origin(hint) in (UnionType, Union, tuple):
        return any(holds_array(part) for part in get_args(hint))
    return isinstance(hint, type) and issubclass(hint, AbstractArray)


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check the arrays that a function is given and gives."""
    hints = function.__annotations__
    function.__annotations__ = {n: h for n, h in hints.items() if holds_array(h)}
    return beartype(function)
