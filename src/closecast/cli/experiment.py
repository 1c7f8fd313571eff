"""What ``sweep`` and ``search`` are told alike, and what becomes of it."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from closecast.cli.options import (
    AsJson,
    Language,
    read,
    require_folder,
    require_language,
    source_of,
    with_options,
)
from closecast.cli.screen import say, say_json
from closecast.cli.workers import Address, On, workers_on

if TYPE_CHECKING:
    from rich.table import Table

    from closecast.experiments.members import MemberResult, SweepProgress
    from closecast.experiments.sweep import Sweep
    from closecast.market.readers.format import Hints

SHOWN = 8
"""Members in the live table, the best so far."""

REFRESH_S = 0.2

IndexFile = Annotated[
    Path | None,
    typer.Option("--index", help="The index of runs and trials; default: your own."),
]
Track = Annotated[
    str | None, typer.Option(help="Copy the run to mlflow or tensorboard.")
]
TrackingUri = Annotated[
    str | None,
    typer.Option(help="MLflow's tracking URI, or TensorBoard's folder."),
]
Pictures = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Draw the pictures here, as PNG and SVG."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """The options of an experiment: where it runs, and what becomes of it."""

    out: Annotated[Path, typer.Option(help="Where the run goes.")]
    index: IndexFile = None
    yes: Annotated[
        bool, typer.Option("--yes", help="Train more than 10,000 members.")
    ] = False
    on: On = None
    address: Address = None
    track: Track = None
    tracking_uri: TrackingUri = None
    pictures: Pictures = None
    language: Language = "en"
    as_json: AsJson = False

    def carry_out(
        self, experiment: Callable[..., "Sweep"], prices: str, hints: "Hints"
    ) -> None:
        """Do an experiment, draw its report, and say what was found.

        Args:
            experiment: ``sweep`` or ``search``, with what is varied and how.
            prices: What the command was given.
            hints: What a file of prices cannot say of itself.

        Raises:
            SettingError: An option cannot be used; nothing was trained then.
        """
        require_language(self.language)
        require_folder(self.out)
        require_tracking(self.track, self.tracking_uri)
        with (
            workers_on(self.on, self.address) as workers,
            live_progress() as on_progress,
        ):
            done = experiment(
                read(prices, hints),
                out=self.out,
                index=self.index,
                yes=self.yes,
                source=source_of(prices),
                on_progress=on_progress,
                workers=workers,
            )
        draw_pictures(self.out, self.pictures, self.language)
        self._tell(done)

    def _tell(self, done: "Sweep") -> None:
        from closecast.experiments.tracking import track
        from closecast.reports.sweep import write_sweep_report

        if self.track is not None and self.tracking_uri is not None:
            track(self.out, self.track, self.tracking_uri)
        report = write_sweep_report(self.out, language=self.language)
        if self.as_json:
            say_json(_summary(self.out, done))
            return
        say(done.verdict)
        for sentence in done.why:
            say(f"  {sentence}")
        failed = [one for one in done.members if one.diverged]
        for one in failed:
            say(f"Retired: {one.name}: {one.diverged}")
        say(f"Winner: {done.winner} (of {len(done.members)}, {len(failed)} retired)")
        say(f"Report: {report}")


def with_experiment(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of an experiment.

    Args:
        command: Takes ``how``, an ``Experiment``.

    Returns:
        A command whose signature typer reads.
    """
    options = {
        one.name: (one.type, Parameter.empty if one.default is MISSING else one.default)
        for one in fields(Experiment)
    }
    return with_options(command, "how", options, Experiment)


def draw_pictures(run: Path, folder: Path | None, language: str) -> None:
    """Draw a sweep or a search into files, where that is asked for.

    Args:
        run: Its run folder.
        folder: Where the files go; None for none.
        language: Language of their words.
    """
    if folder is None:
        return
    from closecast.lab.fonts import families
    from closecast.reports.pictures import write_sweep_pictures

    write_sweep_pictures(run, folder, language=language, families=families())


def require_tracking(tracker: str | None, uri: str | None) -> None:
    """Refuse half of what copying a run needs, before anything is trained.

    Args:
        tracker: What ``--track`` says.
        uri: What ``--tracking-uri`` says.

    Raises:
        SettingError: One is given without the other, or the tracker is unknown.
    """
    from closecast.errors import SettingError
    from closecast.experiments.tracking import TRACKERS
    from closecast.models.config import require_choice

    if (tracker is None) != (uri is None):
        raise SettingError(
            f"Expected --track and --tracking-uri together, got {tracker} and {uri}. "
            "Give both, or none."
        )
    if tracker is not None:
        require_choice("--track", tracker, TRACKERS)


def _summary(out: Path, done: "Sweep") -> dict[str, Any]:
    return {
        "run": str(out),
        "winner": done.winner,
        "members": len(done.members),
        "diverged": {one.name: one.diverged for one in done.members if one.diverged},
        "trials": done.trials,
        "luck": list(done.luck),
        "verdict": done.verdict,
        "why": list(done.why),
        "test_crps": done.test_crps,
    }


@contextmanager
def live_progress() -> Iterator["Callable[[SweepProgress], None] | None"]:
    """Show a live table on a terminal; elsewhere nothing.

    Yields:
        What takes the progress.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.live import Live

    drawn = 0.0
    with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as live:

        def on_progress(progress: "SweepProgress") -> None:
            nonlocal drawn
            if time.monotonic() - drawn >= REFRESH_S:
                drawn = time.monotonic()
                live.update(live_table(progress), refresh=True)

        yield on_progress


def live_table(progress: "SweepProgress") -> "Table":
    """Draw where a sweep stands: the best so far, time left, speed.

    Args:
        progress: Where it stands.

    Returns:
        A table for a terminal.
    """
    from rich.table import Table
    from rich.text import Text

    failed = sum(one.diverged is not None for one in progress.results)
    table = Table(
        "member",
        "validation loss",
        "epochs",
        title=f"{len(progress.results)} of {progress.size} members, {failed} retired",
        caption=_caption(progress),
        title_justify="left",
        caption_justify="left",
    )
    trained = [one for one in progress.results if one.validation_loss is not None]
    for one in sorted(trained, key=_loss)[:SHOWN]:
        table.add_row(Text(one.name), f"{one.validation_loss:.5f}", str(one.epochs))
    return table


def _loss(one: "MemberResult") -> float:
    return float("inf") if one.validation_loss is None else one.validation_loss


def _caption(progress: "SweepProgress") -> str:
    parts = [f"{progress.windows_per_s:,.0f} windows/s"]
    if progress.left_s is not None:
        minutes, seconds = divmod(round(progress.left_s), 60)
        parts.append(f"at most {minutes}:{seconds:02d} left")
    if progress.reused:
        parts.append(f"{progress.reused} were done before")
    if progress.running is not None:
        running = progress.running
        parts.append(f"{running.member} epoch {running.epoch}/{running.epochs}")
    return ", ".join(parts)
