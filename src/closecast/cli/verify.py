"""``closecast verify``: make the figures of a run again and compare."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from closecast.cli.options import AsJson, read
from closecast.cli.screen import say, say_json

if TYPE_CHECKING:
    from closecast.market.readers.format import Hints


def verify(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    hints: "Hints",
    prices: Annotated[
        str | None, typer.Argument(help="The prices it was made from, to compare too.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make every figure of a run again from its stored forecasts, and compare.

    Exit code 0: all is as it was written. 3: a file or a figure differs.
    """
    from dataclasses import asdict

    from closecast.experiments.verify import require_intact
    from closecast.experiments.verify import verify as run_checks

    checks = run_checks(run, None if prices is None else read(prices, hints))
    if as_json:
        say_json([asdict(check) for check in checks])
    else:
        for check in checks:
            outcome = "same" if check.passed else "DIFFERS"
            say(f"{outcome}  {check.name}: {check.detail}")
    require_intact(checks)
