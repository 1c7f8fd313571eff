"""A panel on disk: written symbol by symbol, mapped when read, never held as a whole.

The tables are those of ``WindowData``, with the bars beside them; memory is what the
system keeps of the files, and it can let go of it. Nothing is repaired or checked
again here: what is written comes from ``Bars``, which is valid by construction.
``require_intact`` holds each file against its SHA-256, before a training believes it.
"""

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped

from closecast.durable import sealed, unsealed, write_durably
from closecast.errors import BarsError
from closecast.market.bars import COLUMNS, Bars
from closecast.windows.scaling import FEATURES, WindowData, log_table, volatility
from closecast.windows.spec import WindowSpec
from closecast.windows.split import Cuts, Split, in_blocks, resolve_dates

FORMAT = 2
DOCUMENT = "panel.json"

TABLES = {
    "values.f64": len(COLUMNS),
    "logs.f64": len(FEATURES),
    "scale.f64": 1,
    "dates.i64": 1,
}
"""Files of a panel, in the order that they are written, and their columns."""

ROWS_AT_ONCE = 2**20
"""Rows that are read at a time where every row must be looked at."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DiskPanel:
    """A panel whose tables are files.

    Attributes:
        folder: Where they lie.
        symbols: Names, in the order that they were written.
        offsets: Rows ``offsets[i]:offsets[i + 1]`` belong to symbol i.
        fingerprint: SHA-256 of the content, the same for any parts it came in.
        sha256: Of each file, by its name.
    """

    folder: Path
    symbols: tuple[str, ...]
    offsets: Int[np.ndarray, " symbol_plus_one"]
    fingerprint: str
    sha256: Mapping[str, str]

    @classmethod
    def open(cls, folder: Path | str) -> "DiskPanel":
        """Open what ``write_panel`` wrote.

        Args:
            folder: Where it lies.

        Returns:
            The panel.

        Raises:
            BarsError: There is no whole panel of this format.
        """
        folder = Path(folder)
        try:
            document = _read_document(folder)
            version = document["format"]
            panel = cls(
                folder=folder,
                symbols=tuple(document["symbols"]),
                offsets=np.asarray(document["offsets"], np.int64),
                fingerprint=document["fingerprint"],
                sha256=document["tables"],
            )
            whole = panel._sizes() == {
                name: (folder / name).stat().st_size for name in panel._sizes()
            }
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BarsError(
                f"Expected a panel on disk, got none that can be read ({folder}: "
                f"{error}). Write it with closecast.windows.on_disk.write_panel."
            ) from error
        if version != FORMAT or not whole:
            raise BarsError(
                f"Expected a whole panel of format {FORMAT}, got format {version} or "
                f"files of another length ({folder}). Write the panel again."
            )
        return panel

    def __len__(self) -> int:
        return int(self.offsets[-1])

    def require_intact(self) -> None:
        """Read every file once and hold it against its SHA-256.

        Raises:
            BarsError: A file is not as it was written.
        """
        for name, stated in self.sha256.items():
            with (self.folder / name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != stated:
                raise BarsError(
                    f"Expected the bytes that were written, got others "
                    f"({self.folder / name}). Write the panel again."
                )

    def require_digests(self, digests: Mapping[str, bytes]) -> None:
        """Hold what was read elsewhere, symbol by symbol, against the fingerprint.

        Args:
            digests: What ``symbol_digests`` gave of each symbol.

        Raises:
            BarsError: Some bars are not as they were written.
        """
        whole = hashlib.sha256()
        for symbol in self.symbols:
            whole.update(digests[symbol])
        if whole.hexdigest() != self.fingerprint:
            raise BarsError(
                f"Expected the bars that were written, got others ({self.folder}). "
                "Write the panel again, and give every node the same one."
            )

    @property
    def dates(self) -> Shaped[np.ndarray, " row"]:
        """Session of each row, ``datetime64[D]``, mapped."""
        return self._mapped("dates.i64", "datetime64[D]", len(self))

    def data(self, spec: WindowSpec) -> WindowData:
        """Give the tables that models read, mapped.

        Args:
            spec: Shape of a window.

        Returns:
            The tables; pages are read when a window is cut from them.
        """
        rows = len(self)
        return WindowData(
            spec,
            self._mapped("logs.f64", "float64", rows, len(FEATURES)),
            self._mapped("scale.f64", "float64", rows),
            np.empty((rows, 0)),
        )

    def bars(self, names: Iterable[str]) -> Bars:
        """Read the bars of some symbols into memory.

        Args:
            names: Symbols of the panel.

        Returns:
            Their panel, as it was written.

        Raises:
            BarsError: A symbol is not there.
        """
        wanted = sorted(set(names))
        places = {symbol: place for place, symbol in enumerate(self.symbols)}
        for name in wanted:
            if name not in places:
                raise BarsError(
                    f"Expected a symbol of the panel, got {name!r} ({self.folder}). "
                    f"It holds {len(self.symbols)} others."
                )
        values = self._mapped("values.f64", "float64", len(self), len(COLUMNS))
        spans = [
            slice(self.offsets[places[name]], self.offsets[places[name] + 1])
            for name in wanted
        ]
        counts = [span.stop - span.start for span in spans]
        return Bars(
            symbols=tuple(wanted),
            offsets=np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]),
            dates=np.concatenate([self.dates[span] for span in spans]),
            values=np.concatenate([values[span] for span in spans]),
        )

    def split(
        self,
        spec: WindowSpec,
        validation_start: str | None = None,
        test_start: str | None = None,
    ) -> Split:
        """Split by date as ``split_by_date`` does, into files that are mapped.

        Args:
            spec: Shape of a window.
            validation_start: ISO date; by default as in ``split_by_date``.
            test_start: ISO date.

        Returns:
            The blocks. A window whose target crosses a cut is in none of them.

        Raises:
            WindowError: A date is not ISO, or a block would be empty.
        """
        dates = self.dates
        calendar = np.unique(
            np.concatenate([np.unique(dates[part]) for part in _parts(len(self))])
        )
        cuts = resolve_dates(calendar, validation_start, test_start)
        sizes = self._write_blocks(spec, cuts)
        blocks = {
            name: self._mapped(f"{name}.i64", "int64", size)
            for name, size in sizes.items()
        }
        return Split.of(cuts, blocks, spec, calendar)

    def _write_blocks(self, spec: WindowSpec, cuts: Cuts) -> dict[str, int]:
        sizes = dict.fromkeys(("train", "validation", "test"), 0)
        beside = {name: self.folder / f".{name}.{os.getpid()}.tmp" for name in sizes}
        with ExitStack() as opened:
            files = {n: opened.enter_context(p.open("wb")) for n, p in beside.items()}
            for cutoffs in self._cutoffs(spec):
                dealt = in_blocks(self.dates, cutoffs, spec.horizon, cuts)
                for name, block in dealt.items():
                    files[name].write(block.astype(np.int64).data)
                    sizes[name] += len(block)
        for name, path in beside.items():  # an older split stays mapped where it is
            path.replace(self.folder / f"{name}.i64")
        return sizes

    def _cutoffs(self, spec: WindowSpec) -> Iterator[Int[np.ndarray, " window"]]:
        for start, end in zip(self.offsets, self.offsets[1:], strict=False):
            first = start + spec.context_length - 1
            yield np.arange(first, max(end - spec.horizon, first))

    def _mapped(self, name: str, kind: str, *shape: int) -> np.ndarray:
        if 0 in shape:  # there is no map of nothing
            return np.empty(shape, kind)
        return np.memmap(self.folder / name, kind, "r", shape=shape)

    def _sizes(self) -> dict[str, int]:
        return {name: 8 * columns * len(self) for name, columns in TABLES.items()}


def is_panel(path: Path | str) -> bool:
    """Tell whether a path is a folder that ``write_panel`` wrote.

    Args:
        path: Any path.

    Returns:
        Whether its document lies there.
    """
    return (Path(path) / DOCUMENT).is_file()


def symbol_digests(bars: Bars) -> dict[str, bytes]:
    """Digest the content of each symbol.

    Args:
        bars: Some symbols, each whole.

    Returns:
        SHA-256 of each, by its name; those of a panel make its fingerprint.
    """
    digests = {}
    for symbol, start, end in bars:
        one = hashlib.sha256(f"{symbol}\0{end - start}\0".encode())
        one.update(bars.dates[start:end].astype("datetime64[D]").astype("<i8").data)
        one.update(np.ascontiguousarray(bars.values[start:end], "<f8").data)
        digests[symbol] = one.digest()
    return digests


def write_panel(folder: Path | str, parts: Iterable[Bars]) -> DiskPanel:
    """Write a panel that need not fit in memory.

    Args:
        folder: Where to; made if absent. A panel that lies there is replaced.
        parts: Its symbols, one or more at a time, each whole.

    Returns:
        The panel, opened.

    Raises:
        BarsError: A symbol comes twice, or there is none.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DOCUMENT).unlink(missing_ok=True)  # until all is there, nothing is
    counts: dict[str, int] = {}
    digest, sums = hashlib.sha256(), {name: hashlib.sha256() for name in TABLES}
    with ExitStack() as opened:
        files = [opened.enter_context((folder / name).open("wb")) for name in TABLES]
        for part in parts:
            for symbol, start, end in part:
                _refuse_twin(symbol, counts)
                counts[symbol] = end - start
            for one in symbol_digests(part).values():
                digest.update(one)
            for file, own, table in zip(
                files, sums.values(), _tables(part), strict=True
            ):
                file.write(table)
                own.update(table)
        for file in files:
            file.flush()
            os.fsync(file.fileno())
    if not counts:
        raise BarsError(
            "Expected at least one symbol, got none. Give a part with bars."
        )
    document = {
        "format": FORMAT,
        "symbols": list(counts),
        "offsets": [0, *np.cumsum(list(counts.values())).tolist()],
        "fingerprint": digest.hexdigest(),
        "tables": {name: own.hexdigest() for name, own in sums.items()},
    }
    write_durably(folder / DOCUMENT, sealed(document))
    return DiskPanel.open(folder)


def _read_document(folder: Path) -> dict[str, Any]:
    document = unsealed((folder / DOCUMENT).read_bytes())
    if document is None:
        raise ValueError(f"{DOCUMENT} is not as it was written")
    return document


def _refuse_twin(symbol: str, known: Collection[str]) -> None:
    if symbol in known:
        raise BarsError(
            f"Expected each symbol once, got {symbol} again. Give all of a symbol's "
            "bars in one part."
        )


def _tables(part: Bars) -> Iterator[memoryview]:
    for table in (
        part.values,
        log_table(part),
        volatility(part),
        part.dates.astype("datetime64[D]").astype(np.int64),
    ):
        yield np.ascontiguousarray(table).data.cast("B")


def _parts(rows: int) -> Iterator[slice]:
    for start in range(0, rows, ROWS_AT_ONCE):
        yield slice(start, min(start + ROWS_AT_ONCE, rows))
