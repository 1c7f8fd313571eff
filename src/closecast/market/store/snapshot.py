"""One state of the store, as a reader sees it while a writer goes on."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from closecast.market.store import cache, parquet
from closecast.market.store.manifest import Manifest
from closecast.market.store.metadata import Adjustment, Metadata
from closecast.market.store.rows import Rows, merged, nothing
from closecast.market.store.symbols import SymbolTable, empty_table

BARS = "bars"
"""Folder of the Parquet files."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Snapshot:
    """A state that was committed.

    Attributes:
        folder: The store.
        manifest: What belongs to the state.
        small: Small deltas, and the tail, that were read already, by name.
    """

    folder: Path
    manifest: Manifest
    small: dict[str, Rows] = field(default_factory=dict)

    @cached_property
    def symbols(self) -> SymbolTable:
        """What is stored of each symbol."""
        if not self.manifest.symbols:
            return empty_table()
        path = self.folder / BARS / self.manifest.symbols
        return parquet.read_symbols(path, self.manifest.symbols_sha256)

    @cached_property
    def adjustments(self) -> tuple[Adjustment, ...]:
        """Factors of all symbols, by symbol and date."""
        found = Metadata(self.folder).adjustments(self.manifest.generation)
        if self.symbols.content_hash(found) != self.manifest.content_hash:
            raise parquet.damaged(self.folder, "other factors than were written")
        return found

    def adjustments_of(self, names: Iterable[str]) -> list[Adjustment]:
        """Give the factors of some symbols.

        Args:
            names: The symbols.

        Returns:
            Theirs, by symbol and date.
        """
        wanted = set(names)
        return [one for one in self.adjustments if one.symbol in wanted]

    def rows(self, names: Shaped[np.ndarray, " name"] | None = None) -> Rows:
        """Read from the files.

        Args:
            names: Symbols, ascending; all by default.

        Returns:
            Their rows, each in its newest version.
        """
        if names is not None and not len(names):
            return nothing()
        wanted = None if names is None else parquet.groups_of(names)
        parts = []
        for entry in self.manifest.files:
            if entry.is_small_delta:
                small = self.small_delta(entry)
                parts.append(small if names is None else small.of(names))
            elif wanted is None or not wanted.isdisjoint(entry.groups):
                path = self.folder / BARS / entry.name
                parts.append(parquet.read_rows(path, entry, names))
        return merged(parts)

    def since(
        self,
        names: Shaped[np.ndarray, " name"],
        dates: Shaped[np.ndarray, " name"],
    ) -> Rows:
        """Read symbols from a session on, from memory where it reaches so far back.

        Args:
            names: Symbols, ascending, all of them stored.
            dates: First session of each.

        Returns:
            Their rows.
        """
        tail = self.cached_tail() if len(names) else None
        if tail is None:
            return _from(self.rows(names), names, dates)
        at = np.searchsorted(tail.names, names)
        starts, counts = tail.offsets[at], np.diff(tail.offsets)[at]
        near = (counts < cache.TAIL) | (tail.dates[starts] <= dates)
        parts = [tail.of(names[near]), self.rows(names[~near])]
        return _from(merged(parts), names, dates)

    def small_delta(self, entry: parquet.FileEntry) -> Rows:
        """Read a small delta once.

        Args:
            entry: The delta.

        Returns:
            Its rows.
        """
        if entry.name not in self.small:
            path = self.folder / BARS / entry.name
            self.small[entry.name] = parquet.read_rows(path, entry)
        return self.small[entry.name]

    def buckets(self) -> Iterator[tuple[int, Rows, bool]]:
        """Go through everything, a bucket at a time.

        Yields:
            Its number, its rows, and whether they lie in more than one bucket file.
        """
        large = [e for e in self.manifest.files if not e.is_small_delta]
        small = merged(
            [self.small_delta(e) for e in self.manifest.files if e.is_small_delta]
        )
        home = parquet.buckets_of(small.names)
        for bucket in range(parquet.BUCKETS):
            here = [e for e in large if bucket in e.groups]
            parts = [
                parquet.read_bucket(self.folder / BARS / entry.name, entry, bucket)
                for entry in here
            ]
            recent = small.take((home == bucket)[small.ids]) if len(small) else small
            rows = merged([*parts, recent])
            settled = not len(recent) and [e.kind for e in here] == ["bucket"]
            if len(rows):
                yield bucket, rows, not settled

    def tail(self) -> Rows:
        """Give the newest sessions of each symbol, from the cache if it is there.

        Returns:
            Raw rows, ``cache.TAIL`` of each symbol at most.
        """
        found = self.cached_tail()
        if found is not None:
            return found
        rows = merged([cache.newest(rows, cache.TAIL) for _, rows, _ in self.buckets()])
        place = cache.place(self.folder, "tail", self.manifest.content_hash)
        cache.save_tail(place, rows)
        return rows

    def cached_tail(self) -> Rows | None:
        """Give the newest sessions of each symbol, if they are at hand."""
        place = cache.place(self.folder, "tail", self.manifest.content_hash)
        if place.name not in self.small:  # hashed once a state, not once a reading
            found = cache.load_tail(place, self.symbols.names)
            if found is None:
                return None
            self.small[place.name] = found
        return self.small[place.name]


def _from(
    rows: Rows, names: Shaped[np.ndarray, " name"], dates: Shaped[np.ndarray, " name"]
) -> Rows:
    first = dates[np.searchsorted(names, rows.names)]
    return rows.take(rows.dates >= first[rows.ids])
