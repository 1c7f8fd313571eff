"""Prices in whatever form a caller has them: a file, a folder, the store, a frame."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from closecast.errors import BarsError, ClosecastWarning
from closecast.market.bars import Bars, from_columns
from closecast.market.readers import frame_kind, require_frame_kind, to_frame
from closecast.market.readers.format import NO_HINTS, Decimal, Hints
from closecast.market.readers.rows import Note, sentences
from closecast.market.readers.source import OnFile, files_of, is_path
from closecast.market.readers.table import IGNORED, no_such_symbol, read_bars
from closecast.market.sample import sample_bars
from closecast.market.store import Store
from closecast.market.streams import Part, stream

SAMPLE = "sample"
STORE = "store:"

_NAMED = 3
"""Files that a sentence names, at most."""


def read_prices(  # noqa: PLR0913  what a file cannot say, its owner says here
    source: Any,  # noqa: ANN401
    *,
    symbol: str | None = None,
    adjust: bool = False,
    as_: str | None = None,
    dayfirst: bool | None = None,
    decimal: Decimal | None = None,
    columns: Sequence[str] | None = None,
) -> Any:  # noqa: ANN401
    """Read prices of any vendor into a tidy dataframe.

    Args:
        source: Path of a CSV (also in gzip or zip) or Parquet file, a folder of such
            files, ``store:AAPL,MSFT`` for symbols of the local store or ``store:``
            for all, ``sample``, or a dataframe.
        symbol: Of several symbols, the one to read; in a file without a symbol
            column, what to call the only one.
        adjust: Multiply open, high, low and close by adj_close / close and divide
            volume by it.
        as_: Kind of dataframe to return; by default pandas for a path and the kind
            that went in for a dataframe.
        dayfirst: 02/01/2024 is the second of January (True) or the first of
            February (False). By default the whole column decides, and the file is
            refused if it cannot.
        decimal: The sign before the decimals, ``.`` or ``,``. By default all numbers
            of the file decide, and the file is refused if they cannot.
        columns: Names of the columns of a text file without a header, in order.

    Returns:
        Columns symbol, date, open, high, low, close, volume; sorted by symbol and
        date. What was done to the data is said in a ``ClosecastWarning``; so is a
        file of a folder that cannot be used.

    Raises:
        BarsError: The source cannot be read or breaks a rule of bars.
        SettingError: There is no such kind of dataframe.
        StoreError: There is no store, or it is damaged.
    """
    kind = as_ or frame_kind(source)
    require_frame_kind(kind)
    hints = Hints(
        dayfirst=dayfirst,
        decimal=decimal,
        columns=None if columns is None else tuple(columns),
        adjust=adjust,
    )
    return to_frame(bars_of(source, hints, symbol=symbol), kind)


def bars_of(
    prices: Any,  # noqa: ANN401
    hints: Hints = NO_HINTS,
    *,
    symbol: str | None = None,
    on_file: OnFile | None = None,
    workers: int = 1,
) -> Bars:
    """Take prices in whatever form a caller has them.

    Args:
        prices: Bars, a dataframe, the path of a file or a folder, ``sample``,
            ``store:AAPL,MSFT`` for symbols of the store or ``store:`` for all.
        hints: What a file cannot say of itself.
        symbol: As in ``read_prices``.
        on_file: Told how many files of a folder are read.
        workers: Processes that read a folder, as in ``stream``.

    Returns:
        The panel. What was done to the data is said in a ``ClosecastWarning``; so is
        a file of a folder that cannot be used.

    Raises:
        BarsError: The prices cannot be read or break a rule of bars.
        StoreError: There is no store, or it is damaged.
    """
    if is_named(prices) or isinstance(prices, Bars):
        return _only(_ready(prices, hints), symbol, prices)
    if is_folder(prices):
        parts = _files(Path(prices), hints, on_file=on_file, workers=workers)
        return _only(joined(list(parts)), symbol, prices)
    reading = read_bars(prices, symbol=symbol, hints=hints)
    _tell(reading.notes)
    return reading.bars


def parts_of(
    prices: str, hints: Hints = NO_HINTS, *, on_file: OnFile | None = None
) -> Iterator[Bars]:
    """Take prices piece by piece, so that not all are in memory at once.

    Args:
        prices: As in ``bars_of``.
        hints: What a file cannot say of itself.
        on_file: Told how many files of a folder are read.

    Yields:
        Each file of a folder, whole; anything else at once.

    Raises:
        BarsError: The prices cannot be read or break a rule of bars.
        StoreError: There is no store, or it is damaged.
    """
    if is_folder(prices):
        yield from _files(Path(prices), hints, on_file=on_file, whole=True)
    else:
        yield bars_of(prices, hints)


def is_named(prices: object) -> bool:
    """Tell prices that have a name from a path and from a dataframe.

    Args:
        prices: As in ``bars_of``.

    Returns:
        True for ``sample`` and for symbols of the store.
    """
    return isinstance(prices, str) and (prices == SAMPLE or prices.startswith(STORE))


def is_folder(prices: object) -> bool:
    """Tell a folder of files from anything else.

    Args:
        prices: As in ``bars_of``.

    Returns:
        True for the path of a folder.
    """
    return is_path(prices) and not is_named(prices) and Path(str(prices)).is_dir()


def joined(parts: Sequence[Bars]) -> Bars:
    """Put panels together.

    Args:
        parts: Panels; no session of a symbol is in two of them.

    Returns:
        One panel.

    Raises:
        BarsError: A session of a symbol is in two of them.
    """
    if len(parts) == 1:
        return parts[0]
    spans = sorted((*span, at) for at, part in enumerate(parts) for span in part)
    symbols = tuple(span[0] for span in spans)
    if len(set(symbols)) == len(symbols):  # each symbol is whole: nothing to sort
        return Bars(
            symbols=symbols,
            offsets=np.cumsum([0, *(end - start for _, start, end, _ in spans)]),
            dates=np.concatenate([parts[p].dates[a:b] for _, a, b, p in spans]),
            values=np.concatenate([parts[p].values[a:b] for _, a, b, p in spans]),
        )
    return from_columns(
        np.concatenate([np.asarray(p.symbols)[p.symbol_ids] for p in parts]),
        np.concatenate([p.dates for p in parts]),
        np.concatenate([p.values for p in parts]),
    )


def trouble(unusable: Sequence[Part], files: int) -> str:
    """Say which files cannot be used.

    Args:
        unusable: These files.
        files: All files.

    Returns:
        A sentence that counts them and names some.
    """
    named = "; ".join(part.trouble.rstrip(".") for part in unusable[:_NAMED])
    more = f"; and {len(unusable) - _NAMED} more" if len(unusable) > _NAMED else ""
    return f"{len(unusable)} of {files} files cannot be used: {named}{more}."


def _ready(prices: Bars | str, hints: Hints) -> Bars:
    # What is no table: there is nothing to read and nothing to adjust by.
    if hints.adjust:
        raise BarsError(
            "Expected a table with adj_close to adjust by, got "
            f"{prices if isinstance(prices, str) else 'bars'}. Leave adjust=True "
            "(--adjust) out: these bars are adjusted already, as far as it is known."
        )
    if isinstance(prices, Bars):
        return prices
    if prices == SAMPLE:
        return sample_bars()
    names = [name.strip() for name in prices.removeprefix(STORE).split(",")]
    return Store().read([name for name in names if name] or None)


def _only(bars: Bars, symbol: str | None, prices: object) -> Bars:
    if symbol is None:
        return bars
    if symbol not in bars.symbols:
        place = prices if is_path(prices) else "the bars"
        raise BarsError(no_such_symbol(symbol, str(place)))
    return bars.select(bars.symbol_ids == bars.symbols.index(symbol))


def _files(
    folder: Path,
    hints: Hints,
    *,
    on_file: OnFile | None = None,
    workers: int = 1,
    whole: bool = False,
) -> Iterator[Bars]:
    # What cannot be used is counted and named when the rest is done.
    paths, ignored = files_of(folder)
    done = [Note(IGNORED, str(path)) for path in ignored]
    seen: dict[str, list[tuple[Path, Any]]] = {}
    unusable: list[Part] = []
    for part in stream(paths, hints, on_file=on_file, workers=workers, whole=whole):
        part = _without_twins(part, seen)  # noqa: PLW2901  the same file
        done += part.done
        if part.bars is None:
            unusable.append(part)
        else:
            yield part.bars
    if not seen:
        raise BarsError(
            f"Expected files with prices, got none: {trouble(unusable, len(paths))}"
        )
    _tell(sentences(done))
    if unusable:
        _tell([trouble(unusable, len(paths))])


def _without_twins(part: Part, seen: dict[str, list[tuple[Path, Any]]]) -> Part:
    # A session that an earlier file has already makes a file unusable.
    if part.bars is None:
        return part
    for symbol, start, end in part.bars:
        dates = part.bars.dates[start:end]
        for path, earlier in seen.get(symbol, ()):
            twins = np.intersect1d(dates, earlier)
            if len(twins):
                what = (
                    f"Expected one bar a date, got another for {twins[0]} in {path} "
                    f"({part.path}, symbol {symbol}). Drop one of them."
                )
                return replace(part, bars=None, trouble=what)
    for symbol, start, end in part.bars:
        seen.setdefault(symbol, []).append((part.path, part.bars.dates[start:end]))
    return part


def _tell(notes: Sequence[str]) -> None:
    for note in notes:
        warnings.warn(note, ClosecastWarning, stacklevel=3)
