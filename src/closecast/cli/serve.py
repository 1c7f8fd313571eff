"""``closecast serve``: the API and the dashboard, and the keys that open them."""

import sys
import threading
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from closecast.cli.options import AsJson
from closecast.cli.screen import say, say_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from closecast.serving.api.keys import KeyRing
    from closecast.serving.api.server import Started
    from closecast.serving.api.service import Lessons

serve_app = typer.Typer(
    help="Serve forecasts: the API and the dashboard, on this machine.",
    invoke_without_command=True,
)
keys_app = typer.Typer(help="Keys of programs and people.", no_args_is_help=True)
serve_app.add_typer(keys_app, name="keys")

KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--keys", help="File of keys; CLOSECAST_KEYS, or this user's data by default."
    ),
]
KeyName = Annotated[str, typer.Argument(help="Who has the key.")]


@serve_app.callback()
def serve(  # noqa: PLR0913, PLR0917  a flag each
    context: typer.Context,
    prices: Annotated[
        str | None,
        typer.Option(help="PRICES to serve; the store, or the sample without one."),
    ] = None,
    shelf: Annotated[
        Path | None, typer.Option(help="Folder of the shelf; CLOSECAST_SHELF.")
    ] = None,
    index: Annotated[
        Path | None, typer.Option(help="The index of runs; default: your own.")
    ] = None,
    onnx: Annotated[
        bool, typer.Option("--onnx", help="Let ONNX Runtime run the networks.")
    ] = False,
    ledger: Annotated[
        str | None,
        typer.Option(help="The ledger that closecast daily records in: file or URL."),
    ] = None,
    keys: KeyFile = None,
    host: Annotated[str, typer.Option(help="Address to bind.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to bind; 0 for a free one.")
    ] = 8765,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Certificate, PEM.", exists=True)
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(help="Its key, PEM.", exists=True)
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Let others in without encryption.")
    ] = False,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A further name of this server.")
    ] = None,
    rate: Annotated[
        float, typer.Option(help="Requests a second that a key may make.")
    ] = 300.0,
    open_: Annotated[
        bool | None,
        typer.Option("--open/--no-open", help="Open a browser; on a terminal it does."),
    ] = None,
) -> None:
    """Serve forecasts: the API and the dashboard, on this machine."""
    if context.invoked_subcommand is not None:
        return
    from closecast.serving.api.server import (
        ServerSettings,
        Sources,
        is_loopback,
        require_extra,
        run,
    )

    require_extra()
    settings = ServerSettings(
        host=host,
        port=port,
        tls_cert=tls_cert,
        tls_key=tls_key,
        insecure=insecure,
        allow_hosts=tuple(allow_host or ()),
        rate=rate,
    )
    opens = sys.stdout.isatty() if open_ is None else open_
    with _lab() if is_loopback(host) else nullcontext() as lessons:
        sources = Sources(
            prices=prices,
            shelf=shelf,
            index=index,
            keys=keys,
            ledger=ledger,
            onnx=onnx,
            lessons=lessons,
        )
        run(sources, settings, lambda started: _announce(started, opens=opens))


@contextmanager
def _lab() -> "Iterator[Lessons]":
    """Run the lessons beside the server, for readers on this machine."""
    from closecast.lab.lesson import read_lessons
    from closecast.lab.server import HOST, Lab, open_server
    from closecast.serving.api.shapes import LessonShape

    with open_server(Lab(), 0) as lab:
        place = f"http://{HOST}:{lab.server_port}"

        def lessons(language: str) -> list[LessonShape]:
            return [
                LessonShape(
                    number=lesson.number,
                    title=lesson.title,
                    summary=lesson.summary,
                    address=f"{place}/{language}/{lesson.name}.html",
                )
                for lesson in read_lessons(language)
            ]

        running = threading.Thread(target=lab.serve_forever, daemon=True)
        running.start()
        try:
            yield lessons
        finally:
            lab.shutdown()
            running.join()


@keys_app.command()
def add(
    name: KeyName,
    days: Annotated[float, typer.Option(help="Days until it expires.")] = 90,
    keys: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and show it, once: only its hash is kept."""
    token, key = _ring(keys).add(name, days)
    if as_json:
        say_json({"name": key.name, "key": token, "expires": key.expires})
    else:
        say(token)
        say(f"Key of {key.name}, until {key.expires}. It is not shown again.")


@keys_app.command("list")
def list_(keys: KeyFile = None, as_json: AsJson = False) -> None:
    """List who has a key, and until when."""
    ring = _ring(keys)
    known = [
        {
            "name": key.name,
            "created": key.created,
            "expires": key.expires,
            "expired": ring.expired(key),
        }
        for key in ring.listed()
    ]
    if as_json:
        say_json(known)
        return
    for one in known:
        state = "expired" if one["expired"] else "valid"
        say(f"{one['name']:<20}  {state:<7}  until {one['expires']}")
    say(f"Keys: {len(known)}. File: {ring.path}")


@keys_app.command()
def revoke(name: KeyName, keys: KeyFile = None, as_json: AsJson = False) -> None:
    """Refuse a key from now on, also in a server that runs."""
    _ring(keys).revoke(name)
    if as_json:
        say_json({"revoked": name})
    else:
        say(f"Revoked: {name}")


def _ring(path: Path | None) -> "KeyRing":
    from closecast.serving.api.keys import KeyRing, default_keys

    return KeyRing(path or default_keys())


def _announce(started: "Started", *, opens: bool) -> None:
    say(f"Serving: {started.address}")
    say(f"Dashboard, this link works once: {started.link}")
    say(f"Programs, until the server stops: Authorization: Bearer {started.key}")
    sys.stdout.flush()
    if opens:
        import webbrowser

        webbrowser.open(started.link)
