"""One line a symbol: how much the store holds of it, and a sum over its content.

The content hash of a store is made of these sums. Each row has a hash, and a symbol
the sum of the hashes of its rows, so that a row can be added or replaced without
reading the others, and the order in which rows came leaves no trace. It tells
contents apart by accident, not by malice: files are guarded by SHA-256.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Shaped, UInt64

from closecast.market.store.rows import Rows

LANES = 2
"""Sums of 64 bits: together 128."""

_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_STEP = np.uint64(0x9E3779B97F4A7C15)
_CHUNK = 1_000_000
_NEVER = np.datetime64("9999-12-31", "D")
_LONG_AGO = np.datetime64("0001-01-01", "D")


@dataclass(frozen=True, kw_only=True, eq=False)
class SymbolTable:
    """What is stored of each symbol.

    Attributes:
        names: Symbols, ascending.
        rows: Sessions of each.
        first: Oldest session.
        last: Newest session.
        sums: Sum of the row hashes, modulo 2**64.
    """

    names: Shaped[np.ndarray, " symbol"]
    rows: Int[np.ndarray, " symbol"]
    first: Shaped[np.ndarray, " symbol"]
    last: Shaped[np.ndarray, " symbol"]
    sums: UInt64[np.ndarray, "symbol lane"]

    def __len__(self) -> int:
        return len(self.names)

    def find(self, names: Shaped[np.ndarray, " some"]) -> Int[np.ndarray, " some"]:
        """Find symbols.

        Args:
            names: Their names.

        Returns:
            Position of each, -1 where the store has none of it.
        """
        if not len(self):
            return np.full(len(names), -1)
        at = np.minimum(np.searchsorted(self.names, names), len(self) - 1)
        return np.asarray(np.where(self.names[at] == names, at, -1))

    def updated(self, added: Rows, removed: Rows) -> "SymbolTable":
        """Count rows in and out.

        Args:
            added: New rows and new versions of rows.
            removed: The versions that they replace.

        Returns:
            The table after that.
        """
        plus, minus = table_of(added), table_of(removed)
        names = np.unique(np.concatenate([self.names, plus.names]))
        rows = np.zeros(len(names), np.int64)
        sums = np.zeros((len(names), LANES), np.uint64)
        first = np.full(len(names), _NEVER)
        last = np.full(len(names), _LONG_AGO)
        for part in (self, plus):
            at = np.searchsorted(names, part.names)
            rows[at] += part.rows
            sums[at] += part.sums
            first[at] = np.minimum(first[at], part.first)
            last[at] = np.maximum(last[at], part.last)
        at = np.searchsorted(names, minus.names)
        rows[at] -= minus.rows
        sums[at] -= minus.sums
        return SymbolTable(names=names, rows=rows, first=first, last=last, sums=sums)

    def content_hash(self, adjustments: Iterable[object]) -> str:
        """Give the hash of all that is stored.

        Args:
            adjustments: Symbol, session and factors of each.

        Returns:
            SHA-256 in hexadecimal: the same bars and factors, the same hash, in
            whatever order and pieces they came.
        """
        digest = hashlib.sha256()
        for name, rows in zip(self.names, self.rows, strict=True):
            digest.update(f"{name}\0{rows}\0".encode())
        digest.update(self.sums.astype("<u8").tobytes())
        for adjustment in sorted(map(repr, adjustments)):
            digest.update(adjustment.encode())
        return digest.hexdigest()


def empty_table() -> SymbolTable:
    """Give the table of a store without a bar."""
    return SymbolTable(
        names=np.empty(0, "U1"),
        rows=np.empty(0, np.int64),
        first=np.empty(0, "datetime64[D]"),
        last=np.empty(0, "datetime64[D]"),
        sums=np.empty((0, LANES), np.uint64),
    )


def table_of(rows: Rows) -> SymbolTable:
    """Describe rows, symbol by symbol.

    Args:
        rows: Any rows.

    Returns:
        Their table; a name without a row is not in it.
    """
    if not len(rows):
        return empty_table()
    offsets = rows.offsets
    filled = np.diff(offsets) > 0
    starts, ends = offsets[:-1][filled], offsets[1:][filled]
    return SymbolTable(
        names=rows.names[filled],
        rows=ends - starts,
        first=rows.dates[starts],
        last=rows.dates[ends - 1],
        sums=np.add.reduceat(_row_hashes(rows), starts, axis=0),
    )


def _row_hashes(rows: Rows) -> UInt64[np.ndarray, "row lane"]:
    seeds = np.array(
        [
            np.frombuffer(hashlib.sha256(str(name).encode()).digest()[:16], "<u8")
            for name in rows.names
        ],
        dtype=np.uint64,
    )
    hashes = np.empty((len(rows), LANES), np.uint64)
    for start in range(0, len(rows), _CHUNK):
        part = slice(start, start + _CHUNK)
        values = np.ascontiguousarray(rows.values[part], dtype="<f8").view(np.uint64)
        days = rows.dates[part].astype("datetime64[D]").astype(np.int64)
        words = (days.view(np.uint64), *values.T)
        for lane in range(LANES):
            state = seeds[rows.ids[part], lane]
            for word in words:
                state = _mixed(state + _STEP ^ word)
            hashes[part, lane] = state
    return hashes


def _mixed(x: UInt64[np.ndarray, " row"]) -> UInt64[np.ndarray, " row"]:
    # The finaliser of SplitMix64: each bit of the input moves half of the output.
    x = (x ^ (x >> np.uint64(30))) * _MIX_1
    x = (x ^ (x >> np.uint64(27))) * _MIX_2
    return np.asarray(x ^ (x >> np.uint64(31)))
