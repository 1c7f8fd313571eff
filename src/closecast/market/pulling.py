"""From a vendor into the store, a symbol after the other: what fails costs itself."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from closecast.errors import BarsError, VendorError
from closecast.market.bars import from_columns
from closecast.market.store import Store
from closecast.market.vendors.vendor import History

BATCH = 25
"""Symbols that are fetched before they are written into the store."""

Days = tuple[dt.date | None, dt.date | None]
OnSymbol = Callable[[int, int], None]
OnFailure = Callable[[Exception], None]


@dataclass(kw_only=True)
class Pulled:
    """What became of a pull; it grows as symbols come.

    Attributes:
        symbols: Those that gave bars.
        bars: Bars that came.
        adjusted: What the prices are adjusted for.
        added: Bars that are new in the store.
        adjustments: Factors that were found.
        failed: Symbols without bars, or that contradict the store.
        notes: What was left out, and what to know.
    """

    symbols: list[str] = field(default_factory=list)
    bars: int = 0
    adjusted: str | None = None
    added: int = 0
    adjustments: int = 0
    failed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def pull_into(
    store: Store,
    vendor: str,
    symbols: Sequence[str],
    days: Days = (None, None),
    *,
    on_symbol: OnSymbol | None = None,
    on_failure: OnFailure | None = None,
) -> Pulled:
    """Fetch daily bars into the store, some symbols at a time.

    A symbol that is stored already is read from 30 stored sessions back, and compared.

    Args:
        store: The store.
        vendor: As ``open_vendor`` names it.
        symbols: As the vendor writes them.
        days: First and last session; all that are not stored by default.
        on_symbol: Told how many symbols are done, and of how many.
        on_failure: Told why a symbol gave no bars.

    Returns:
        What became of it.

    Raises:
        SettingError: There is no such vendor.
        MissingExtraError: Its library is not installed.
        StoreError: The store is busy or damaged.
    """
    done = Pulled()
    histories = fetch_all(
        vendor,
        symbols,
        days,
        done,
        stored_from=lambda name: store.refresh_from(name) if store.exists else None,
        on_symbol=on_symbol,
        on_failure=on_failure,
    )
    while batch := list(islice(histories, BATCH)):
        _keep(store, batch, done)
    return done


def fetch_all(  # noqa: PLR0913  what is told on the way
    vendor: str,
    symbols: Sequence[str],
    days: Days,
    done: Pulled,
    *,
    stored_from: Callable[[str], dt.date | None],
    on_symbol: OnSymbol | None = None,
    on_failure: OnFailure | None = None,
) -> Iterator[History]:
    """Fetch one symbol after the other; what fails is told at once and counted.

    Args:
        vendor: As ``open_vendor`` names it.
        symbols: As the vendor writes them.
        days: First and last session.
        done: What becomes of it is added here.
        stored_from: Says from which session on a symbol must be read again.
        on_symbol: As in ``pull_into``.
        on_failure: As in ``pull_into``.

    Yields:
        A history for each symbol that gave one.
    """
    from closecast.market.vendors.vendor import open_vendor

    start, end = days
    names = list(dict.fromkeys(symbols))
    with open_vendor(vendor) as source:
        for place, symbol in enumerate(names):
            if on_symbol is not None:
                on_symbol(place, len(names))
            again = stored_from(symbol)  # what is stored must meet what is new
            first = again if start is None else min(start, again or start)
            try:
                history = source.fetch(symbol, first, end)
            except (VendorError, BarsError) as error:
                if on_failure is not None:
                    on_failure(error)
                done.failed.append(symbol)
                continue
            done.symbols.append(symbol)
            done.bars += len(history.bars)
            done.adjusted = history.adjusted
            done.notes += history.notes
            yield history


def _keep(store: Store, batch: Sequence[History], done: Pulled) -> None:
    panels = [history.bars for history in batch]
    bars = from_columns(
        np.concatenate([np.full(len(bars), bars.symbols[0]) for bars in panels]),
        np.concatenate([bars.dates for bars in panels]),
        np.concatenate([bars.values for bars in panels]),
    )
    outcome = store.refresh(
        bars,
        source=batch[0].source,
        fetched_at=batch[0].fetched_at,
        final_before=bars.dates.max().item() + dt.timedelta(days=1),  # all are final
    )
    done.added += outcome.added
    done.adjustments += len(outcome.adjustments)
    done.failed += [conflict.symbol for conflict in outcome.conflicts]
    done.notes += [conflict.message for conflict in outcome.conflicts]
