"""``closecast search``: let Optuna propose settings, and judge the best honestly."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from closecast.cli.experiment import Experiment
from closecast.cli.options import Prices

if TYPE_CHECKING:
    from closecast.market.readers.format import Hints


def search(  # noqa: PLR0913, PLR0917  each is an option
    space: Annotated[
        Path,
        typer.Argument(
            metavar="SPACE.toml", help="Settings, and a table of ranges: the space."
        ),
    ],
    prices: Prices,
    hints: "Hints",
    how: Experiment,
    trials: Annotated[int, typer.Option(help="Proposals.")] = 50,
    sampler: Annotated[str, typer.Option(help="What proposes: tpe or random.")] = "tpe",
    pruning: Annotated[
        str,
        typer.Option(help="Leave the worst behind early: none, halving or hyperband."),
    ] = "none",
    batch: Annotated[int, typer.Option(help="Proposals trained together.")] = 8,
    storage: Annotated[
        str | None, typer.Option(help="URL of an Optuna storage to copy trials to.")
    ] = None,
) -> None:
    """Search settings with Optuna; judge the best one honestly.

    The same command again goes on with a search that was cut off.
    """
    from closecast.experiments.search import search as run_search
    from closecast.experiments.space import read_space

    asked = read_space(space)
    experiment = partial(
        run_search,
        space=asked.axes,
        trials=trials,
        sampler=sampler,
        pruning=pruning,
        batch=batch,
        seeds=asked.seeds,
        folds=asked.folds,
        storage=storage,
        **asked.settings,
    )
    how.carry_out(experiment, prices, hints)
