"""From any vendor's file or dataframe to bars, and back to a dataframe."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

from closecast.errors import SettingError
from closecast.market.bars import COLUMNS, Bars
from closecast.market.readers.format import Hints
from closecast.market.readers.source import is_path
from closecast.market.readers.table import Reading, read_bars

__all__ = [
    "FrameKind",
    "Hints",
    "Reading",
    "read_bars",
    "to_frame",
]

FrameKind = Literal["pandas", "polars", "pyarrow"]


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
    require_frame_kind(kind)
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


def require_frame_kind(kind: str) -> None:
    """Refuse a kind of dataframe that is not made here.

    Args:
        kind: Its name.

    Raises:
        SettingError: There is no such kind.
    """
    if kind not in get_args(FrameKind):
        raise SettingError(
            f"Expected a dataframe of {', '.join(get_args(FrameKind))}, got {kind!r}. "
            "Choose one of these."
        )
