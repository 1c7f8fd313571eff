"""Rows of prices, converted and not yet trusted, with all that is wrong with them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from closecast.market.bars import COLUMNS
from closecast.market.findings import Finding, Severity, Training

USES: Training = "uses the row as it is"

_LISTED = 3
"""Files that a sentence names, at most."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Rows in the order of their files, converted and not yet trusted.

    Attributes:
        files: File of each row.
        rows: What a finding calls each row.
        symbols: Symbol of each row; empty where it cannot be read.
        dates: Session of each row, ``datetime64[D]``; NaT where it cannot be read.
        values: Open, high, low, close in price units and volume.
    """

    files: Shaped[np.ndarray, " row"]
    rows: Int[np.ndarray, " row"]
    symbols: Shaped[np.ndarray, " row"]
    dates: Shaped[np.ndarray, " row"]
    values: Float[np.ndarray, "row column"]

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def symbol_ids(self) -> Int[np.ndarray, " row"]:
        """A number for each row's symbol, in the symbols' order; -1 for none."""
        names, ids = np.unique(self.symbols.astype(str), return_inverse=True)
        return np.where(self.symbols == "", -1, ids) if len(names) else ids

    def finding(  # noqa: PLR0913  what a finding says
        self,
        at: int,
        what: str,
        remedy: str,
        severity: Severity = "error",
        *,
        kind: str = "",
        until: int | None = None,
        training: Training | None = None,
    ) -> Finding:
        """Report a row.

        Args:
            at: Its position in the table.
            what: What was expected and what was found.
            remedy: What to do.
            severity: ``error`` or ``warning``.
            kind: One word for it.
            until: Position of the last row of a run.
            training: What training does; by default it stops at an error and uses
                the row otherwise.

        Returns:
            The finding with file, row, symbol and date.
        """
        date = self.dates[at]
        return Finding(
            file=str(self.files[at]),
            row=int(self.rows[at]),
            symbol=str(self.symbols[at]) or None,
            date=None if np.isnat(date) else str(date),
            severity=severity,
            what=what,
            remedy=remedy,
            training=training or ("stops" if severity == "error" else USES),
            kind=kind,
            until=None if until is None else str(self.dates[until]),
        )

    def take(
        self, keep: Bool[np.ndarray, " row"] | Int[np.ndarray, " some"]
    ) -> "Table":
        """Keep some of the rows.

        Args:
            keep: A mask, or positions.

        Returns:
            These rows.
        """
        return Table(
            files=self.files[keep],
            rows=self.rows[keep],
            symbols=self.symbols[keep],
            dates=self.dates[keep],
            values=self.values[keep],
        )


class Note(NamedTuple):
    """A thing that was done to a file.

    Attributes:
        text: What was done, or which rows were left out.
        file: The file; empty for a dataframe.
        left_out: How many rows were left out.
    """

    text: str
    file: str
    left_out: int = 0


def without(count: int, kind: str) -> str:
    """Say how many rows are left out.

    Args:
        count: Rows.
        kind: What they have in common, such as ``without any price``.

    Returns:
        The words of a note.
    """
    rows = "1 row" if count == 1 else f"{count:,} rows"
    return f"{rows} {kind} {'is' if count == 1 else 'are'} left out"


def sentences(notes: Iterable[Note]) -> tuple[str, ...]:
    """Say what was done, each thing once with the files it was done to.

    Args:
        notes: Of any number of files.

    Returns:
        A sentence for each thing; of many files a few are named.
    """
    said = []
    for text, group in groupby(sorted(notes), key=lambda note: note.text):
        alike = list(group)
        count = sum(note.left_out for note in alike)
        words = without(count, text) if count else text
        files = sorted({note.file for note in alike if note.file})
        shown = ", ".join(files[:_LISTED])
        if len(files) > _LISTED:
            shown = f"{shown} and {len(files) - _LISTED:,} more"
        words = f"{shown}: {words}" if files else f"{words[0].upper()}{words[1:]}"
        said.append(f"{words}.")
    return tuple(said)


@dataclass(frozen=True, kw_only=True, eq=False)
class Survey:
    """All that a source holds and all that is wrong with it.

    Attributes:
        table: Its rows; findings may concern some of them.
        errors: What a reader refuses, by file and row.
        notes: Each thing that was done to the data.
        left_out: A finding for each kind of rows that are not in the table because
            they hold no session.
    """

    table: Table
    errors: tuple[Finding, ...]
    notes: tuple[Note, ...]
    left_out: tuple[Finding, ...] = ()


def unsorted_files(table: Table) -> dict[str, int]:
    """Find the files whose rows are not in order of date within a symbol.

    Args:
        table: Rows in the order of their files.

    Returns:
        Position of the first row that comes too late, by file.
    """
    order = np.argsort(table.symbol_ids, kind="stable")
    day, name, file = table.dates[order], table.symbol_ids[order], table.files[order]
    late = (day[1:] < day[:-1]) & (name[1:] == name[:-1]) & (file[1:] == file[:-1])
    first: dict[str, int] = {}
    for at in np.sort(order[1:][late]):
        first.setdefault(str(table.files[at]), int(at))
    return first


def twins(table: Table) -> Iterator[Finding]:
    """Find the bars that share symbol and date with another.

    Args:
        table: The rows.

    Yields:
        A finding for each bar after the first of its date.
    """
    order = np.lexsort((np.arange(len(table)), table.dates, table.symbol_ids))
    ids, dates = table.symbol_ids[order], table.dates[order]
    same = (ids[1:] == ids[:-1]) & (ids[1:] >= 0) & (dates[1:] == dates[:-1])
    for at in np.flatnonzero(same):
        first, second = order[at], order[at + 1]
        again = np.array_equal(table.values[first], table.values[second])
        alike = "with the same values" if again else "with other values"
        elsewhere = table.files[first] != table.files[second]
        of_file = f" of {table.files[first]}" if elsewhere else ""
        yield table.finding(
            int(second),
            f"Expected one bar a date, got another in row {table.rows[first]}{of_file} "
            f"{alike}",
            "Drop one of them; bars shorter than a session are not read.",
            kind="duplicate" if again else "conflict",
        )


def join(tables: list[Table]) -> Table:
    """Put tables one after the other.

    Args:
        tables: Any number of them, none for a table without rows.

    Returns:
        All rows, in order.
    """
    if len(tables) == 1:
        return tables[0]
    nothing = Table(
        files=np.empty(0, dtype=object),
        rows=np.empty(0, dtype=np.int64),
        symbols=np.empty(0, dtype=object),
        dates=np.empty(0, dtype="datetime64[D]"),
        values=np.empty((0, len(COLUMNS))),
    )
    parts = [nothing, *tables]
    return Table(
        files=np.concatenate([part.files for part in parts]),
        rows=np.concatenate([part.rows for part in parts]),
        symbols=np.concatenate([part.symbols for part in parts]),
        dates=np.concatenate([part.dates for part in parts]),
        values=np.concatenate([part.values for part in parts]),
    )
