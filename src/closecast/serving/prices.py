"""The prices that are served: which symbols there are, and the bars of each.

The list of symbols is an allow-list: whatever a caller names is looked up in it and
used for nothing else. A store is read again once it has changed.
"""

import datetime as dt
import difflib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from closecast.market.bars import Bars
from closecast.market.panels import STORE, bars_of
from closecast.market.store import Store, Stored

LOOK_S = 1.0
"""Seconds between two looks at whether a store has changed."""

MOST_KEPT = 512
"""Symbols whose bars are kept in memory, of a store."""

MOST_COMPARED = 2000
"""Names that a wrong one is compared with."""

LONGEST_NAME = 64
"""Characters of a wrong name that are compared."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Content:
    """What there is at one time.

    Attributes:
        version: Hash of all bars.
        symbols: What is known of each symbol, in ascending order.
    """

    version: str
    symbols: Mapping[str, Stored]


class PriceBook:
    """Prices by symbol.

    Args:
        source: As commands take PRICES: a file, a folder, ``store:...`` or ``sample``.
        clock: Seconds that never go back.

    Raises:
        BarsError: The prices cannot be read.
        StoreError: There is no store, or it is damaged.
    """

    def __init__(
        self, source: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock, self._lock = clock, threading.RLock()
        self._kept: OrderedDict[str, Bars] = OrderedDict()
        self._store: Store | None = None
        if source.startswith(STORE):
            names = source.removeprefix(STORE).split(",")
            self._only = {name.strip() for name in names if name.strip()}
            self._store = Store()
            self._content, self._generation = self._of_store(self._store)
        else:
            self._panel = bars_of(source)
            self._content = _of_panel(self._panel)
        self._looked = clock()

    def content(self) -> Content:
        """Say what there is.

        Returns:
            Symbols and version; of a store, at most ``LOOK_S`` old.

        Raises:
            StoreError: The store is missing or damaged.
        """
        if self._store is not None and self._clock() - self._looked >= LOOK_S:
            with self._lock:
                if self._store.generation != self._generation:
                    self._content, self._generation = self._of_store(self._store)
                    self._kept.clear()
                self._looked = self._clock()
        return self._content

    def bars(self, symbol: str) -> Bars:
        """Read the bars of a symbol.

        Args:
            symbol: One of ``content().symbols``.

        Returns:
            A panel of it alone.

        Raises:
            StoreError: The store is missing or damaged.
        """
        with self._lock:
            found = self._kept.get(symbol)
            if found is None:
                found = self._read(symbol)
                self._kept[symbol] = found
                if len(self._kept) > MOST_KEPT:
                    self._kept.popitem(last=False)
            else:
                self._kept.move_to_end(symbol)
        return found

    def panel(self) -> Bars:
        """Read the bars of all symbols.

        Returns:
            The panel.

        Raises:
            StoreError: The store is missing or damaged.
        """
        if self._store is None:
            return self._panel
        return self._store.read(self.content().symbols)

    def _read(self, symbol: str) -> Bars:
        if self._store is not None:
            return self._store.read([symbol])
        at = self._panel.symbols.index(symbol)
        rows = slice(*self._panel.offsets[at : at + 2])
        return Bars(
            symbols=(symbol,),
            offsets=np.array([0, rows.stop - rows.start]),
            dates=self._panel.dates[rows],
            values=self._panel.values[rows],
        )

    def _of_store(self, store: Store) -> tuple[Content, int]:
        generation = store.generation
        every = {one.symbol: one for one in store.symbols()}
        if self._only:
            store.last(1, self._only)  # refuses what is not stored, with the nearest
            every = {name: every[name] for name in sorted(self._only)}
        return Content(version=store.content_hash, symbols=every), generation


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Find the symbols that may have been meant.

    Args:
        name: What was asked for, of any length and content.
        known: The symbols.

    Returns:
        Up to three, the likeliest first.
    """
    asked = name[:LONGEST_NAME].upper()
    names = {one.upper(): one for one in known}
    if len(names) > MOST_COMPARED:  # to compare with all would take too long
        names = {upper: one for upper, one in names.items() if upper[:1] == asked[:1]}
    some = list(names)[:MOST_COMPARED]
    return [names[near] for near in difflib.get_close_matches(asked, some, 3, 0.4)]


def _of_panel(bars: Bars) -> Content:
    return Content(
        version=bars.fingerprint,
        symbols={
            symbol: Stored(
                symbol=symbol,
                bars=end - start,
                first=_day(bars.dates[start]),
                last=_day(bars.dates[end - 1]),
            )
            for symbol, start, end in bars
        },
    )


def _day(date: np.datetime64) -> dt.date:
    day = date.astype("datetime64[D]").item()
    assert isinstance(day, dt.date)  # noqa: S101  for mypy: days become dates
    return day
