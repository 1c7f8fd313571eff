"""From a dataframe to columns: pandas, polars, pyarrow and what narwhals knows."""

from typing import Any

import numpy as np

from closecast.market.findings import Finding, TableError
from closecast.market.readers.cells import Cells
from closecast.market.readers.format import roles_in
from closecast.market.readers.raw import RawTable

_TWO = 2
"""Levels of a header that holds several tickers."""

_INDEX = "__index_level_"
"""How pandas calls an index without a name."""


def from_frame(frame: Any) -> RawTable:  # noqa: ANN401
    """Take the columns of a dataframe.

    Args:
        frame: Whatever narwhals knows: pandas, polars, pyarrow and more.

    Returns:
        Its columns; a pandas index with a name or of dates becomes a column.

    Raises:
        TableError: It is no dataframe.
    """
    import narwhals as nw

    if _hides_an_index(frame):
        frame = frame.to_pandas()
    if nw.dependencies.is_pandas_dataframe(frame):
        frame = _with_index(frame)
    try:
        table = nw.from_native(frame)
        names = tuple(str(name) for name in table.collect_schema())
    except nw.exceptions.DuplicateError as error:
        raise TableError(
            Finding(
                file="",
                what=f"Expected columns of different names, got {list(frame.columns)}",
                remedy="Drop the copies.",
            )
        ) from error
    except TypeError as error:
        raise TableError(
            Finding(
                file="",
                what="Expected a path or a pandas, polars or pyarrow dataframe, got "
                f"{type(frame).__name__}",
                remedy="Convert it to one of these.",
            )
        ) from error
    eager = table.collect() if isinstance(table, nw.LazyFrame) else table
    return RawTable(
        file="",
        stem="series",
        names=names,
        columns=tuple(_cells(series) for series in eager.iter_columns()),
        rows=np.arange(len(eager)),
    )


def _hides_an_index(frame: Any) -> bool:  # noqa: ANN401
    # What pandas wrote into Parquet: levels of columns become text, dates lose a name.
    import narwhals as nw

    if not nw.dependencies.is_pyarrow_table(frame):
        return False
    told = frame.schema.pandas_metadata or {}
    levels = len(told.get("column_indexes") or ())
    return levels == _TWO or any(n.startswith(_INDEX) for n in frame.column_names)


def _with_index(frame: Any) -> Any:  # noqa: ANN401
    import pandas as pd

    if frame.columns.nlevels == _TWO and len(frame.columns):
        frame = _unstacked(frame)
    frame = frame.set_axis([_flat(name) for name in frame.columns], axis="columns")
    if isinstance(frame.index, pd.DatetimeIndex) and frame.index.name is None:
        return frame.rename_axis("date").reset_index()
    named = [
        name
        for name in frame.index.names
        if name is not None and name not in frame.columns
    ]
    return frame.reset_index(level=named) if named else frame


def _unstacked(frame: Any) -> Any:  # noqa: ANN401
    # yfinance's two levels, price and ticker in either order: one bar a row.
    import pandas as pd

    named = [
        "close" in roles_in([str(name) for name in frame.columns.get_level_values(at)])
        for at in range(_TWO)
    ]
    if sum(named) != 1 or not frame.columns.is_unique:
        return frame
    tickers = frame.columns.get_level_values(named.index(False))
    frame = frame.rename_axis(index=frame.index.name or "date")
    parts = []
    for ticker in dict.fromkeys(tickers):
        part = frame.loc[:, tickers == ticker]
        part = part.set_axis(part.columns.get_level_values(named.index(True)), axis=1)
        parts.append(part.reset_index().assign(symbol=ticker))
    return pd.concat(parts, ignore_index=True)


def _flat(name: object) -> str:
    return "/".join(map(str, name)) if isinstance(name, tuple) else str(name)


def _cells(series: Any) -> Cells:  # noqa: ANN401
    import narwhals as nw

    dtype = series.dtype
    if isinstance(dtype, nw.Datetime):
        naive = series if dtype.time_zone is None else series.dt.replace_time_zone(None)
        return np.asarray(naive.to_numpy())
    if dtype.is_float() or (dtype.is_integer() and series.null_count() == 0):
        return np.asarray(series.to_numpy())
    return list(series.to_list())
