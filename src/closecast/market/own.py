"""A user's own columns beside the bars: a sentiment index, an earnings date, a sector.

Three kinds, by when they are known: ``past`` at the close of their date, ``known``
ahead of it, as far as the horizon, and ``static`` always. That they are is their
owner's word; from there on the leak tests watch over them. No value is filled in: a
missing one is an error that names its dates.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Shaped

from closecast.errors import BarsError, SettingError
from closecast.market.bars import Bars, OwnColumn
from closecast.market.calendar import AUTO, target_sessions

SYMBOLS = ("symbol", "unique_id")
DATES = ("date", "ds")

CODE_SIZE = 8
"""Signs that a category is written in."""

NAMED_DATES = 3
"""Dates that an error names, at most."""

LARGEST_KNOWN = 6.0
"""Of a column known ahead, which is read as it is: states are cut off there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnNames:
    """Which columns a model is told, by kind.

    Attributes:
        past: Known at the close of their date.
        known: Known ahead, for every session of the horizon.
        static: A category of each symbol.
    """

    past: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    static: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Go through name and kind."""
        for kind in ("past", "known", "static"):
            for name in getattr(self, kind):
                yield name, kind


NO_OWN = OwnNames()


def with_own(
    bars: Bars,
    table: Any,  # noqa: ANN401  any dataframe
    names: OwnNames,
    horizon: int,
    calendar: str = AUTO,
) -> Bars:
    """Put a user's own columns beside the bars of a panel.

    Args:
        bars: The panel.
        table: A dataframe, or the path of a CSV or Parquet file: a column date (or
            ds), a column symbol (or unique_id) unless the values are the same for
            all, and the columns named. Dates may reach beyond the bars.
        names: Which columns, by kind.
        horizon: Sessions ahead that a column known ahead is read for.
        calendar: Where sessions beyond the panel come from.

    Returns:
        The panel with the columns; those that it had before are gone.

    Raises:
        BarsError: A column or a value is missing, is no number, or a category
            changes.
        SettingError: There is no such calendar.
    """
    read = _Table.of(table)
    own = {}
    for name, kind in names:
        if kind == "past":
            days = bars.dates[:, None]
        elif kind == "known":
            days = target_sessions(bars, np.arange(len(bars)), horizon, calendar)
        else:
            own[name] = OwnColumn(kind=kind, told=_codes(read, name, bars))
            continue
        values = _by_date(read, name, bars, days.astype("datetime64[D]"))
        if kind == "known":
            _require_small(name, values, bars)
        own[name] = OwnColumn(kind=kind, told=values)
    return replace(bars, own=own)


def require_own(bars: Bars, names: OwnNames) -> None:
    """Refuse a panel without the columns that a model is told.

    Args:
        bars: The panel.
        names: The columns.

    Raises:
        SettingError: One is not there.
    """
    own = bars.own
    missing = [n for n, kind in names if n not in own or own[n].kind != kind]
    if missing:
        raise SettingError(
            f"Expected the columns {', '.join(missing)} beside the bars, got "
            f"{', '.join(own) or 'none'}. Give their table: own=... in Python, "
            "--own-columns FILE on the command line."
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Table:
    """A user's table, its columns as they are."""

    columns: Mapping[str, Any]
    symbols: Shaped[np.ndarray, " line"] | None
    days: Shaped[np.ndarray, " line"] | None

    @classmethod
    def of(cls, table: Any) -> "_Table":  # noqa: ANN401
        """Read a file or a dataframe."""
        import narwhals as nw

        frame = nw.from_native(_frame_of(table), eager_only=True)
        columns = {name: frame[name] for name in frame.columns}
        symbol = next((columns[name] for name in SYMBOLS if name in columns), None)
        date = next((columns[name] for name in DATES if name in columns), None)
        return cls(
            columns=columns,
            symbols=None if symbol is None else np.array(symbol.to_list(), str),
            days=None if date is None else _days(date.to_list()),
        )

    def column(self, name: str) -> Any:  # noqa: ANN401
        """Give a column."""
        if name not in self.columns:
            raise BarsError(
                f"Expected a column {name} in the table of own columns, got "
                f"{', '.join(self.columns)}. Rename one, or leave it out of the "
                "settings."
            )
        return self.columns[name]

    def numbers(self, name: str) -> Float[np.ndarray, " line"]:
        """Give a column as numbers; NaN where it is none."""
        return np.array([_number(cell) for cell in self.column(name).to_list()])


def _frame_of(table: Any) -> Any:  # noqa: ANN401
    import pandas as pd

    if not isinstance(table, str | Path):
        return table
    path = Path(table)
    try:
        if path.suffix.lower() in {".parquet", ".pq"}:
            return pd.read_parquet(path)
        return pd.read_csv(path, dtype=str)
    except (OSError, ValueError) as error:
        raise BarsError(
            f"Expected a CSV or Parquet file of own columns, got none that can be read "
            f"({path}: {error}). Give a table with date, symbol and the columns."
        ) from error


