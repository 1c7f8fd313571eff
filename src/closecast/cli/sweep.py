"""``closecast sweep``, ``compare`` and ``runs``: experiments, and what they left."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from closecast.cli.options import (
    AsJson,
    Language,
    Prices,
    read,
    require_folder,
    require_language,
    source_of,
)
from closecast.cli.screen import say, say_json
from closecast.cli.workers import Address, On, workers_on

if TYPE_CHECKING:
    from rich.table import Table

    from closecast.experiments.index import IndexedRun
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
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]

runs_app = typer.Typer(help="Look at the runs of this machine.", no_args_is_help=True)


def sweep(  # noqa: PLR0913  each is an option
    grid: Annotated[
        Path,
        typer.Argument(
            metavar="GRID.toml", help="Settings, and a table of lists: the grid."
        ),
    ],
    prices: Prices,
    hints: "Hints",
    out: Annotated[Path, typer.Option(help="Where the run goes.")],
    index: IndexFile = None,
    *,
    language: Language = "en",
    yes: Annotated[
        bool, typer.Option("--yes", help="Train more than 10,000 members.")
    ] = False,
    on: On = None,
    address: Address = None,
    track: Track = None,
    tracking_uri: TrackingUri = None,
    pictures: Pictures = None,
    as_json: AsJson = False,
) -> None:
    """Train every combination of some settings; judge the best one honestly.

    The same command again goes on with a sweep that was cut off.
    """
    from closecast.experiments.grid import read_grid
    from closecast.experiments.sweep import sweep as run_sweep

    require_language(language)
    require_folder(out)
    require_tracking(track, tracking_uri)
    axes, seeds, settings = read_grid(grid)
    with workers_on(on, address) as workers, live_progress() as on_progress:
        done = run_sweep(
            read(prices, hints),
            axes,
            seeds=seeds,
            out=out,
            index=index,
            yes=yes,
            source=source_of(prices),
            on_progress=on_progress,
            workers=workers,
            **settings,
        )
    draw_pictures(out, pictures, language)
    tell_sweep(done, out, (track, tracking_uri), language, as_json=as_json)


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


def tell_sweep(
    done: "Sweep",
    out: Path,
    tracking: tuple[str | None, str | None],
    language: str,
    *,
    as_json: bool,
) -> None:
    """Draw the report of a sweep or a search, copy it, and say what was found.

    Args:
        done: What was found.
        out: Its run folder.
        tracking: What to copy it to and where; None twice for nothing.
        language: Language of the report.
        as_json: Whether to say it as JSON.
    """
    from closecast.experiments.tracking import track as copy
    from closecast.reports.sweep import write_sweep_report

    tracker, uri = tracking
    if tracker is not None and uri is not None:
        copy(out, tracker, uri)
    report = write_sweep_report(out, language=language)
    if as_json:
        say_json(_summary(out, done))
        return
    say(done.verdict)
    for sentence in done.why:
        say(f"  {sentence}")
    failed = [one for one in done.members if one.diverged]
    for one in failed:
        say(f"Retired: {one.name}: {one.diverged}")
    say(f"Winner: {done.winner} (of {len(done.members)}, {len(failed)} retired)")
    say(f"Report: {report}")


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Lay runs side by side; says so when they cannot be compared."""
    from closecast.experiments.comparison import compare_runs

    comparison = compare_runs(runs)
    if as_json:
        say_json(comparison.to_dict())
        return
    for row in comparison.rows:
        say(f"{row.folder}")
        say(f"  {row.verdict}")
        say(f"  Model {row.model}; {row.trials} trials; data {row.data[:12]}")
        say(f"  CRPS by step: {_steps(row.crps)}")
        say(f"  RMSE by step: {_steps(row.rmse)}")
    for note in comparison.notes:
        say(f"Note: {note}")


@runs_app.callback()
def runs() -> None:
    """Look at the runs of this machine."""


@runs_app.command("list")
def list_(index: IndexFile = None, *, as_json: AsJson = False) -> None:
    """List the runs that the index knows, oldest first."""
    from closecast.experiments.index import Index

    known = Index(index).runs()
    if as_json:
        say_json([_run_record(run) for run in known])
        return
    for run in known:
        say(f"{run.started}  {_state(run):<10}  {run.members:>6}  {run.folder}")
    say(f"Runs: {len(known)}.")


@runs_app.command()
def show(run: RunFolder, index: IndexFile = None, *, as_json: AsJson = False) -> None:
    """Show what a run is made of and what it found."""
    from closecast.experiments.comparison import describe_run
    from closecast.experiments.index import Index

    described = describe_run(run)
    trials = Index(index).trials(described["data"]["fingerprint"])
    described["trials_on_these_prices"] = trials
    if as_json:
        say_json(described)
        return
    say(f"{run}: {described['state']}")
    for name, value in described["config"].items():
        say(f"  {name} = {value}")
    data = described["data"]
    say(f"  {data['bars']} bars, {data['first']} to {data['last']} ({data['source']})")
    say(f"  Models ever trained on these prices: {trials}")
    if described["verdict"]:
        say(f"  {described['winner']}: {described['verdict']}")


@runs_app.command()
def track(
    run: RunFolder,
    to: Annotated[str, typer.Option(help="mlflow or tensorboard.")],
    uri: Annotated[
        str, typer.Option(help="MLflow's tracking URI, or TensorBoard's folder.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Copy a run's models to MLflow or TensorBoard."""
    from closecast.experiments.tracking import track as copy

    count = copy(run, to, uri)
    if as_json:
        say_json({"copied": count, "to": to, "uri": uri})
    else:
        say(f"Copied to {to}: {count} models ({uri}).")


@runs_app.command()
def rm(
    run: RunFolder,
    index: IndexFile = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete a run's folder. Its models stay counted as trials.

    Raises:
        SettingError: It was not confirmed.
    """
    from closecast.errors import SettingError
    from closecast.experiments.comparison import delete_run
    from closecast.experiments.index import Index

    if not (yes or (sys.stdin.isatty() and typer.confirm(f"Delete {run}?"))):
        raise SettingError(
            f"Expected a yes before a run is deleted, got none ({run}). Give --yes."
        )
    delete_run(run, Index(index))
    if as_json:
        say_json({"deleted": str(run)})
    else:
        say(f"Deleted: {run}")


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


def _run_record(run: "IndexedRun") -> dict[str, Any]:
    return {
        "folder": str(run.folder),
        "state": _state(run),
        "started": run.started,
        "members": run.members,
        "config": run.config,
        "data": run.data,
    }


def _state(run: "IndexedRun") -> str:
    from closecast.experiments.comparison import run_state

    return run_state(run.folder)


def _steps(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


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
