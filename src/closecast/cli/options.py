"""What several commands take: prices, settings, ``--language``, ``--json``."""

import inspect
import os
import re
from collections.abc import Callable, Collection, Mapping
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
PricesOrPanel = Annotated[
    str,
    typer.Argument(
        help="A CSV or Parquet file, a folder of them, symbols of the store "
        "(store:AAPL,MSFT, or store: for all), 'sample', or a panel that data pack "
        "wrote."
    ),
]
ModelFolder = Annotated[Path, typer.Argument(help="A folder that train wrote.")]
Language = Annotated[str, typer.Option(help="Language of the report: en or ko.")]
_FIRST = typer.Option("--dayfirst/--monthfirst", help="What 02/01/2024 begins with.")
_DECIMAL = typer.Option(help="The sign before the decimals: '.' or ','.")
_COLUMNS = typer.Option(help="Names of a headless file's columns: date,open,high...")
_ADJUST = typer.Option("--adjust", help="Prices follow the column adj_close.")
HINTS: dict[str, tuple[Any, bool | None]] = {
    "dayfirst": (Annotated[bool | None, _FIRST], None),
    "decimal": (Annotated[str | None, _DECIMAL], None),
    "columns": (Annotated[str | None, _COLUMNS], None),
    "adjust": (Annotated[bool, _ADJUST], False),
}
"""What a file of prices cannot say of itself: an option each, and its default."""

OwnFile = Annotated[
    Path | None,
    typer.Option(
        "--own-columns",
        help="A CSV or Parquet file with the columns that the settings name.",
    ),
]
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
    taken = {*inspect.signature(command).parameters, *without}
    told = _meanings()
    options = {
        field.name: (
            Annotated[
                field.type,
                typer.Option(rich_help_panel="Settings", help=told.get(field.name)),
            ],
            field.default,
        )
        for field in fields(Settings)
        if field.name not in taken
    }
    return with_options(command, "settings", options, dict)


def _meanings() -> dict[str, str]:
    # What the settings' own docstring says of each, in plain words.
    text = (inspect.getdoc(Settings) or "").partition("Attributes:\n")[2]
    found = re.findall(
        r"^ {4}(\w+): (.*?)(?=^ {4}\w|\Z)", text, re.MULTILINE | re.DOTALL
    )
    return {
        name: re.sub(r'``"?|"?``', "", " ".join(told.split())) for name, told in found
    }


def with_hints(
    command: Callable[..., None], without: Collection[str] = ()
) -> Callable[..., None]:
    """Give a command the options that say what a file of prices cannot.

    Args:
        command: Takes ``hints``.
        without: Options that it has no use for.

    Returns:
        A command whose signature typer reads, with ``--dayfirst/--monthfirst``,
        ``--decimal``, ``--columns`` and ``--adjust`` in its place.
    """

    def collect(**given: Any) -> "Hints":  # noqa: ANN401  what typer parsed
        from closecast.market.readers.format import hints_from

        return hints_from(**given)

    options = {name: one for name, one in HINTS.items() if name not in without}
    return with_options(command, "hints", options, collect)


def with_options(
    command: Callable[..., None],
    argument: str,
    options: Mapping[str, tuple[Any, Any]],
    collect: Callable[..., Any],
) -> Callable[..., None]:
    """Give a command options in the place of an argument that they make together.

    Args:
        command: Takes the argument.
        argument: Its name.
        options: What typer reads of each option, and its default.
        collect: Makes the argument of the options.

    Returns:
        A command whose signature typer reads.
    """
    signature = inspect.signature(command)
    own = [p for p in signature.parameters.values() if p.name != argument]
    flag = inspect.Parameter.KEYWORD_ONLY

    def run(**arguments: Any) -> None:  # noqa: ANN401  what typer parsed
        given = {name: arguments.pop(name) for name in options}
        command(**arguments, **{argument: collect(**given)})

    run.__doc__ = command.__doc__
    run.__name__ = command.__name__
    run.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[
            *(p.replace(kind=flag) for p in own),
            *(
                inspect.Parameter(name, flag, default=default, annotation=annotation)
                for name, (annotation, default) in options.items()
            ),
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


def require_language(language: str) -> None:
    """Refuse an unknown language before the work, not after it.

    Args:
        language: What ``--language`` says.

    Raises:
        SettingError: No report speaks it.
    """
    from closecast.reports.language import words_of

    words_of(language)


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

    Raises:
        SettingError: They are a panel on disk, which this command does not map.
    """
    from closecast.market.panels import bars_of
    from closecast.market.readers.format import NO_HINTS
    from closecast.windows.on_disk import is_panel

    if is_panel(prices):
        raise SettingError(
            f"Expected prices that are read into memory, got a panel on disk ({prices}"
            "). Give the files that it was packed from; train, forecast and evaluate "
            "map a panel."
        )
    with file_progress("reading") as on_file:
        workers = os.cpu_count() or 1
        return bars_of(prices, hints or NO_HINTS, on_file=on_file, workers=workers)


def source_of(prices: str) -> str:
    """Name prices in a run, without where they lie on this machine.

    Args:
        prices: As in ``read``.

    Returns:
        The name of the file or folder; what is no path as it is.
    """
    from closecast.market.panels import is_named

    return prices if is_named(prices) else Path(prices).name
