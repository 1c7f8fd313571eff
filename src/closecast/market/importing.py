"""From files of any number and size into the store, a chunk at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from closecast.errors import BarsError
from closecast.market.bars import Bars
from closecast.market.panels import joined, trouble
from closecast.market.readers.format import NO_HINTS, Hints
from closecast.market.readers.rows import Note, sentences
from closecast.market.readers.source import OnFile
from closecast.market.store import Conflict, Outcome, Store
from closecast.market.store.parquet import BULK
from closecast.market.streams import Part, files_in, stream

CHUNK = 500_000
"""Bars that are written at once."""


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What became of files.

    Attributes:
        files: Files that were given, folders unfolded.
        unusable: Those that cannot be read, each with its reason.
        notes: What was done to the data.
        added: Sessions that are new.
        replaced: Sessions that were stored before they were over.
        known: Sessions that were stored already, the same.
        conflicts: Symbols of which something was refused, and why.
    """

    files: int
    unusable: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    added: int = 0
    replaced: int = 0
    known: int = 0
    conflicts: tuple[Conflict, ...] = ()


@dataclass
class _Chunk:
    paths: list[Path] = field(default_factory=list)
    parts: list[Bars] = field(default_factory=list)
    symbols: set[str] = field(default_factory=set)
    rows: int = 0

    def takes(self, bars: Bars) -> bool:
        return self.rows + len(bars) <= CHUNK and self.symbols.isdisjoint(bars.symbols)

    def add(self, path: Path, bars: Bars) -> None:
        self.paths.append(path)
        self.parts.append(bars)
        self.symbols.update(bars.symbols)
        self.rows += len(bars)

    @property
    def source(self) -> str:
        names = sorted({str(path) for path in self.paths})
        return (
            names[0]
            if len(names) == 1
            else (f"{names[0]} ... {names[-1]} ({len(names)} files)")
        )


def import_files(  # noqa: PLR0913  what files cannot say is said here
    store: Store,
    sources: Sequence[str | Path],
    hints: Hints = NO_HINTS,
    *,
    source: str | None = None,
    replace_stored: bool = False,
    on_file: OnFile | None = None,
    workers: int = 1,
) -> Imported:
    """Read files and folders into the store.

    Args:
        store: The store.
        sources: Files and folders.
        hints: What the files cannot say of themselves.
        source: Where the prices come from; the paths by default.
        replace_stored: New bars win over stored ones.
        on_file: Told how many files are done.
        workers: Processes that read, as in ``stream``.

    Returns:
        What became of them. After many bars the store is compacted.

    Raises:
        BarsError: No file can be used.
        StoreError: The store is busy or damaged.
    """
    paths = files_in(sources)
    unusable: list[Part] = []
    notes: list[Note] = []
    outcomes: list[Outcome] = []
    chunk = _Chunk()

    def write() -> None:
        if chunk.parts:
            name = source or chunk.source
            bars = joined(chunk.parts)
            outcomes.append(store.append(bars, source=name, replace=replace_stored))

    for part in stream(paths, hints, on_file=on_file, workers=workers):
        notes += part.done
        if part.bars is None:
            unusable.append(part)
            continue
        if not chunk.takes(part.bars):
            write()
            chunk = _Chunk()
        chunk.add(part.path, part.bars)
    write()
    if not outcomes:
        raise BarsError(
            f"Expected files with prices, got none: {trouble(unusable, len(paths))}"
        )
    if sum(outcome.added + outcome.replaced for outcome in outcomes) >= BULK:
        store.compact()
    return Imported(
        files=len(paths),
        unusable=tuple(part.trouble for part in unusable),
        notes=sentences(notes),
        added=sum(outcome.added for outcome in outcomes),
        replaced=sum(outcome.replaced for outcome in outcomes),
        known=sum(outcome.known for outcome in outcomes),
        conflicts=tuple(c for outcome in outcomes for c in outcome.conflicts),
    )
