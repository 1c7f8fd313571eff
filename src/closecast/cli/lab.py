"""``closecast lab``: the lecture's lessons on this machine."""

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from closecast.cli.options import require_folder
from closecast.cli.screen import say


def lab(
    language: Annotated[
        str, typer.Option(help="Language to begin in: en or ko.")
    ] = "en",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the pages; 0 takes any.")
    ] = 8770,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the pages.")
    ] = True,
    notebooks: Annotated[
        Path | None, typer.Option(help="Write the lessons as notebooks, and end.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Run all lessons, write their pages here, and end."),
    ] = None,
) -> None:
    """Open the lecture's lessons: pages with numbers to change, and notebooks."""
    from closecast.lab.lesson import require_language
    from closecast.lab.notebook import write_notebooks
    from closecast.lab.pages import write_pages

    require_language(language)
    for folder in (notebooks, out):
        require_folder(folder)
    if notebooks is not None:
        say(f"Notebooks: {len(write_notebooks(notebooks))} in {notebooks}")
    if out is not None:
        write_pages(out)
        say(f"Pages: {out / language / 'index.html'}")
    if notebooks is None and out is None:
        _serve(language, port, browser)


def _serve(language: str, port: int, browser: bool) -> None:
    from closecast.lab.server import HOST, Lab, open_server

    with open_server(Lab(language=language), port) as server:
        place = f"http://{HOST}:{server.server_port}/{language}/index.html"
        say(f"The lab: {place} (Ctrl-C ends it)")
        if browser:
            webbrowser.open(place)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("The lab is closed.")
