"""``closecast leak-test``: ask anybody's forecaster whether it sees its own answer."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from closecast.cli.options import AsJson, Prices, read
from closecast.cli.screen import say, say_json

if TYPE_CHECKING:
    from closecast.market.readers.format import Hints
    from closecast.windows.leakage import LeakResult


def leak_test(
    forecaster: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:NAME|MODEL",
            help="A function of a frame, or a Nixtla or Darts object, of a module; or "
            "the folder of a trained model.",
        ),
    ],
    prices: Prices,
    hints: "Hints",
    horizon: Annotated[
        int, typer.Option(min=1, help="Sessions to forecast, for objects.")
    ] = 5,
    as_json: AsJson = False,
) -> None:
    """Test a forecaster of your own, or a trained model, for leaks.

    Exit code 0: none found. 3: a forecast could have seen its own answer.
    """
    from closecast.experiments.record import stamps_of
    from closecast.windows.leakage import require_no_leak

    results = _asked(forecaster, read(prices, hints), horizon)
    if as_json:
        say_json(stamps_of(results))
    else:
        for result in results:
            say(f"{result.outcome}  {result.name}: {result.detail}")
    require_no_leak(results)


def _asked(forecaster: str, prices: object, horizon: int) -> "list[LeakResult]":
    from closecast.experiments.forecaster import Forecaster
    from closecast.experiments.outside import find_forecaster
    from closecast.experiments.outside import leak_test as run

    if Path(forecaster).is_dir():
        return Forecaster.load(forecaster).leak_test(prices)
    sys.path.insert(0, str(Path.cwd()))
    return run(find_forecaster(forecaster), prices, horizon=horizon)
