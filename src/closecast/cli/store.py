"""``closecast data import | list | compact | verify``: the local store of prices."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from closecast.cli.options import AsJson, with_hints
from closecast.cli.screen import file_progress, note, say, say_json

if TYPE_CHECKING:
    from closecast.market.readers.format import Hints
    from closecast.market.store import Store

ALARM = 3

RAW = ("adjust",)
"""The store keeps raw bars: what would adjust them is no option of import."""

Folder = Annotated[
    Path | None,
    typer.Option(
        "--store",
        help="Folder of the store; CLOSECAST_STORE, or this user's data by default.",
    ),
]


def import_(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="CSV or Parquet files, or folders."),
    ],
    hints: "Hints",
    source: Annotated[
        str | None, typer.Option(help="Where they come from; the path by default.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="New bars win over stored ones.")
    ] = False,
    store: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Copy prices into the store; what contradicts stored bars is refused and told.

    Exit code 0: all was taken. 1: a file or a symbol was refused.
    """  # noqa: DOC501
    import os
    from dataclasses import asdict

    from closecast.market.importing import import_files

    place = _store(store)
    with file_progress("importing") as on_file:
        done = import_files(
            place,
            files,
            hints,
            source=source,
            replace_stored=replace,
            on_file=on_file,
            workers=os.cpu_count() or 1,
        )
    for text in (*done.notes, *done.unusable, *(c.message for c in done.conflicts)):
        note(text)
    if as_json:
        conflicts = [{**asdict(c), "date": str(c.date)} for c in done.conflicts]
        say_json({**asdict(done), "store": str(place.path), "conflicts": conflicts})
    else:
        say(
            f"Imported: {done.added:,} new bars, {done.known:,} known, "
            f"{done.replaced:,} replaced. Refused: {len(done.unusable)} of "
            f"{done.files} files, {len(done.conflicts)} symbols."
        )
        say(f"Store: {place.path}")
    raise typer.Exit(1 if done.unusable or done.conflicts else 0)


def list_(store: Folder = None, as_json: AsJson = False) -> None:
    """List what the store holds of each symbol."""
    place = _store(store)
    stored = place.symbols()
    if as_json:
        say_json(
            {
                "store": str(place.path),
                "content_hash": place.content_hash,
                "symbols": [
                    {
                        "symbol": one.symbol,
                        "bars": one.bars,
                        "first": str(one.first),
                        "last": str(one.last),
                    }
                    for one in stored
                ],
                "adjustments": len(place.adjustments()),
                "conflicts": [c.message for c in place.conflicts()],
            }
        )
        return
    for one in stored:
        say(f"{one.symbol:<12}  {one.bars:>7,}  {one.first}  {one.last}")
    bars = sum(one.bars for one in stored)
    say(f"{len(stored):,} symbols, {bars:,} bars. Store: {place.path}")
    for conflict in place.conflicts():
        say(f"Refused once: {conflict.message}")


def compact(store: Folder = None, as_json: AsJson = False) -> None:
    """Put what came day by day in order by symbol, so that it is read faster."""
    place = _store(store)
    before = len(place.files())
    with file_progress("compacting") as on_bucket:
        place.compact(on_bucket)
    after = len(place.files())
    if as_json:
        say_json(
            {"store": str(place.path), "files": {"before": before, "after": after}}
        )
    else:
        say(f"Compacted: {before} files to {after}. Store: {place.path}")


def verify(store: Folder = None, as_json: AsJson = False) -> None:
    """Read the whole store and hold it against its checksums.

    Exit code 0: it is whole. 3: something is wrong.
    """  # noqa: DOC501
    place = _store(store)
    wrong = place.verify()
    if as_json:
        say_json(
            {
                "store": str(place.path),
                "content_hash": place.content_hash,
                "wrong": list(wrong),
            }
        )
    else:
        for sentence in wrong:
            say(sentence)
        say(f"{'Damaged' if wrong else 'Whole'}: {place.path} ({place.content_hash})")
    raise typer.Exit(ALARM if wrong else 0)


def add_to(app: typer.Typer) -> None:
    """Put the commands into their group.

    Args:
        app: The group ``data``.
    """
    app.command("import")(with_hints(import_, RAW))
    app.command("list")(list_)
    app.command("compact")(compact)
    app.command("verify")(verify)


def _store(path: Path | None) -> "Store":
    from closecast.market.store import Store

    return Store(path)
