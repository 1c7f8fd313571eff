"""``closecast shelf``: versions of a model, and which one serves."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from closecast.cli.options import AsJson
from closecast.cli.screen import say, say_json

if TYPE_CHECKING:
    from closecast.serving.shelf import Shelf, Version

shelf_app = typer.Typer(
    help="Versions of a model: which one serves, and why.", no_args_is_help=True
)

Folder = Annotated[
    Path | None,
    typer.Option(
        "--shelf",
        help="Folder of the shelf; CLOSECAST_SHELF, or this user's data by default.",
    ),
]
Reason = Annotated[str, typer.Option(help="Why; it stays in the shelf's log.")]
Number = Annotated[int, typer.Argument(help="A version.")]


@shelf_app.command()
def add(
    model: Annotated[
        Path, typer.Argument(help="A model, or a run: then its scoreboard comes too.")
    ],
    reason: Reason,
    promote: Annotated[
        bool, typer.Option("--promote", help="Let it serve at once.")
    ] = False,
    onnx: Annotated[
        bool, typer.Option("--onnx", help="Keep it as ONNX too, for serve --onnx.")
    ] = False,
    shelf: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Copy a model onto the shelf as its next version."""
    place = _shelf(shelf)
    version = place.add(model, reason=reason, onnx=onnx)
    if promote:
        place.promote(version.number, reason=reason)
    _tell(version, "serves" if promote else "added", as_json=as_json)


@shelf_app.command("list")
def list_(shelf: Folder = None, as_json: AsJson = False) -> None:
    """List the versions, and what was done with them."""
    place = _shelf(shelf)
    current = place.current()
    serving = None if current is None else current.number
    versions, log = place.versions(), place.log()
    if as_json:
        say_json(
            {
                "shelf": str(place.path),
                "serving": serving,
                "versions": [version.manifest for version in versions],
                "log": [_plain(entry) for entry in log],
            }
        )
        return
    for version in versions:
        mark = "serves" if version.number == serving else ""
        digest = version.model_hash[:12]
        say(f"{version.number:>4}  {digest}  {mark:<6}  {_why(version)}")
    for entry in log:
        say(f"{entry.at}  {entry.action:<8}  {entry.version:>4}  {entry.reason}")
    say(f"Versions: {len(versions)}. Shelf: {place.path}")


@shelf_app.command()
def promote(
    version: Number, reason: Reason, shelf: Folder = None, as_json: AsJson = False
) -> None:
    """Let a version serve; a server that runs takes it up within a second."""
    _tell(_shelf(shelf).promote(version, reason=reason), "serves", as_json=as_json)


@shelf_app.command()
def rollback(reason: Reason, shelf: Folder = None, as_json: AsJson = False) -> None:
    """Let the version serve that served before."""
    _tell(_shelf(shelf).rollback(reason=reason), "serves", as_json=as_json)


@shelf_app.command()
def card(
    version: Number,
    out: Annotated[Path | None, typer.Option(help="Write the card here.")] = None,
    shelf: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Write a version's model card in Markdown, from its manifest and scoreboard."""
    from closecast.cli.options import require_writable
    from closecast.durable import write_durably
    from closecast.serving.card import card_of

    place = _shelf(shelf)
    text = card_of(place.version(version), place.log())
    if out is not None:
        require_writable(out)
        write_durably(out, text.encode())
    if as_json:
        say_json({"version": version, "card": text if out is None else str(out)})
    else:
        say(text if out is None else f"Card: {out}")


def _shelf(path: Path | None) -> "Shelf":
    from closecast.serving.shelf import Shelf

    return Shelf(path)


def _tell(version: "Version", what: str, *, as_json: bool) -> None:
    if as_json:
        say_json({"version": version.number, "state": what, **version.manifest})
    else:
        say(f"Version {version.number} {what}: {version.model_hash[:12]}")


def _why(version: "Version") -> str:
    board = version.scoreboard()
    return "not judged" if board is None else str(board["verdict"])


def _plain(entry: Any) -> dict[str, Any]:  # noqa: ANN401  an entry of the log
    from dataclasses import asdict

    return asdict(entry)
