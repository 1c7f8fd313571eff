"""``closecast range-test``: which learning rate to begin with."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from closecast.cli.experiment import IndexFile
from closecast.cli.options import AsJson, Prices, read
from closecast.cli.screen import say, say_json, training_progress
from closecast.cli.workers import Address, On, workers_on

if TYPE_CHECKING:
    from closecast.market.readers.format import Hints

NOT_SET = ("learning_rate", "early_stopping")
"""Settings that a range test has no use for."""


def range_test(  # noqa: PLR0913, PLR0917  each is an option
    prices: Prices,
    settings: dict[str, object],
    hints: "Hints",
    low: Annotated[float, typer.Option(help="The lowest rate.")] = 1e-5,
    high: Annotated[float, typer.Option(help="The highest rate.")] = 1.0,
    points: Annotated[int, typer.Option(help="Rates between them.")] = 31,
    epochs: Annotated[int, typer.Option(help="Epochs of each training.")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="Draw it here: an .svg or a .png.")
    ] = None,
    index: IndexFile = None,
    on: On = None,
    address: Address = None,
    as_json: AsJson = False,
) -> None:
    """Train shortly at rising learning rates and suggest one."""
    from closecast.experiments.range_test import range_test as run

    with workers_on(on, address) as workers, training_progress() as on_epoch:
        test = run(
            read(prices, hints),
            low=low,
            high=high,
            points=points,
            epochs=epochs,
            index=index,
            on_epoch=on_epoch,
            workers=workers,
            **settings,
        )
    if out is not None:
        from closecast.reports.range_test import write_picture

        write_picture(test, out)
    if as_json:
        say_json(test.to_dict())
        return
    for rate, loss in zip(test.rates, test.losses, strict=True):
        say(f"{rate:<10.3g} {'diverged' if loss is None else f'{loss:.5f}'}")
    say(f"Suggested learning_rate: {test.suggested:.3g}")
