"""What closecast finds on this machine: versions, engine, extras, fonts, places.

Nothing heavy is loaded to find it out, and no value of a secret is read.
"""

import os
import platform
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from closecast.errors import ClosecastError

EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")
NAME = re.compile(r"[A-Za-z0-9._-]+")

FOR_DEVELOPERS = frozenset({"test", "docs", "bench"})
"""Extras that a user does not need."""

TOLD = re.compile(r"CLOSECAST_(STORE|INDEX|SHELF|KEYS|ENGINE|ENGINE_ISA|\w+_PYTHON)")
SET = re.compile(r"CLOSECAST_\w+|KRX_ID|KRX_PW|RAY_AUTH_TOKEN|OMP_NUM_THREADS")
"""Variables whose value is told, and those of which only that they are set."""


def facts() -> dict[str, Any]:
    """Find out what there is.

    Returns:
        Plain values under ``closecast``, ``python``, ``platform``, ``engine``,
        ``libraries``, ``extras``, ``fonts``, ``places`` and ``environment``.
    """
    libraries, extras = _requirements()
    return {
        "closecast": metadata.version("closecast"),
        "python": {"version": platform.python_version(), "path": sys.executable},
        "platform": platform.platform(),
        "engine": _engine(),
        "libraries": {name: _version(name) for name in libraries},
        "extras": {
            extra: {name: _version(name) for name in names}
            for extra, names in extras.items()
        },
        "fonts": _fonts(),
        "places": _places(),
        "environment": dict(_environment()),
    }


def engine_facts(name: str, device: str) -> dict[str, Any]:
    """Find out which engine trains, why, and with which instructions.

    Args:
        name: ``auto``, ``native`` or ``torch``.
        device: ``cpu``, ``cuda``, ``cuda:1`` ...

    Returns:
        Plain values.

    Raises:
        SettingError: There is no such engine, or it does not run there.
    """
    from closecast.engine.choice import decide
    from closecast.engine.native import supported
    from closecast.engine.native.engine import cores
    from closecast.engine.native.kernels import (
        choose_instruction_set,
        cpu_features,
        precisions,
    )

    choice, kernels = decide(name, device), supported()
    chosen = choose_instruction_set() if kernels else None
    return {
        "engine": choice.name,
        "why": choice.why,
        "device": device,
        "kernels": list(kernels),
        "instruction_set": chosen,
        "precisions": list(precisions(chosen)) if chosen else [],
        "threads": cores() if choice.name == "native" else 1,
        "cores": cores(),
        "cpu_features": list(cpu_features()),
        "torch": _version("torch"),
    }


def _engine() -> dict[str, Any]:
    try:
        return engine_facts("auto", "cpu")
    except ClosecastError as error:  # what is wrong is what a doctor is asked for
        return {"error": str(error)}


def _requirements() -> tuple[list[str], dict[str, list[str]]]:
    # As the installed package states them: always needed, and by extra.
    always: list[str] = []
    extras: dict[str, list[str]] = {}
    for stated in metadata.requires("closecast") or ():
        name = NAME.match(stated)
        extra = EXTRA.search(stated)
        if name is None or (extra and extra[1] in FOR_DEVELOPERS):
            continue
        if extra is None:
            always.append(name[0])
        elif not ("sys_platform" in stated and os.name == "nt"):
            extras.setdefault(extra[1], []).append(name[0])
    return sorted(always), dict(sorted(extras.items()))


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _fonts() -> dict[str, str]:
    import closecast.lab

    path = Path(closecast.lab.__file__).parent / "data" / "closecast-hangul.ttf"
    return {"hangul": str(path) if path.is_file() else ""}


def _places() -> dict[str, dict[str, Any]]:
    from closecast.experiments.index import default_index
    from closecast.market.store import default_path
    from closecast.serving.api.keys import default_keys
    from closecast.serving.shelf import default_shelf

    places = {
        "store": default_path(),
        "index": default_index(),
        "shelf": default_shelf(),
        "keys": default_keys(),
    }
    return {
        name: {"path": str(path), "exists": path.exists()}
        for name, path in places.items()
    }


def _environment() -> Iterator[tuple[str, str]]:
    for name in sorted(os.environ):
        if SET.fullmatch(name):
            yield name, os.environ[name] if TOLD.fullmatch(name) else "set"
