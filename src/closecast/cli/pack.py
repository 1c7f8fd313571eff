"""``closecast data pack``: prices that do not fit in memory, as a panel on disk."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from closecast.cli.options import AsJson, Prices
from closecast.cli.screen import file_progress, say, say_json

if TYPE_CHECKING:
    from closecast.market.readers.format import Hints


def pack(
    prices: Prices,
    hints: "Hints",
    out: Annotated[Path, typer.Option(help="Where the panel goes.")],
    as_json: AsJson = False,
) -> None:
    """Write a folder of price files into a panel that train reads from the disk.

    Files are read one at a time, each with all bars of its symbols; one that cannot
    be used is named and passed over.
    """
    from closecast.market.panels import parts_of
    from closecast.windows.on_disk import write_panel

    with file_progress("packing") as on_file:
        panel = write_panel(out, parts_of(prices, hints, on_file=on_file))
    if as_json:
        say_json({"panel": str(out), "symbols": len(panel.symbols), "bars": len(panel)})
    else:
        say(f"Panel: {out} ({len(panel.symbols)} symbols, {len(panel)} bars)")
