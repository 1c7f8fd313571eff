"""What several commands take: prices, settings, ``--language``, ``--json``."""

import inspect
import os
from collections.abc import Callable, Collection
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from closecast.cli.screen import file_progress
from closecast.errors import SettingError
from closecast.training.settings import Settings

if TYPE_CHECKING:
    from closecast.market.readers.format import Hints

Prices = Annotated[
    str,
    typer.Argument(
        help="A CSV or Parquet file, a folder of them, symbols of the store "
        "(store:AAPL,MSFT, or store: for all), or 'sample'."
    ),
]
ModelFolder = Annotated[Path, typer.Argument(help="A folder that train wrote.")]
Language = Annotated[str, typer.Option(help="Language of the report: en or ko.")]
HINTS: dict[str, Any] = {
    "dayfirst": Annotated[
        bool | None,
        typer.Option("--dayfirst/--monthfirst", help="What 02/01/2024 begins with."),
    ],
    "decimal": Annotated[
        str | None, typer.Option(help="The sign before the decimals: '.' or ','.")
    ],
    "columns": Annotated[
        str | None,
        typer.Option(help="Names of a headless file's columns: date,open,high..."),
    ],
}
"""What a file of prices cannot say of itself."""

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


def with_hints(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say what a file of prices cannot.

    Args:
        command: Takes ``hints``.

    Returns:
        A command whose signature typer reads, with ``--dayfirst/--monthfirst``,
        ``--decimal`` and ``--columns`` in its place.
    """
    signature = inspect.signature(command)
    own = [p for p in signature.parameters.values() if p.name != "hints"]
    options = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=annotation,
        )
        for name, annotation in HINTS.items()
    ]

    def run(**arguments: Any) -> None:  # noqa: ANN401  what typer parsed
        from closecast.market.readers.format import hints_from

        given = {name: arguments.pop(name) for name in HINTS}
        command(**arguments, hints=hints_from(**given))

    run.__doc__ = command.__doc__
    run.__name__ = command.__name__
    run.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[
            *(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own),
            *options,
        ]
    )
    return run


def require_writable(out: Path) -> None:
    """Find out before the work whether its result can be written.

    Args:
        out: A file or folder that will be written, and made where it is not.

    Raises:
        SettingError: It cannot be made there.
    """
    place = next(path for path in (out, *out.parents) if path.exists())
    if not os.access(place, os.W_OK) or (place != out and not place.is_dir()):
        raise SettingError(
            f"Expected a place that can be written, got {out} ({place} is "
            f"{'no folder' if place.is_file() else 'not writable'}). Choose another."
        )


def require_folder(out: Path | None) -> None:
    """Find out before the work whether a folder of results can be made.

    Args:
        out: The folder, or None where nothing is written.

    Raises:
        SettingError: It is a file, or cannot be made there.
    """
    if out is None:
        return
    if out.is_file():
        raise SettingError(
            f"Expected a folder to write to, got the file {out}. Choose another."
        )
    require_writable(out)


def read(prices: str, hints: "Hints | None" = None) -> Any:  # noqa: ANN401  Bars
    """Read the prices that a command names.

    Args:
        prices: A path, symbols of the store or "sample".
        hints: What a file cannot say of itself.

    Returns:
        The panel.
    """
    from closecast.market.panels import bars_of
    from closecast.market.readers.format import NO_HINTS

    with file_progress("reading") as on_file:
        return bars_of(prices, hints or NO_HINTS, on_file=on_file)
