"""What a person at a terminal sees: notes, errors, progress; silent into a pipe."""

import json
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from closecast.errors import ClosecastWarning

if TYPE_CHECKING:
    from closecast.engine.fleet import Progress


def complain(error: Exception) -> None:
    """Print an error as one sentence on stderr.

    Args:
        error: What went wrong.
    """
    sys.stderr.write(f"closecast: {error}\n")


def note(text: str) -> None:
    """Print a note on stderr.

    Args:
        text: The note.
    """
    sys.stderr.write(f"Note: {text}\n")


def say(text: str) -> None:
    """Print a line on stdout.

    Args:
        text: The line.
    """
    sys.stdout.write(text + "\n")


def say_json(value: Any) -> None:  # noqa: ANN401  whatever JSON holds
    """Print a value as JSON on stdout.

    Args:
        value: Plain values.
    """
    say(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


@contextmanager
def notes() -> Iterator[None]:
    """Show what was done to the data as notes on stderr, as it happens."""
    with warnings.catch_warnings():
        show_other = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, ClosecastWarning):
                note(str(message))
            else:
                show_other(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield


@contextmanager
def training_progress() -> Iterator["Callable[[Progress], None] | None"]:
    """Show epochs as they pass; quiet where stderr is not a terminal.

    Yields:
        What ``Forecaster.fit`` takes as ``on_epoch``.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich import progress as rich_progress  # only a terminal pays for it
    from rich.console import Console

    columns = (
        rich_progress.TextColumn("training"),
        rich_progress.BarColumn(),
        rich_progress.TextColumn(
            "epoch {task.completed:.4g}/{task.total} {task.fields[loss]}"
        ),
        rich_progress.TimeRemainingColumn(),
    )
    screen = Console(stderr=True)
    with rich_progress.Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task("training", total=None, loss="")

        def on_epoch(progress: "Progress") -> None:
            loss = f"training loss {progress.train_loss:.4f}"
            if progress.done == 1:
                loss = f"validation loss {progress.validation_loss:.4f}"
            completed = progress.epoch - 1 + progress.done
            bar.update(task, total=progress.epochs, completed=completed, loss=loss)

        yield on_epoch


@contextmanager
def file_progress(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """Show how many files are done; quiet where stderr is not a terminal.

    Args:
        what: What is done to them.

    Yields:
        A function that is told how many are done, and of how many.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich import progress as rich_progress  # only a terminal pays for it
    from rich.console import Console

    columns = (
        rich_progress.TextColumn(what),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TimeRemainingColumn(),
    )
    screen = Console(stderr=True)
    with rich_progress.Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task(what, total=None)

        def on_file(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield on_file
