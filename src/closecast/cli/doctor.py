"""``closecast doctor``: what there is on this machine, or what is wrong in prices."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from closecast.cli.data import check_files
from closecast.cli.machine import facts
from closecast.cli.options import AsJson
from closecast.cli.screen import say, say_json

if TYPE_CHECKING:
    from closecast.market.readers.format import Hints


def doctor(
    hints: "Hints",
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE]...", help="Price files to look at; without, this machine."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what closecast finds here: versions, engine, extras, fonts, places.

    With files it is ``closecast data check`` of them. Exit code 1: something is wrong.
    """  # noqa: DOC501
    if files:
        check_files(files, hints, as_json=as_json)
        return
    found = facts()
    if as_json:
        say_json(found)
    else:
        for line in told(found):
            say(line)
    raise typer.Exit(1 if is_wrong(found) else 0)


def is_wrong(found: dict[str, Any]) -> bool:
    """Tell whether a part that everybody needs is missing or cannot run.

    Args:
        found: From ``facts``.

    Returns:
        True for a library that is not there, or an engine that cannot be chosen.
    """
    return "error" in found["engine"] or None in found["libraries"].values()


def told(found: dict[str, Any]) -> Iterator[str]:
    """Say in words what was found.

    Args:
        found: From ``facts``.

    Yields:
        Lines.
    """
    python = found["python"]
    yield f"closecast {found['closecast']}, {found['platform']}."
    yield f"Python: {python['version']} ({python['path']})."
    yield from engine_told(found["engine"])
    yield f"Libraries: {_listed(found['libraries'])}."
    for extra, names in found["extras"].items():
        if None not in names.values():
            yield f"Extra {extra}: {_listed(names)}."
        else:
            missing = ", ".join(name for name, known in names.items() if known is None)
            yield (
                f'Extra {extra}: without {missing}; pip install "closecast[{extra}]".'
            )
    yield f"Font for Hangul: {found['fonts']['hangul'] or 'missing'}."
    for name, place in found["places"].items():
        state = "" if place["exists"] else " (nothing there yet)"
        yield f"{name.capitalize()}: {place['path']}{state}."
    for name, value in found["environment"].items():
        yield f"Environment: {name}={value}."


def engine_told(found: dict[str, Any]) -> Iterator[str]:
    """Say in words which engine trains.

    Args:
        found: From ``engine_facts``, or an error.

    Yields:
        Lines.
    """
    if "error" in found:
        yield f"Engine: none. {found['error']}"
        return
    yield f"Engine: {found['engine']} ({found['why']}), device {found['device']}."
    if found["kernels"]:
        sets = ", ".join(found["kernels"])
        yield (
            f"Instruction set of the native engine: {found['instruction_set']} "
            f"(of {sets})."
        )
        yield f"Precision of the native engine: {' or '.join(found['precisions'])}."
    else:
        yield "Native engine: not built; install closecast where a C++ compiler is."
    yield f"Threads: {found['threads']} of {found['cores']} cores."
    yield f"Processor: {' '.join(found['cpu_features']) or 'not asked'}."
    yield f"PyTorch: {found['torch'] or 'not installed'}."


def _listed(versions: dict[str, str | None]) -> str:
    return ", ".join(f"{name} {known or 'MISSING'}" for name, known in versions.items())
