"""``closecast backtest``: walk forward through prices and judge what came of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from closecast.cli.options import (
    AsJson,
    Language,
    OwnFile,
    Prices,
    read,
    require_folder,
    require_language,
    source_of,
)
from closecast.cli.screen import say, say_json, training_progress
from closecast.cli.workers import Address, On, workers_on
from closecast.windows.walk_forward import FOLDS, REFIT_EVERY

if TYPE_CHECKING:
    from closecast.experiments.backtest import Backtest
    from closecast.market.readers.format import Hints

Out = Annotated[Path | None, typer.Option(help="Write a run folder here.")]


def backtest(  # noqa: PLR0913, PLR0917  each is an option
    prices: Prices,
    settings: dict[str, object],
    hints: "Hints",
    folds: Annotated[int, typer.Option(help="Test blocks, end to end.")] = FOLDS,
    refit_every: Annotated[
        int, typer.Option(help="Sessions of a test block.")
    ] = REFIT_EVERY,
    expanding: Annotated[
        bool,
        typer.Option("--expanding/--rolling", help="How the training block moves."),
    ] = False,
    refit: Annotated[bool, typer.Option(help="Whether each fold trains again.")] = True,
    out: Out = None,
    own: OwnFile = None,
    on: On = None,
    address: Address = None,
    language: Language = "en",
    as_json: AsJson = False,
) -> None:
    """Walk forward: train, test on the sessions that follow, step on, again."""
    from closecast.experiments.forecaster import Forecaster

    require_folder(out)
    require_language(language)
    forecaster, bars = Forecaster(**settings), read(prices, hints)
    with workers_on(on, address) as workers, training_progress() as on_epoch:
        result = forecaster.cross_validate(
            bars,
            folds,
            refit=refit,
            expanding=expanding,
            refit_every=refit_every,
            own=own,
            on_epoch=on_epoch,
            workers=workers,
        )
    if out is not None:
        _write(out, result, prices, language)
    _tell(result, out, as_json)


def _write(out: Path, result: "Backtest", prices: str, language: str) -> None:
    from closecast.experiments.backtest_run import write_backtest
    from closecast.reports.report import write_report

    write_backtest(out, result, source_of(prices))
    write_report(out, language=language)


def _tell(result: "Backtest", out: Path | None, as_json: bool) -> None:
    if as_json:
        say_json(result.to_dict())
        return
    say(result.verdict)
    for sentence in result.why:
        say(f"  {sentence}")
    if out is not None:
        say(f"Report: {out / 'report.html'}")
