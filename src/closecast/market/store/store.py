"""The store: prices on disk that are never lost, never torn and never rewritten.

Raw bars are the truth, in Parquet files that a manifest names; adjusted series are
computed from them. Many may read while one writes. What is answered by ``append`` or
``refresh`` is on the disk.
"""

import datetime as dt
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from jaxtyping import Bool, Shaped

from closecast import durable
from closecast.errors import BarsError, StoreError
from closecast.market.bars import Bars
from closecast.market.store import (
    cache,
    manifest,
    parquet,
    planning,
    verifying,
)
from closecast.market.store.adjusting import adjusted as adjust
from closecast.market.store.lock import writing
from closecast.market.store.manifest import Manifest
from closecast.market.store.metadata import Adjustment, Batch, Conflict, Metadata
from closecast.market.store.overlap import SESSIONS
from closecast.market.store.panel import Panel, panel_of
from closecast.market.store.rows import Rows, merged, nothing, of_bars
from closecast.market.store.snapshot import BARS, Snapshot
from closecast.market.store.symbols import SymbolTable, empty_table

VARIABLE = "CLOSECAST_STORE"

SMALL_DELTAS = 16
"""So many small deltas are merged into one."""

_TRIES = 5
"""A reader whose files were replaced under it looks again."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of new bars.

    Attributes:
        batch: Number of the batch; None if there was nothing new to write.
        added: Sessions that are new.
        replaced: Sessions that were stored before they were over.
        known: Sessions that were stored already, the same.
        adjustments: Factors that were found and recorded.
        conflicts: Symbols of which nothing was taken, and why.
    """

    batch: int | None
    added: int = 0
    replaced: int = 0
    known: int = 0
    adjustments: tuple[Adjustment, ...] = ()
    conflicts: tuple[Conflict, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What the store holds of a symbol.

    Attributes:
        symbol: The symbol.
        bars: Sessions.
        first: Oldest session.
        last: Newest session.
    """

    symbol: str
    bars: int
    first: dt.date
    last: dt.date


def default_path() -> Path:
    """Say where the store lies unless told otherwise.

    Returns:
        ``CLOSECAST_STORE`` if it is set, else a folder of this user's data.
    """
    from platformdirs import user_data_path

    named = os.environ.get(VARIABLE)
    return Path(named) if named else user_data_path("closecast", False) / "store"  # noqa: FBT003


class Store:
    """Prices of many symbols in a folder.

    Args:
        path: The folder; made by the first writing. By default ``default_path()``.
        wait_s: Seconds to wait for another writer.
    """

    def __init__(self, path: str | Path | None = None, *, wait_s: float = 10.0) -> None:
        self.path = default_path() if path is None else Path(path)
        self.wait_s = wait_s
        self._seen: tuple[object, Snapshot] | None = None

    @property
    def exists(self) -> bool:
        """True once something was written."""
        return (self.path / manifest.NAME).is_file()

    @property
    def generation(self) -> int:
        """Number of the committed state; it grows with every writing."""
        return self._snapshot().manifest.generation

    @property
    def content_hash(self) -> str:
        """Hash of all bars and factors, whatever order and pieces they came in."""
        return self._snapshot().manifest.content_hash

    def append(
        self,
        bars: Bars,
        *,
        source: str,
        fetched_at: dt.datetime | None = None,
        final_before: dt.date | None = None,
        replace: bool = False,
    ) -> Outcome:
        """Add bars; those that are stored already must be the same.

        Args:
            bars: Raw bars, in any order of time.
            source: A vendor or a file.
            fetched_at: When they were fetched; now by default.
            final_before: Sessions before this date were over then; by default the
                date of ``fetched_at`` in UTC.
            replace: New bars win over stored ones.

        Returns:
            What became of them, once it is on the disk.

        Raises:
            StoreBusyError: Another process kept writing.
            StoreError: The store is damaged.
        """
        batch = _batch("append", source, fetched_at, final_before)
        return self._write(
            bars,
            batch,
            lambda meeting, _: planning.plan_append(meeting, replace=replace),
            planning.overlapping,
        )

    def refresh(
        self,
        bars: Bars,
        *,
        source: str,
        fetched_at: dt.datetime | None = None,
        final_before: dt.date | None = None,
    ) -> Outcome:
        """Add bars of a vendor whose past may have changed by a split or dividend.

        Args:
            bars: Bars from ``refresh_from`` on: they repeat the last stored sessions.
            source: The vendor.
            fetched_at: As in ``append``.
            final_before: As in ``append``.

        Returns:
            What became of them: a past that changed by one factor is recorded as an
            adjustment; one that changed otherwise is a conflict, and nothing of that
            symbol is taken.

        Raises:
            StoreBusyError: Another process kept writing.
            StoreError: The store is damaged.
        """
        batch = _batch("refresh", source, fetched_at, final_before)
        return self._write(
            bars,
            batch,
            lambda meeting, now: planning.plan_refresh(
                meeting, now.adjustments_of(map(str, meeting.stored.names))
            ),
            lambda new, table: table.find(new.names) >= 0,
        )

    def refresh_from(self, symbol: str, sessions: int = SESSIONS) -> dt.date | None:
        """Say from which session on a refresh must read.

        Args:
            symbol: The symbol.
            sessions: Stored sessions to read again.

        Returns:
            The session; None if nothing of the symbol is stored.
        """

        def find(now: Snapshot) -> dt.date | None:
            if now.symbols.find(np.array([symbol]))[0] < 0:
                return None
            rows = now.rows(np.array([symbol]))
            return rows.dates[-min(sessions, len(rows))].item()  # type: ignore[no-any-return]

        return self._reading(find)

    def read(
        self,
        symbols: Iterable[str] | None = None,
        start: dt.date | str | None = None,
        end: dt.date | str | None = None,
        *,
        adjusted: bool = True,
    ) -> Bars:
        """Read bars.

        Args:
            symbols: Which; all by default.
            start: First session.
            end: Last session.
            adjusted: Multiply by the recorded factors; raw bars without.

        Returns:
            The panel.

        Raises:
            BarsError: A symbol is not stored, or there is no bar between the dates.
            StoreError: The store is missing or damaged.
        """
        names = None if symbols is None else np.unique(np.array(list(symbols), str))

        def find(now: Snapshot) -> Rows:
            if names is not None:
                _refuse_unknown(now.symbols, names, self.path)
            rows = _between(now.rows(names), start, end)
            if not adjusted:
                return rows
            return adjust(rows, now.adjustments_of(map(str, rows.names)))

        rows = self._reading(find)
        if not len(rows):
            raise BarsError(
                f"Expected at least one bar, got none ({self.path}, {start or 'first'} "
                f"to {end or 'last'}). Ask for dates that are stored."
            )
        return rows.to_bars()

    def last(
        self,
        sessions: int,
        symbols: Iterable[str] | None = None,
        *,
        adjusted: bool = True,
    ) -> Bars:
        """Read the newest sessions of each symbol, from memory if possible.

        Args:
            sessions: How many of each.
            symbols: Which; all by default.
            adjusted: As in ``read``.

        Returns:
            The panel.

        Raises:
            BarsError: A symbol is not stored, or nothing is.
            StoreError: The store is missing or damaged.
        """
        names = None if symbols is None else np.unique(np.array(list(symbols), str))

        def find(now: Snapshot) -> Rows:
            if names is not None:
                _refuse_unknown(now.symbols, names, self.path)
            rows = now.tail() if sessions <= cache.TAIL else now.rows(names)
            if names is not None:
                rows = rows.of(names)
            rows = cache.newest(rows, sessions)
            return adjust(rows, now.adjustments) if adjusted else rows

        rows = self._reading(find)
        if not len(rows):
            raise BarsError(
                f"Expected a store with bars, got an empty one ({self.path}). Import "
                "prices first: closecast data import FILE."
            )
        return rows.to_bars()

    def panel(self, dtype: Literal["float32", "float64"] = "float64") -> Panel:
        """Map all adjusted bars into memory, for training and serving.

        Args:
            dtype: Of prices; float32 loses cents above a few ten thousand.

        Returns:
            The panel; its arrays are made once for each content.

        Raises:
            StoreError: The store is missing or damaged.
        """
        return self._reading(lambda now: panel_of(now, dtype))

    def symbols(self) -> tuple[Stored, ...]:
        """List what is stored, by symbol."""
        table = self._reading(lambda now: now.symbols)
        return tuple(
            Stored(symbol=str(name), bars=int(n), first=first.item(), last=last.item())
            for name, n, first, last in zip(
                table.names, table.rows, table.first, table.last, strict=True
            )
        )

    def batches(self) -> tuple[Batch, ...]:
        """List where the rows came from, oldest batch first."""
        return tuple(self._metadata.batches(self.generation).values())

    def adjustments(self) -> tuple[Adjustment, ...]:
        """List the factors that were found, by symbol and date."""
        return self._reading(lambda now: now.adjustments)

    def conflicts(self) -> tuple[Conflict, ...]:
        """List what was refused because it contradicts stored bars, oldest first."""
        return self._metadata.conflicts(self.generation)

    def provenance(self, symbol: str) -> dict[dt.date, Batch]:
        """Say where each bar of a symbol came from.

        Args:
            symbol: The symbol.

        Returns:
            The batch of each session.

        Raises:
            BarsError: The symbol is not stored.
        """

        def find(now: Snapshot) -> dict[dt.date, Batch]:
            name = np.array([symbol])
            _refuse_unknown(now.symbols, name, self.path)
            rows = now.rows(name)
            batches = self._metadata.batches(now.manifest.generation)
            numbers = zip(rows.dates.tolist(), rows.batches.tolist(), strict=True)
            return {date: batches[number] for date, number in numbers}

        return self._reading(find)

    def files(self) -> tuple[Path, ...]:
        """List the Parquet files of the committed state, for other programs.

        Returns:
            Their paths. Before ``compact`` they may hold older versions of a bar: the
            row with the highest ``batch`` counts.
        """
        entries = self._snapshot().manifest.files
        return tuple(self.path / BARS / entry.name for entry in entries)

    def compact(self, on_bucket: Callable[[int, int], None] | None = None) -> None:
        """Put all deltas into the buckets, a bucket at a time.

        Args:
            on_bucket: Called after each with its number and their count, for progress.

        Raises:
            StoreBusyError: Another process kept writing.
            StoreError: The store is damaged.
        """
        with self._writing() as now:
            generation = now.manifest.generation + 1
            entries, tails = [], []
            kept = {e.groups[0]: e for e in now.manifest.files if e.kind == "bucket"}
            for bucket, rows, unsettled in now.buckets():
                if unsettled:
                    folder = self.path / BARS
                    entry = parquet.write_bucket(folder, bucket, generation, rows)
                else:
                    entry = kept[bucket]
                entries.append(entry)
                tails.append(cache.newest(rows, cache.TAIL))
                if on_bucket is not None:
                    on_bucket(bucket + 1, parquet.BUCKETS)
            if tuple(entries) != now.manifest.files:
                batch = replace(_batch("compact", "", None, None), batch=generation)
                self._commit(now, batch, tuple(entries), now.symbols, merged(tails))

    def verify(self) -> tuple[str, ...]:
        """Read everything and hold it against what the store says of it.

        Returns:
            A sentence for each thing that is wrong; nothing if the store is whole.

        Raises:
            StoreError: There is no store, or its manifest is damaged.
        """
        return self._reading(verifying.verify)

    @property
    def _metadata(self) -> Metadata:
        return Metadata(self.path)

    def _write(
        self,
        bars: Bars,
        batch: Batch,
        plan_of: Callable[[planning.Meeting, Snapshot], planning.Plan],
        reach_of: Callable[[Rows, SymbolTable], Bool[np.ndarray, " name"]],
    ) -> Outcome:
        with self._writing() as now:
            batch = replace(batch, batch=now.manifest.generation + 1)
            new = of_bars(bars, batch.batch)
            reach = reach_of(new, now.symbols)
            stored = now.since(new.names[reach], new.dates[new.offsets[:-1]][reach])
            plan = self._planned(now, new, stored, batch, plan_of, reach)
            batch = replace(
                batch,
                added=len(plan.added) - len(plan.removed),
                replaced=len(plan.removed),
            )
            if not (len(plan.added) or plan.adjustments or plan.conflicts):
                return Outcome(batch=None, known=plan.known)
            self._commit_plan(now, batch, plan)
            return Outcome(
                batch=batch.batch,
                added=batch.added,
                replaced=batch.replaced,
                known=plan.known,
                adjustments=plan.adjustments,
                conflicts=plan.conflicts,
            )

    def _planned(
        self,
        now: Snapshot,
        new: Rows,
        stored: Rows,
        batch: Batch,
        plan_of: Callable[[planning.Meeting, Snapshot], planning.Plan],
        reach: Bool[np.ndarray, " name"],
    ) -> planning.Plan:
        # Symbols that reach into no stored session are new as they are.
        final_before = (
            {
                number: one.final_before
                for number, one in self._metadata.batches(
                    now.manifest.generation
                ).items()
            }
            if len(stored)
            else {}
        )
        beyond = ~reach[new.ids]
        meeting = planning.meet(
            new.take(~beyond),
            stored,
            now.symbols,
            final_before,
            batch.final_before,
        )
        plan = plan_of(meeting, now)
        return replace(plan, added=merged([plan.added, new.take(beyond)]))

    def _commit_plan(self, now: Snapshot, batch: Batch, plan: planning.Plan) -> None:
        files = now.manifest.files
        added = plan.added
        small = [entry for entry in files if entry.is_small_delta]
        if len(small) >= SMALL_DELTAS and len(added) < parquet.BULK:
            added = merged([*map(now.small_delta, small), added])
            files = tuple(entry for entry in files if entry not in small)
        if len(added):
            folder = self.path / BARS
            files += (parquet.write_delta(folder, batch.batch, added),)
        symbols = now.symbols.updated(plan.added, plan.removed)
        tail = now.cached_tail()
        if tail is not None or not now.manifest.files:
            recent = cache.newest(plan.added, cache.TAIL)
            tail = cache.newest(merged([tail or nothing(), recent]), cache.TAIL)
        self._commit(now, batch, files, symbols, tail, plan)

    def _commit(
        self,
        now: Snapshot,
        batch: Batch,
        files: tuple[parquet.FileEntry, ...],
        symbols: SymbolTable,
        tail: Rows | None,
        plan: planning.Plan | None = None,
    ) -> None:
        # Rows, then where they came from, then the manifest: the last is the commit.
        found = () if plan is None else plan.adjustments
        name = f"symbols-{batch.batch:08}.parquet"
        sha256 = parquet.write_symbols(self.path / BARS / name, symbols)
        durable.flush_folder(self.path / BARS)
        self._metadata.record(batch, found, () if plan is None else plan.conflicts)
        content_hash = symbols.content_hash([*now.adjustments, *found])
        state = Manifest(
            generation=batch.batch,
            content_hash=content_hash,
            files=files,
            symbols=name,
            symbols_sha256=sha256,
            provenance=self._provenance(now, batch.batch),
        )
        manifest.save(self.path, state)
        if tail is not None:
            cache.save_tail(cache.place(self.path, "tail", content_hash), tail)
        cache.drop_others(self.path, content_hash)
        _drop_others(self.path, state)

    def _provenance(self, now: Snapshot, generation: int) -> str:
        before = now.manifest.provenance
        after = now.manifest.generation if before else 0
        return self._metadata.provenance(generation, after, before)

    @contextmanager
    def _writing(self) -> Iterator[Snapshot]:
        (self.path / BARS).mkdir(parents=True, exist_ok=True)
        with writing(self.path, self.wait_s):
            if not self.exists:
                nothing_yet = empty_table().content_hash(())
                manifest.save(self.path, Manifest(content_hash=nothing_yet))
            now = self._snapshot()
            _drop_others(self.path, now.manifest)
            yield now

    def _snapshot(self) -> Snapshot:
        path = self.path / manifest.NAME
        try:
            stat = path.stat()
            mark = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if self._seen is not None and self._seen[0] == mark:
                return self._seen[1]
            state = manifest.load(self.path)
        except FileNotFoundError as error:
            raise StoreError(
                f"Expected a store, got none ({self.path}). Import prices first: "
                "closecast data import FILE."
            ) from error
        names = {entry.name for entry in state.files}
        small = self._seen[1].small if self._seen is not None else {}
        kept = {name: rows for name, rows in small.items() if name in names}
        self._seen = (mark, Snapshot(folder=self.path, manifest=state, small=kept))
        return self._seen[1]

    def _reading(self, find: Callable[[Snapshot], T]) -> T:
        # A writer may remove files that a snapshot names: then there is a newer one.
        for _ in range(_TRIES):
            now = self._snapshot()
            try:
                return find(now)
            except FileNotFoundError as error:
                self._seen = None
                if self._snapshot().manifest.generation == now.manifest.generation:
                    raise parquet.damaged(Path(error.filename), "none") from error
        raise parquet.damaged(self.path, "files that change all the time")


def _batch(
    kind: str,
    source: str,
    fetched_at: dt.datetime | None,
    final_before: dt.date | None,
) -> Batch:
    moment = (fetched_at or dt.datetime.now(dt.UTC)).astimezone(dt.UTC)
    return Batch(
        batch=0,
        kind=kind,
        source=source,
        fetched_at=moment,
        final_before=final_before or moment.date(),
        added=0,
        replaced=0,
    )


def _between(
    rows: Rows, start: dt.date | str | None, end: dt.date | str | None
) -> Rows:
    if start is None and end is None:
        return rows
    keep = np.ones(len(rows), bool)
    if start is not None:
        keep &= rows.dates >= _day(start)
    if end is not None:
        keep &= rows.dates <= _day(end)
    return rows.take(keep)


def _day(date: dt.date | str) -> np.datetime64:
    try:
        return np.datetime64(date, "D")
    except ValueError as error:
        raise BarsError(
            f"Expected a date as YYYY-MM-DD, got {date!r}. Write it so."
        ) from error


def _refuse_unknown(
    table: SymbolTable, names: Shaped[np.ndarray, " name"], path: Path
) -> None:
    import difflib

    missing = names[table.find(names) < 0]
    if not len(missing):
        return
    name = str(missing[0])
    near = difflib.get_close_matches(name, map(str, table.names), n=3, cutoff=0.6)
    hint = f"Did you mean {', '.join(near)}?" if near else "Import it first."
    raise BarsError(
        f"Expected symbols that are stored, got {name} ({path}, {len(table)} symbols). "
        f"{hint}"
    )


def _drop_others(folder: Path, state: Manifest) -> None:
    # What a killed writer left, and what this one replaced.
    for path in (folder / BARS).iterdir():
        if path.name not in state.names:
            path.unlink(missing_ok=True)
    for path in folder.glob(f".*{durable.TEMPORARY}"):
        path.unlink(missing_ok=True)
