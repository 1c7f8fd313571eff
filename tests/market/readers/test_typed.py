"""Typed columns are taken as they are, or left to the reader; never another way."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from closecast.market.readers import read_bars, to_frame
from closecast.market.readers.typed import typed_bars
from closecast.testing import random_walk

BARS = random_walk(3, 12)
TABLE = to_frame(BARS, "pyarrow")
ONE = to_frame(random_walk(1, 12), "pyarrow").drop_columns(["symbol"])


def with_column(name: str, values: object) -> pa.Table:
    """The table with another column of that name."""
    at = TABLE.column_names.index(name)
    return TABLE.set_column(at, name, values)


@given(st.permutations(range(3)))
@settings(max_examples=5)
def test_it_reads_what_the_reader_reads(order):
    """The same panel, whatever symbol comes first and whatever kind of text."""
    table = pa.concat_tables([TABLE.slice(12 * at, 12) for at in order])
    encoded = table.set_column(0, "Ticker", table.column("symbol").dictionary_encode())

    for one in (table, encoded):
        assert typed_bars(one, None).fingerprint == BARS.fingerprint
        assert read_bars(one).bars.fingerprint == BARS.fingerprint


def test_one_symbol_is_named_by_its_file():
    """Without a column of symbols the caller says which it is."""
    bars = typed_bars(ONE, "A")

    assert bars.symbols == ("A",)
    assert bars.fingerprint == read_bars(ONE, symbol="A").bars.fingerprint
    assert typed_bars(ONE, None) is None


LEFT = {
    "nothing": TABLE.slice(0, 0),
    "text in a price": with_column("open", TABLE.column("open").cast(pa.string())),
    "float32": with_column("open", TABLE.column("open").cast(pa.float32())),
    "a missing volume": with_column("volume", pa.array([None] * 36, pa.float64())),
    "a negative price": with_column("low", pa.array([-1.0] * 36)),
    "twins": pa.concat_tables([TABLE, TABLE.slice(0, 1)]),
    "late rows": TABLE.take(np.arange(36)[::-1]),
    "another price": TABLE.append_column("adj_close", TABLE.column("close")),
    "no volume": TABLE.drop_columns(["volume"]),
    "text as date": with_column("date", TABLE.column("date").cast(pa.string())),
    "a time zone": with_column(
        "date", TABLE.column("date").cast(pa.timestamp("s", "Asia/Seoul"))
    ),
    "a blank in a symbol": with_column("symbol", pa.array([" A"] * 12 + ["B"] * 24)),
    "no symbol": with_column("symbol", pa.array([""] * 12 + ["B"] * 24)),
}


@pytest.mark.parametrize("table", LEFT.values(), ids=LEFT)
def test_what_is_not_plain_is_left_to_the_reader(table):
    """No row is dropped, sorted or converted here."""
    assert typed_bars(table, None) is None
