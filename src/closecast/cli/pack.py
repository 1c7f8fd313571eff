"""``closecast data pack``: prices that do not fit in memory, as a panel on disk."""

from pathlib import Path
from typing import Annotated

import typer

from closecast.cli.options import AsJson, Prices
from closecast.cli.screen import say, say_json


def pack(
    prices: Prices,
    out: Annotated[Path, typer.Option(help="Where the panel goes.")],
    as_json: AsJson = False,
) -> None:
    """Write a folder of price files into a panel that train reads from the disk.

    Files are read one at a time, each with all bars of its symbols.
    """
    from closecast.market.panels import bars_of
    from closecast.market.readers.source import files_of
    from closecast.windows.on_disk import write_panel

    sources = files_of(Path(prices))[0] if Path(prices).is_dir() else [prices]
    panel = write_panel(out, (bars_of(source) for source in sources))
    if as_json:
        say_json({"panel": str(out), "symbols": len(panel.symbols), "bars": len(panel)})
    else:
        say(f"Panel: {out} ({len(panel.symbols)} symbols, {len(panel)} bars)")
