"""Columns as they stand in a source, before anybody asks what they mean."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int

from closecast.market.findings import Finding
from closecast.market.readers.cells import Cells
from closecast.market.readers.format import Format
from closecast.market.readers.formats import PLAIN


@dataclass(frozen=True, kw_only=True, eq=False)
class RawTable:
    """Columns as their vendor wrote them.

    Attributes:
        file: Path of the file; empty for a dataframe.
        stem: Name of the file without its suffixes, or ``series``.
        names: Header.
        columns: Cells of each column.
        rows: What a finding calls each row, see ``Finding``.
        ragged: Findings of rows that have more or fewer cells than the header;
            these rows are not in the columns.
        footer: Lines of text below the table, which are not in the columns either.
        format: How its vendor writes.
        delimiter: What divides the cells of a text file; empty elsewhere.
    """

    file: str
    stem: str
    names: tuple[str, ...]
    columns: tuple[Cells, ...]
    rows: Int[np.ndarray, " row"]
    ragged: tuple[Finding, ...] = field(default=())
    footer: tuple[int, ...] = ()
    format: Format = PLAIN
    delimiter: str = ""

    def take(self, keep: Bool[np.ndarray, " row"]) -> "RawTable":
        """Keep some of the rows.

        Args:
            keep: True for a row that stays.

        Returns:
            These rows.
        """
        at = np.flatnonzero(keep).tolist()
        columns = tuple(
            column[keep]
            if isinstance(column, np.ndarray)
            else [column[row] for row in at]
            for column in self.columns
        )
        return replace(self, columns=columns, rows=self.rows[keep])


def about(path: Path, what: str, remedy: str) -> Finding:
    """Report a whole file.

    Args:
        path: The file.
        what: What was expected and what was found.
        remedy: What to do.

    Returns:
        The finding, an error.
    """
    return Finding(file=str(path), what=what, remedy=remedy)
