"""A Parquet table whose columns already are what they should be, taken as it is.

For tens of millions of rows: no cell becomes a Python object. Whatever is not plain
is left to the reader, which knows every format and says what is wrong.
"""

from typing import Any

import numpy as np
from jaxtyping import Int, Shaped

from closecast.errors import BarsError
from closecast.market.bars import COLUMNS, Bars
from closecast.market.readers.format import normal
from closecast.market.readers.names import NAMES


def typed_bars(table: Any, symbol: str | None) -> Bars | None:  # noqa: ANN401
    """Take a pyarrow table of numbers and dates.

    Args:
        table: The table.
        symbol: What to call the only symbol; None if a column names them.

    Returns:
        Its bars; None if the reader must look: another type, a missing value, a price
        that breaks a rule, a date that is not after the last of its symbol.
    """
    columns = _columns(table, symbol)
    if columns is None:
        return None
    names, ids = _symbols(columns, symbol, len(table))
    order = np.argsort(ids, kind="stable")
    dates = columns["date"].to_numpy().astype("datetime64[D]")[order]
    ids = ids[order]
    late = (dates[1:] <= dates[:-1]) & (ids[1:] == ids[:-1])
    if late.any() or not all(map(_is_name, names)):
        return None
    values = np.empty((len(table), len(COLUMNS)))
    for at, name in enumerate(COLUMNS):
        values[:, at] = columns[name].to_numpy()[order]
    try:
        return Bars(
            symbols=tuple(str(name) for name in names),
            offsets=np.searchsorted(ids, np.arange(len(names) + 1)),
            dates=dates,
            values=values,
        )
    except BarsError:  # the reader says where
        return None


def _columns(table: Any, symbol: str | None) -> dict[str, Any] | None:  # noqa: ANN401
    # Each role by its column, if these are all, plain and without a gap.
    roles = {known: role for role, names in NAMES.items() for known in names}
    found = [roles.get(normal(name)) for name in table.column_names]
    wanted = [*COLUMNS, "date", *([] if symbol is not None else ["symbol"])]
    if sorted(role for role in found if role) != sorted(wanted):
        return None
    columns = {r: table.column(at) for at, r in enumerate(found) if r}
    plain = all(_is_plain(role, column) for role, column in columns.items())
    return columns if plain and len(table) else None


def _is_plain(role: str, column: Any) -> bool:  # noqa: ANN401
    import pyarrow as pa  # type: ignore[import-untyped]

    kind = column.type
    if column.null_count:
        return False
    if role == "symbol":
        inner = kind.value_type if pa.types.is_dictionary(kind) else kind
        return bool(pa.types.is_string(inner) or pa.types.is_large_string(inner))
    if role == "date":
        naive = pa.types.is_timestamp(kind) and kind.tz is None
        return bool(naive or pa.types.is_date(kind))
    return bool(pa.types.is_float64(kind) or pa.types.is_integer(kind))


def _is_name(name: str) -> bool:
    return name != "" and name == name.strip() and name.isprintable()


def _symbols(
    columns: dict[str, Any], symbol: str | None, rows: int
) -> tuple[Shaped[np.ndarray, " name"], Int[np.ndarray, " row"]]:
    if symbol is not None:
        return np.array([symbol]), np.zeros(rows, np.int64)
    encoded = columns["symbol"].combine_chunks().dictionary_encode()
    used, ids = np.unique(encoded.indices.to_numpy(), return_inverse=True)
    found = np.array(encoded.dictionary.to_pylist(), dtype=str)[used]
    names, places = np.unique(found, return_inverse=True)
    return names, places[ids]
