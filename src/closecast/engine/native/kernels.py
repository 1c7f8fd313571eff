"""Which compiled kernels there are, and which of them this processor runs."""

import importlib
import importlib.util
import os
from functools import cache
from typing import Any

from closecast.engine.fleet import PRECISIONS
from closecast.errors import MissingExtraError, SettingError

INSTRUCTION_SETS = ("avx512bf16", "avx512", "avx2", "baseline")
"""Best first; the baseline runs everywhere."""

OVERRIDE = "CLOSECAST_ENGINE_ISA"
"""Environment variable that names the instruction set to use."""


def is_built() -> bool:
    """Tell whether the package was installed with its compiled kernels."""
    return _is_compiled("baseline")


def supported() -> tuple[str, ...]:
    """List the instruction sets that this processor runs and that are compiled.

    Returns:
        Names from ``INSTRUCTION_SETS``, best first; none without compiled kernels.
    """
    if not is_built():
        return ()
    return tuple(filter(_is_compiled, _module("baseline").supported()))


def cpu_features() -> tuple[str, ...]:
    """List what this processor has beyond its baseline, as far as it matters here.

    Returns:
        Names as compilers have them; none without compiled kernels.
    """
    return tuple(_module("baseline").cpu_features()) if is_built() else ()


def choose_instruction_set(name: str | None = None) -> str:
    """Choose the kernels to run.

    Args:
        name: One of ``INSTRUCTION_SETS``; by default what the environment variable
            ``CLOSECAST_ENGINE_ISA`` names, else the best.

    Returns:
        The name.

    Raises:
        MissingExtraError: There are no compiled kernels.
        SettingError: This processor or this installation does not have it.
    """
    names = supported()
    if not names:
        raise MissingExtraError(
            "Expected the compiled kernels of the native engine, got an installation "
            "without them. Install closecast where a C++ compiler is, or choose the "
            "torch engine."
        )
    wanted = name or os.environ.get(OVERRIDE) or names[0]
    if wanted not in names:
        raise SettingError(
            f"Expected an instruction set that runs here, one of {', '.join(names)}, "
            f"got {wanted!r}. Unset {OVERRIDE} to take the best."
        )
    return wanted


def precisions(name: str) -> tuple[str, ...]:
    """List the precisions that kernels train in.

    Args:
        name: From ``choose_instruction_set``.

    Returns:
        Names from ``closecast.engine.fleet.PRECISIONS``.
    """
    return PRECISIONS if _module(name).HAS_BFLOAT16 else PRECISIONS[:1]


def load_kernels(name: str) -> Any:  # noqa: ANN401 - a compiled module
    """Load compiled kernels.

    Args:
        name: From ``choose_instruction_set``.

    Returns:
        The module.
    """
    return _module(name)


@cache  # a look at the disk, which each forecast would take again
def _is_compiled(name: str) -> bool:
    return importlib.util.find_spec(f"{__package__}._{name}") is not None


def _module(name: str) -> Any:  # noqa: ANN401
    return importlib.import_module(f"{__package__}._{name}")
