"""All bars of the store as arrays on the disk, mapped into memory."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, Shaped

from closecast import durable
from closecast.market.bars import COLUMNS, Bars
from closecast.market.store import cache
from closecast.market.store.adjusting import adjusted
from closecast.market.store.snapshot import Snapshot

_ARRAYS = ("dates.npy", "values.npy")


@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """Adjusted bars of every symbol; read only.

    Attributes:
        symbols: Names, ascending.
        offsets: Rows ``offsets[i]:offsets[i + 1]`` belong to symbol i.
        dates: Session of each row, ``datetime64[D]``.
        values: Open, high, low, close and volume.
        content_hash: Of the store that they were made from.
    """

    symbols: tuple[str, ...]
    offsets: Int[np.ndarray, " symbol_plus_one"]
    dates: Shaped[np.ndarray, " row"]
    values: Float[np.ndarray, "row column"]
    content_hash: str

    def __len__(self) -> int:
        return len(self.dates)

    def bars(self, symbol: str) -> Bars:
        """Take one symbol out.

        Args:
            symbol: Its name.

        Returns:
            Its bars.
        """
        at = self.symbols.index(symbol)
        part = slice(int(self.offsets[at]), int(self.offsets[at + 1]))
        return Bars(
            symbols=(symbol,),
            offsets=np.array([0, part.stop - part.start]),
            dates=np.array(self.dates[part]),
            values=np.array(self.values[part], dtype=np.float64),
        )


def panel_of(now: Snapshot, dtype: str) -> Panel:
    """Map the panel of a state, made if it is not there.

    Args:
        now: The state.
        dtype: ``float32`` or ``float64``.

    Returns:
        The panel.

    Raises:
        FileNotFoundError: A writer has made a newer state meanwhile.
    """
    content_hash = now.manifest.content_hash
    place = cache.place(now.folder, f"panel-{dtype}", content_hash)
    found = _load(now, place)
    if found is None:
        _build(now, place, dtype)
        found = _load(now, place)
    if found is None:  # a writer went on meanwhile: look again
        raise FileNotFoundError(2, "no cache", str(place))
    return found


def _load(now: Snapshot, place: Path) -> Panel | None:
    try:
        dates, values = (np.load(place / name, mmap_mode="r") for name in _ARRAYS)
    except (OSError, ValueError):  # a cache is made again
        return None
    return Panel(
        symbols=tuple(str(name) for name in now.symbols.names),
        offsets=_offsets(now),
        dates=dates,
        values=values,
        content_hash=now.manifest.content_hash,
    )


def _build(now: Snapshot, place: Path, dtype: str) -> None:
    # A bucket at a time: the whole panel is never in memory.
    beside = place.with_name(f".{place.name}.{os.getpid()}{durable.TEMPORARY}")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    offsets = _offsets(now)
    total = int(offsets[-1])
    dates, values = (
        np.lib.format.open_memmap(beside / name, "w+", kind, shape)
        for name, kind, shape in zip(
            _ARRAYS,
            ("datetime64[D]", dtype),
            ((total,), (total, len(COLUMNS))),
            strict=True,
        )
    )
    for _, raw, _ in now.buckets():
        rows = adjusted(raw, now.adjustments_of(map(str, raw.names)))
        at = offsets[now.symbols.find(rows.names)]
        places = np.arange(len(rows)) + np.repeat(
            at - rows.offsets[:-1], np.diff(rows.offsets)
        )
        dates[places] = rows.dates
        values[places] = rows.values
    for array in (dates, values):
        array.flush()
    cache.finish(beside, place)


def _offsets(now: Snapshot) -> Int[np.ndarray, " symbol_plus_one"]:
    return np.concatenate([[0], np.cumsum(now.symbols.rows)]).astype(np.int64)
