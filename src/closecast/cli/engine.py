"""``closecast engine``: what trains here, why, and with which instructions."""

from typing import Annotated

import typer

from closecast.cli.doctor import engine_told
from closecast.cli.machine import engine_facts
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
    facts = engine_facts(engine, device)
    if as_json:
        say_json(facts)
        return
    for line in engine_told(facts):
        say(line)
