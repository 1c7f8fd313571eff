"""Prices in whatever form a caller has them: a file, a folder, the store, a frame."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from closecast.errors import BarsError, ClosecastWarning
from closecast.market.bars import Bars, from_columns
from closecast.market.readers.format import NO_HINTS, Hints
from closecast.market.readers.source import files_of
from closecast.market.readers.table import IGNORED, read_bars
from closecast.market.sample import sample_bars
from closecast.market.store import Store
from closecast.market.streams import OnFile, Part, stream

SAMPLE = "sample"
STORE = "store:"

_NAMED = 3
"""Files that a sentence names, at most."""


def bars_of(
    prices: Any,  # noqa: ANN401
    hints: Hints = NO_HINTS,
    *,
    on_file: OnFile | None = None,
) -> Bars:
    """Take prices in whatever form a caller has them.

    Args:
        prices: Bars, a dataframe, the path of a file or a folder, ``sample``,
            ``store:AAPL,MSFT`` for symbols of the store or ``store:`` for all.
        hints: What a file cannot say of itself.
        on_file: Told how many files of a folder are read.

    Returns:
        The panel. What was done to the data is said in a ``ClosecastWarning``; so is
        a file of a folder that cannot be used.

    Raises:
        BarsError: The prices cannot be read or break a rule of bars.
        StoreError: There is no store, or it is damaged.
    """
    if isinstance(prices, Bars):
        return prices
    if isinstance(prices, str) and prices == SAMPLE:
        return sample_bars()
    if isinstance(prices, str) and prices.startswith(STORE):
        names = [name.strip() for name in prices.removeprefix(STORE).split(",")]
        return Store().read([name for name in names if name] or None)
    if isinstance(prices, str | Path) and Path(prices).is_dir():
        return _folder(Path(prices), hints, on_file)
    reading = read_bars(prices, hints=hints)
    _tell(reading.notes)
    return reading.bars


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


def _folder(folder: Path, hints: Hints, on_file: OnFile | None) -> Bars:
    paths, ignored = files_of(folder)
    seen: dict[str, list[tuple[Path, Any]]] = {}
    files = stream(paths, hints, on_file=on_file)
    parts = [_without_twins(part, seen) for part in files]
    unusable = [part for part in parts if part.bars is None]
    usable = [part.bars for part in parts if part.bars is not None]
    if not usable:
        raise BarsError(
            f"Expected files with prices, got none: {trouble(parts, len(paths))}"
        )
    _tell([f"{path}: {IGNORED}." for path in ignored])
    _tell(sorted({note for part in parts for note in part.notes}))
    if unusable:
        _tell([trouble(unusable, len({part.path for part in parts}))])
    return joined(usable)


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
