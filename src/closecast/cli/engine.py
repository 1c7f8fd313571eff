"""``closecast engine``: what trains here, why, and with which instructions."""

from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer

from closecast.cli.options import AsJson
from closecast.cli.screen import say, say_json


def engine(
    engine: Annotated[
        str, typer.Option(help="auto, native or torch, as the setting.")
    ] = "auto",
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 ...")] = "cpu",
    as_json: AsJson = False,
) -> None:
    """Say which engine trains here, why, and with which instructions."""
    facts = _facts(engine, device)
    if as_json:
        say_json(facts)
        return
    say(f"Engine: {facts['engine']} ({facts['why']}), device {facts['device']}.")
    if facts["kernels"]:
        sets = ", ".join(facts["kernels"])
        say(f"Instruction set of the native engine: {facts['instruction_set']} "
            f"(of {sets}).")  # fmt: skip
        say(f"Precision of the native engine: {' or '.join(facts['precisions'])}.")
    else:
        say("Native engine: not built; install closecast where a C++ compiler is.")
    say(f"Threads: {facts['threads']} of {facts['cores']} cores.")
    say(f"Processor: {' '.join(facts['cpu_features']) or 'not asked'}.")
    say(f"PyTorch: {facts['torch'] or 'not installed'}.")


def _facts(name: str, device: str) -> dict[str, Any]:
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
        "torch": _torch_version(),
    }


def _torch_version() -> str | None:
    try:
        return version("torch")
    except PackageNotFoundError:
        return None
