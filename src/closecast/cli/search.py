"""``closecast search``: let Optuna propose settings, and judge the best honestly."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from closecast.cli.sweep import (
    IndexFile,
    Pictures,
    Track,
    TrackingUri,
    draw_pictures,
    live_progress,
    require_tracking,
    tell_sweep,
)
from closecast.cli.workers import Address, On, workers_on

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
    out: Annotated[Path, typer.Option(help="Where the run goes.")],
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
    index: IndexFile = None,
    on: On = None,
    address: Address = None,
    track: Track = None,
    tracking_uri: TrackingUri = None,
    pictures: Pictures = None,
    language: Language = "en",
    as_json: AsJson = False,
) -> None:
    """Search settings with Optuna; judge the best one honestly.

    The same command again goes on with a search that was cut off.
    """
    from closecast.experiments.search import search as run_search
    from closecast.experiments.space import read_space

    require_language(language)
    require_folder(out)
    require_tracking(track, tracking_uri)
    axes, seeds, settings = read_space(space)
    with workers_on(on, address) as workers, live_progress() as on_progress:
        done = run_search(
            read(prices, hints),
            axes,
            trials=trials,
            sampler=sampler,
            pruning=pruning,
            batch=batch,
            seeds=seeds,
            out=out,
            index=index,
            storage=storage,
            source=source_of(prices),
            on_progress=on_progress,
            workers=workers,
            **settings,
        )
    draw_pictures(out, pictures, language)
    tell_sweep(done, out, (track, tracking_uri), language, as_json=as_json)
