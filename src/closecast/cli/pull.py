"""``closecast data pull`` and ``closecast data universe``: prices from vendors.

Bars go into the local store, or into a file with what a vendor gives beside them.
"""

import datetime as dt
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from closecast.cli.options import AsJson
from closecast.cli.screen import complain, file_progress, note, say, say_json
from closecast.cli.store import Folder
from closecast.durable import write_durably
from closecast.errors import SettingError

Days = tuple[dt.date | None, dt.date | None]
Answer = dict[str, Any]

if TYPE_CHECKING:
    from closecast.market.pulling import Pulled
    from closecast.market.vendors.vendor import History

VENDOR = "yahoo, naver, krx or ccxt:EXCHANGE such as ccxt:binance."
KINDS = (".csv", ".parquet")


def pull(  # noqa: PLR0913  a flag each
    symbols: Annotated[
        list[str],
        typer.Argument(metavar="SYMBOL...", help="As the vendor writes them."),
    ],
    *,
    vendor: Annotated[str, typer.Option(help=VENDOR)],
    start: Annotated[
        str | None, typer.Option(help="First session, YYYY-MM-DD.")
    ] = None,
    end: Annotated[
        str | None, typer.Option(help="Last session, included; today by default.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="A file .parquet or .csv instead of the store."),
    ] = None,
    store: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Fetch daily bars of a vendor into the local store, or into a file.

    A symbol that is stored already is read from 30 stored sessions back, and compared.
    Exit code 1 if a symbol could not be fetched or contradicts the store; the others
    are kept.
    """  # noqa: DOC501
    _refuse_other_kinds(out)
    days = _day(start, "--start"), _day(end, "--end")
    if out is not None:
        answer = _into_file(vendor, symbols, days, out)
    else:
        answer = _into_store(vendor, symbols, days, store)
    for text in answer["notes"]:
        note(text)
    if as_json:
        say_json(answer)
    elif answer["symbols"]:
        say(f"Bars: {answer['bars']} of {len(answer['symbols'])} symbols.")
        say(f"Prices are adjusted for {answer['adjusted']}. In: {answer['place']}")
    raise typer.Exit(1 if answer["failed"] else 0)


def universe(
    *,
    vendor: Annotated[str, typer.Option(help=VENDOR)],
    on: Annotated[
        str | None, typer.Option(help="The day, YYYY-MM-DD; today by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List a vendor's symbols of a day, one a line."""
    from closecast.market.vendors.vendor import open_vendor

    with open_vendor(vendor) as source:
        found = source.universe(_day(on, "--on"))
    for text in found.notes:
        note(text)
    if as_json:
        say_json(
            {
                "vendor": vendor,
                "as_of": str(found.as_of),
                "point_in_time": found.point_in_time,
                "symbols": list(found.symbols),
                "notes": list(found.notes),
            }
        )
        return
    for symbol in found.symbols:
        say(symbol)


def write_histories(path: Path, histories: Iterable["History"]) -> None:
    """Write histories into one file, whole or not at all.

    Args:
        path: Ends in ``.parquet`` or ``.csv``.
        histories: Of one vendor.
    """
    import pyarrow as pa  # type: ignore[import-untyped]

    table = pa.concat_tables(map(_table, histories), promote_options="default")
    content = pa.BufferOutputStream()
    if path.suffix == ".csv":
        from pyarrow import csv

        csv.write_csv(table, content)
    else:
        from pyarrow import parquet

        parquet.write_table(table, content)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, memoryview(content.getvalue()))


def _table(history: "History") -> Any:  # noqa: ANN401  pyarrow's table
    import pyarrow as pa

    from closecast.market.bars import COLUMNS

    bars = history.bars
    columns = {"symbol": [bars.symbols[0]] * len(bars), "date": bars.dates}
    columns |= {name: bars.values[:, at] for at, name in enumerate(COLUMNS)}
    columns |= history.extras
    table = pa.table(columns)
    for name, value in (
        ("source", pa.scalar(history.source)),
        ("fetched_at", pa.scalar(history.fetched_at, pa.timestamp("us", "UTC"))),
    ):
        table = table.append_column(name, pa.repeat(value, len(bars)))
    return table


def _into_file(vendor: str, symbols: list[str], days: Days, out: Path) -> Answer:
    from closecast.market.pulling import Pulled, fetch_all

    done = Pulled()
    with file_progress("pulling") as on_symbol:
        histories = list(
            fetch_all(
                vendor,
                symbols,
                days,
                done,
                stored_from=lambda _: None,
                on_symbol=on_symbol,
                on_failure=complain,
            )
        )
    if histories:
        write_histories(out, histories)
    return _answer(out, done, without=("added", "adjustments"))


def _into_store(
    vendor: str, symbols: list[str], days: Days, folder: Path | None
) -> Answer:
    from closecast.market.pulling import pull_into
    from closecast.market.store import Store

    store = Store(folder)
    with file_progress("pulling") as on_symbol:
        done = pull_into(
            store, vendor, symbols, days, on_symbol=on_symbol, on_failure=complain
        )
    return _answer(store.path, done)


def _answer(place: Path, done: "Pulled", without: Collection[str] = ()) -> Answer:
    from dataclasses import asdict

    values = {name: v for name, v in asdict(done).items() if name not in without}
    return {"place": str(place), **values}


def _refuse_other_kinds(out: Path | None) -> None:
    if out is not None and out.suffix not in KINDS:
        raise SettingError(
            f"Expected a file that ends in .parquet or .csv, got {str(out)!r} (--out). "
            "Name one of these."
        )


def _day(text: str | None, option: str) -> dt.date | None:
    if text is None:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise SettingError(
            f"Expected a date YYYY-MM-DD, got {text!r} ({option}). Write it so."
        ) from error
