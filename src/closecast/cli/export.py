"""``closecast export``: a trained model for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from closecast.cli.options import AsJson, ModelFolder
from closecast.cli.screen import say, say_json


def export(
    model: ModelFolder,
    onnx: Annotated[Path, typer.Option(help="The ONNX file to write.")],
    as_json: AsJson = False,
) -> None:
    """Write a model's networks as an ONNX file, for programs without Python."""
    from closecast.training.checkpoint import load
    from closecast.training.export import export_onnx

    path = export_onnx(load(model), onnx)
    if as_json:
        say_json({"onnx": str(path), "bytes": path.stat().st_size})
    else:
        say(f"ONNX: {path} ({path.stat().st_size / 1000:.0f} kB)")
