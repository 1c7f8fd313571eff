"""What several commands take: prices, settings, ``--language``, ``--json``."""

import inspect
from collections.abc import Callable, Collection
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from closecast.cli.screen import file_progress
from closecast.training.settings import Settings

Prices = Annotated[
    str,
    typer.Argument(
        help="A CSV or Parquet file, a folder of them, symbols of the store "
        "(store:AAPL,MSFT, or store: for all), or 'sample'."
    ),
]
ModelFolder = Annotated[Path, typer.Argument(help="A folder that train wrote.")]
Language = Annotated[str, typer.Option(help="Language of the report: en or ko.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")]


def with_settings(
    command: Callable[..., None], without: Collection[str] = ()
) -> Callable[..., None]:
    """Give a command one option for each setting; its last argument collects them.

    Args:
        command: Takes ``settings``, a dictionary of those that were given; a setting
            that is an argument of its own is none of them.
        without: Settings that it has no use for.

    Returns:
        A command whose signature typer reads.
    """
    signature = inspect.signature(command)
    own = [p for p in signature.parameters.values() if p.name != "settings"]
    taken = {*signature.parameters, *without}
    options = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=Annotated[field.type, typer.Option(rich_help_panel="Settings")],
        )
        for field in fields(Settings)
        if field.name not in taken
    ]

    def run(**arguments: Any) -> None:  # noqa: ANN401  what typer parsed
        settings = {option.name: arguments.pop(option.name) for option in options}
        command(**arguments, settings=settings)

    run.__doc__ = command.__doc__
    run.__name__ = command.__name__
    run.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[
            *(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own),
            *options,
        ]
    )
    return run


def read(prices: str) -> Any:  # noqa: ANN401  Bars, imported when needed
    """Read the prices that a command names.

    Args:
        prices: A path, symbols of the store or "sample".

    Returns:
        The panel.
    """
    from closecast.market.panels import bars_of

    with file_progress("reading") as on_file:
        return bars_of(prices, on_file=on_file)
