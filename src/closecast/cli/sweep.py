"""``closecast sweep``, ``compare`` and ``runs``: experiments, and what they left."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from closecast.cli.experiment import Experiment, IndexFile
from closecast.cli.options import AsJson, Prices
from closecast.cli.screen import say, say_json

if TYPE_CHECKING:
    from closecast.experiments.index import IndexedRun
    from closecast.market.readers.format import Hints

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]

runs_app = typer.Typer(help="Look at the runs of this machine.", no_args_is_help=True)


def sweep(
    grid: Annotated[
        Path,
        typer.Argument(
            metavar="GRID.toml", help="Settings, and a table of lists: the grid."
        ),
    ],
    prices: Prices,
    hints: "Hints",
    how: Experiment,
) -> None:
    """Train every combination of some settings; judge the best one honestly.

    The same command again goes on with a sweep that was cut off.
    """
    from closecast.experiments.grid import read_grid
    from closecast.experiments.sweep import sweep as run_sweep

    asked = read_grid(grid)
    experiment = partial(
        run_sweep,
        grid=asked.axes,
        seeds=asked.seeds,
        folds=asked.folds,
        **asked.settings,
    )
    how.carry_out(experiment, prices, hints)


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
        if isinstance(value, dict):
            for inner, one in value.items():
                say(f"  {name}.{inner} = {one}")
        else:
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
