"""The short way through a long plain table, with the same result as the long way.

Arrow reads the columns of numbers at once where every cell of them is a plain
number and nothing in the file needs a closer look: no quotes, no blank lines, no
row of another length. Whatever else there is, it gives up, and ``text`` reads the
file cell by cell and names what is wrong.
"""

from pathlib import Path

import numpy as np

from closecast.market.bars import COLUMNS
from closecast.market.readers.cells import Cells
from closecast.market.readers.format import Format, normal, unchanged
from closecast.market.readers.names import NAMES
from closecast.market.readers.raw import RawTable

FROM = 200_000
"""Characters from which on it is worth to load Arrow."""

_NUMBERS = {name for role in (*COLUMNS, "adj_close") for name in NAMES[role]}


def read_at_once(
    path: Path, text: str, delimiter: str, format_: Format, header: tuple[int, int]
) -> RawTable | None:
    """Read the rows under a header, if they are plain.

    Args:
        path: The file.
        text: All of it.
        delimiter: What divides its cells.
        format_: How its vendor writes.
        header: Line of the header, from 1, and number of its cells.

    Returns:
        What ``text.read_text`` would give; None if it must be asked.
    """
    if len(text) < FROM or not _is_plain(text, delimiter, format_):
        return None
    line, width = header
    start = 0
    for _ in range(line):
        start = text.index("\n", start) + 1
    top = text[:start].rstrip("\r\n").rpartition("\n")[2]
    names = tuple(name.strip() for name in top.split(delimiter))
    columns = _columns(text[start:], delimiter, names)
    if columns is None or len(names) != width:
        return None
    count = len(columns[0])
    if count != text.rstrip("\r\n").count("\n", start) + 1:
        return None  # blank lines, which count as lines and hold no row
    return RawTable(
        file=str(path),
        stem=path.stem,
        names=names,
        columns=tuple(columns),
        rows=np.arange(line + 1, line + 1 + count, dtype=np.int64),
        format=format_,
        delimiter=delimiter,
    )


def _is_plain(text: str, delimiter: str, format_: Format) -> bool:
    # A lone carriage return ends a line too; a semicolon leaves decimals open.
    return (
        delimiter != ";"
        and format_.reshape is unchanged
        and '"' not in text
        and text.count("\r") == text.count("\r\n")
    )


def _columns(body: str, delimiter: str, names: tuple[str, ...]) -> list[Cells] | None:
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyarrow import csv

    numeric = [normal(name) in _NUMBERS for name in names]
    keys = [str(at) for at in range(len(names))]
    kinds = [pa.float64() if is_one else pa.string() for is_one in numeric]
    try:
        table = csv.read_csv(
            pa.BufferReader(body.encode()),
            read_options=csv.ReadOptions(column_names=keys, use_threads=False),
            parse_options=csv.ParseOptions(delimiter=delimiter, quote_char=False),
            convert_options=csv.ConvertOptions(
                column_types=dict(zip(keys, kinds, strict=True)),
                null_values=[],
                strings_can_be_null=False,
                check_utf8=False,
            ),
        )
    except pa.ArrowInvalid:
        return None
    columns: list[Cells] = []
    for key, is_number in zip(keys, numeric, strict=True):
        cells = table.column(key)
        columns.append(cells.to_numpy() if is_number else cells.to_pylist())
        if is_number and not np.isfinite(columns[-1]).all():
            return None
    return columns