def _days(cells: list[Any]) -> Shaped[np.ndarray, " line"]:
    try:
        texts = [str(cell)[:10] for cell in cells]
        return np.array(texts, "datetime64[D]")
    except ValueError as error:
        raise BarsError(
            f"Expected ISO dates such as 2012-01-31 in the table of own columns, got "
            f"others ({error}). Write year, month and day."
        ) from error


def _number(cell: object) -> float:
    try:
        return float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return np.nan


def _by_date(
    table: _Table, name: str, bars: Bars, days: Shaped[np.ndarray, "row session"]
) -> Float[np.ndarray, "row session"]:
    numbers = table.numbers(name)
    if table.days is None:
        raise BarsError(
            f"Expected a column date or ds beside {name}, got "
            f"{', '.join(table.columns)}. Say which session each value is of."
        )
    values = np.full(days.shape, np.nan)
    for symbol, start, end in bars:
        mine = slice(None) if table.symbols is None else table.symbols == symbol
        order = np.argsort(table.days[mine], kind="stable")
        there, told = table.days[mine][order], numbers[mine][order]
        _refuse_twins(there, name, symbol)
        if len(there):
            at = np.minimum(np.searchsorted(there, days[start:end]), len(there) - 1)
            found = there[at] == days[start:end]
            values[start:end] = np.where(found, told[at], np.nan)
    _refuse_missing(name, values, days, bars)
    return values


def _refuse_twins(days: Shaped[np.ndarray, " line"], name: str, symbol: str) -> None:
    twins = np.flatnonzero(days[1:] == days[:-1])
    if len(twins):
        raise BarsError(
            f"Expected one value of {name} a date, got two for {days[twins[0]]} "
            f"(symbol {symbol}). Drop one, or add a column symbol."
        )


def _refuse_missing(
    name: str,
    values: Float[np.ndarray, "row session"],
    days: Shaped[np.ndarray, "row session"],
    bars: Bars,
) -> None:
    rows, places = np.nonzero(~np.isfinite(values))
    if len(rows) == 0:
        return
    symbol = bars.symbol_of(int(rows[0]))
    own = bars.symbol_ids[rows] == bars.symbol_ids[rows[0]]
    missing = np.unique(days[rows[own], places[own]])
    dates = ", ".join(str(day) for day in missing[:NAMED_DATES])
    more = len(missing) - NAMED_DATES
    others = len(np.unique(bars.symbol_ids[rows])) - 1
    raise BarsError(
        f"Expected a number in {name} for every session, got none for {symbol} on "
        f"{dates}{f' and {more} dates more' if more > 0 else ''}"
        f"{f', and some for {others} other symbols' if others else ''}. Fill them in, "
        "or leave these bars out."
    )


def _require_small(
    name: str, values: Float[np.ndarray, "row session"], bars: Bars
) -> None:
    large = np.flatnonzero(np.abs(values).max(axis=1) > LARGEST_KNOWN)
    if len(large):
        row = int(large[0])
        raise BarsError(
            f"Expected {name} in +-{LARGEST_KNOWN:g}, got "
            f"{values[row][np.abs(values[row]).argmax()]:g} after {bars.dates[row]} "
            f"(symbol {bars.symbol_of(row)}). What is known ahead is read as it is: "
            "divide it."
        )


def _codes(table: _Table, name: str, bars: Bars) -> Float[np.ndarray, "row code"]:
    # One category a symbol, as signs that the name of the category gives.
    cells = [str(cell) for cell in table.column(name).to_list()]
    if table.symbols is None:
        raise BarsError(
            f"Expected a column symbol or unique_id beside {name}, got "
            f"{', '.join(table.columns)}. Say whose category each is."
        )
    known: dict[str, str] = {}
    for symbol, cell in zip(table.symbols.tolist(), cells, strict=True):
        if known.setdefault(symbol, cell) != cell:
            raise BarsError(
                f"Expected one {name} of a symbol, got {known[symbol]} and {cell} "
                f"(symbol {symbol}). A column that changes is one of past_columns."
            )
    missing = [symbol for symbol in bars.symbols if symbol not in known]
    if missing:
        raise BarsError(
            f"Expected a {name} for every symbol, got none for {missing[0]}"
            f"{f' and {len(missing) - 1} others' if missing[1:] else ''}. Add a line."
        )
    codes = np.stack([category_code(known[symbol]) for symbol in bars.symbols])
    return np.asarray(codes[bars.symbol_ids])


def category_code(category: str) -> Float[np.ndarray, " code"]:
    """Write a category as signs, the same wherever it is written.

    Nothing is fitted, so that a model needs no list of the categories of its training.

    Args:
        category: Its name.

    Returns:
        ``CODE_SIZE`` values of -1 and 1.

    Source: Weinberger and others (2009), Feature hashing for large scale multitask
    learning, doi:10.1145/1553374.1553516.
    """
    import hashlib

    byte = hashlib.sha256(category.encode()).digest()[0]
    bits: Bool[np.ndarray, " code"] = (byte >> np.arange(CODE_SIZE)) & 1 == 1
    return np.where(bits, 1.0, -1.0)
