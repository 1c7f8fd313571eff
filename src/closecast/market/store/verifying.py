"""Everything in a store, held against what the store says of it."""

import hashlib
from collections.abc import Iterator

import numpy as np

from closecast.errors import BarsError, StoreError
from closecast.market.store.metadata import Metadata
from closecast.market.store.rows import nothing
from closecast.market.store.snapshot import BARS, Snapshot
from closecast.market.store.symbols import SymbolTable, empty_table


def verify(now: Snapshot) -> tuple[str, ...]:
    """Read a state to its end.

    Args:
        now: The state.

    Returns:
        A sentence for each thing that is wrong.
    """
    wrong = [*_files(now), *Metadata(now.folder).check()]
    if wrong:
        return tuple(wrong)
    try:
        return tuple(_content(now))
    except (StoreError, BarsError) as error:
        return (str(error),)


def _files(now: Snapshot) -> Iterator[str]:
    claims = {entry.name: entry.sha256 for entry in now.manifest.files}
    if now.manifest.symbols:
        claims[now.manifest.symbols] = now.manifest.symbols_sha256
    for name, claimed in claims.items():
        path = now.folder / BARS / name
        if not path.is_file():
            yield f"Expected a file of the store, got none ({path})."
            continue
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != claimed:
                yield f"Expected the bytes that were written, got others ({path})."


def _content(now: Snapshot) -> Iterator[str]:
    generation = now.manifest.generation
    known = Metadata(now.folder).batches(generation)
    claimed = now.manifest.provenance
    if claimed and Metadata(now.folder).provenance(generation) != claimed:
        yield f"Expected the batches that were written, got others ({now.folder})."
    table = empty_table()
    for bucket, rows, _ in now.buckets():
        rows.to_bars()  # every rule of bars
        table = table.updated(rows, nothing())
        if not set(np.unique(rows.batches).tolist()) <= set(known):
            yield f"Expected the batch of every row, got others (bucket {bucket})."
    yield from _differences(table, now.symbols)
    if table.content_hash(now.adjustments) != now.manifest.content_hash:
        yield f"Expected the content hash of the manifest, got another ({now.folder})."


def _differences(found: SymbolTable, claimed: SymbolTable) -> Iterator[str]:
    if not np.array_equal(found.names, claimed.names):
        yield f"Expected {len(claimed)} symbols, got others, {len(found)} of them."
        return
    for name, field in (
        ("bars", "rows"),
        ("first session", "first"),
        ("last session", "last"),
        ("content", "sums"),
    ):
        theirs, ours = getattr(claimed, field), getattr(found, field)
        differs = theirs != ours
        differs = differs.any(axis=1) if differs.ndim > 1 else differs
        for at in np.flatnonzero(differs):
            yield (
                f"Expected the {name} that the table of symbols tells, got another "
                f"(symbol {found.names[at]})."
            )
