"""Rows of the store: bars with the batch that each came with.

Two versions of a bar may lie in different files; the one of the newest batch wins.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from closecast.market.bars import COLUMNS, Bars

Names = Shaped[np.ndarray, " name"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Rows sorted by symbol and date, one a session of a symbol.

    Attributes:
        names: Symbols, ascending; some may have no row.
        ids: Position in ``names`` of each row's symbol.
        dates: Session, ``datetime64[D]``.
        values: Open, high, low, close in price units and volume.
        batches: Number of the batch that each row came with.
    """

    names: Shaped[np.ndarray, " name"]
    ids: Int[np.ndarray, " row"]
    dates: Shaped[np.ndarray, " row"]
    values: Float[np.ndarray, "row column"]
    batches: Int[np.ndarray, " row"]

    def __len__(self) -> int:
        return len(self.dates)

    @property
    def offsets(self) -> Int[np.ndarray, " name_plus_one"]:
        """First row of each symbol, and the row after the last."""
        return np.searchsorted(self.ids, np.arange(len(self.names) + 1))

    def take(self, keep: Bool[np.ndarray, " row"] | Int[np.ndarray, " some"]) -> "Rows":
        """Keep some of the rows, in order.

        Args:
            keep: A mask, or ascending positions.

        Returns:
            These rows, and the names that still have one.
        """
        used, places = ranked(self.ids[keep])
        return Rows(
            names=self.names[used],
            ids=places,
            dates=self.dates[keep],
            values=self.values[keep],
            batches=self.batches[keep],
        )

    def of(self, wanted: Shaped[np.ndarray, " name"]) -> "Rows":
        """Keep some symbols.

        Args:
            wanted: Their names; of those without a row nothing is found.

        Returns:
            Their rows.
        """
        return self.take(np.flatnonzero(np.isin(self.names, wanted)[self.ids]))

    def to_bars(self) -> Bars:
        """Give the panel, checked as every panel is.

        Returns:
            The bars of these rows.
        """
        offsets = self.offsets
        filled = np.diff(offsets) > 0
        return Bars(
            symbols=tuple(str(name) for name in self.names[filled]),
            offsets=np.concatenate([[0], offsets[1:][filled]]).astype(np.int64),
            dates=np.asarray(self.dates),
            values=np.asarray(self.values, dtype=np.float64),
        )


def ranked(
    ids: Int[np.ndarray, " row"],
) -> tuple[Int[np.ndarray, " used"], Int[np.ndarray, " row"]]:
    """Number what occurs.

    Args:
        ids: Any numbers; rows of the store have them in order, which needs no sorting.

    Returns:
        Each number once, ascending, and the position of each row's among them.
    """
    steps = np.diff(ids)
    if not len(ids) or steps.min(initial=0) < 0:
        return np.unique(ids, return_inverse=True)
    first = np.concatenate([[True], steps > 0])
    return ids[first], np.cumsum(first) - 1


def of_bars(bars: Bars, batch: int) -> Rows:
    """Number the bars of a batch.

    Args:
        bars: The panel.
        batch: Its number.

    Returns:
        The same bars as rows.
    """
    return Rows(
        names=np.asarray(bars.symbols),
        ids=bars.symbol_ids,
        dates=bars.dates.astype("datetime64[D]"),
        values=bars.values + 0.0,  # one zero: -0 would be another content
        batches=np.full(len(bars), batch, np.int64),
    )


def nothing() -> Rows:
    """Give no rows at all."""
    return Rows(
        names=np.empty(0, "U1"),
        ids=np.empty(0, np.int64),
        dates=np.empty(0, "datetime64[D]"),
        values=np.empty((0, len(COLUMNS))),
        batches=np.empty(0, np.int64),
    )


def merged(parts: Sequence[Rows]) -> Rows:
    """Put rows of several files together.

    Args:
        parts: Rows of each file; together they may hold a bar more than once.

    Returns:
        All of them, each bar as its newest batch has it.
    """
    filled = [part for part in parts if len(part)]
    if len(filled) < 2:  # noqa: PLR2004  one part is sorted already
        return filled[0] if filled else nothing()
    names, places = np.unique(
        np.concatenate([part.names for part in filled]), return_inverse=True
    )
    ends = np.cumsum([len(part.names) for part in filled])
    where = np.split(places, ends[:-1])
    ids = np.concatenate([at[p.ids] for at, p in zip(where, filled, strict=True)])
    return in_order(
        names,
        ids,
        np.concatenate([part.dates for part in filled]),
        np.concatenate([part.values for part in filled]),
        np.concatenate([part.batches for part in filled]),
    )


def in_order(
    names: Shaped[np.ndarray, " name"],
    ids: Int[np.ndarray, " row"],
    dates: Shaped[np.ndarray, " row"],
    values: Float[np.ndarray, "row column"],
    batches: Int[np.ndarray, " row"],
) -> Rows:
    """Sort rows by symbol and date, and drop versions that a newer batch replaced.

    Args:
        names: Symbols, ascending.
        ids: As in ``Rows``, in any order.
        dates: As in ``Rows``.
        values: As in ``Rows``.
        batches: As in ``Rows``.

    Returns:
        The rows.
    """
    key = (ids.astype(np.int64) << 32) + dates.astype("datetime64[D]").astype(np.int64)
    if np.all(key[1:] > key[:-1]):
        kept = np.arange(len(key))
    else:
        order = np.lexsort((batches, key))
        newest = np.ones(len(key), bool)
        newest[:-1] = key[order][1:] != key[order][:-1]
        kept = order[newest]
    return Rows(
        names=names,
        ids=ids[kept],
        dates=dates[kept],
        values=values[kept],
        batches=batches[kept],
    )
