"""From any vendor's file or dataframe to bars, and back to a dataframe."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from closecast.errors import ClosecastWarning, SettingError
from closecast.market.bars import COLUMNS, Bars
from closecast.market.readers.format import NO_HINTS, Decimal, Hints
from closecast.market.readers.source import is_path
from closecast.market.readers.table import Reading, read_bars

__all__ = [
    "FrameKind",
    "Hints",
    "Reading",
    "read_bars",
    "read_prices",
    "to_frame",
]

FrameKind = Literal["pandas", "polars", "pyarrow"]


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
        source: Path of a CSV (also in gzip or zip) or Parquet file, a folder of
            such files, or a dataframe.
        symbol: Of several symbols, the one to read; without a symbol column, what
            to call the only one.
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
        date. What was done to the data is said in a ``ClosecastWarning``.

    Raises:
        BarsError: The source cannot be read or breaks a rule of bars.
        SettingError: There is no such kind of dataframe.
    """
    kind = as_ or frame_kind(source)
    _refuse_unknown(kind)
    hints = Hints(
        dayfirst=dayfirst,
        decimal=decimal,
        columns=None if columns is None else tuple(columns),
    )
    return to_frame(
        _read_aloud(source, symbol=symbol, adjust=adjust, hints=hints), kind
    )


def to_frame(bars: Bars, kind: str = "pandas") -> Any:  # noqa: ANN401
    """Turn a panel into a dataframe.

    Args:
        bars: The panel.
        kind: ``pandas``, ``polars`` or ``pyarrow``.

    Returns:
        Columns symbol, date, open, high, low, close, volume; sorted.

    Raises:
        SettingError: There is no such kind.
    """
    columns: dict[str, Any] = {
        "symbol": [bars.symbols[i] for i in bars.symbol_ids],
        "date": bars.dates,
    }
    columns |= {name: bars.values[:, at].copy() for at, name in enumerate(COLUMNS)}
    return frame_of(columns, kind)


def frame_of(columns: Mapping[str, Any], kind: str = "pandas") -> Any:  # noqa: ANN401
    """Build a dataframe from columns.

    Args:
        columns: Columns of one length, by name.
        kind: ``pandas``, ``polars`` or ``pyarrow``.

    Returns:
        The dataframe.

    Raises:
        SettingError: There is no such kind.
    """
    _refuse_unknown(kind)
    if kind == "pandas":
        import pandas as pd

        return pd.DataFrame(columns)
    if kind == "polars":
        import polars as pl

        return pl.DataFrame(columns)
    import pyarrow as pa  # type: ignore[import-untyped]

    return pa.table(columns)


def frame_kind(prices: Any) -> FrameKind:  # noqa: ANN401
    """Name the kind of dataframe to answer with.

    Args:
        prices: Bars, a path or a dataframe.

    Returns:
        The kind that came in; pandas for a path, for bars and for other kinds.
    """
    if is_path(prices) or isinstance(prices, Bars):
        return "pandas"
    library = type(prices).__module__.split(".")[0]
    return "polars" if library == "polars" else _arrow_or_pandas(library)


def _arrow_or_pandas(library: str) -> FrameKind:
    return "pyarrow" if library == "pyarrow" else "pandas"


def _read_aloud(
    source: Any,  # noqa: ANN401
    *,
    symbol: str | None = None,
    adjust: bool = False,
    hints: Hints = NO_HINTS,
) -> Bars:
    reading = read_bars(source, symbol=symbol, adjust=adjust, hints=hints)
    for note in reading.notes:
        warnings.warn(note, ClosecastWarning, stacklevel=3)
    return reading.bars


def _refuse_unknown(kind: str) -> None:
    if kind not in get_args(FrameKind):
        raise SettingError(
            f"Expected a dataframe of {', '.join(get_args(FrameKind))}, got {kind!r}. "
            "Choose one of these."
        )
