"""What is wrong with a table of prices, and where.

The doctor lists findings; a reader refuses the table with the first of them.
"""

from dataclasses import dataclass
from typing import Literal

from closecast.errors import BarsError

Severity = Literal["error", "warning"]

Training = Literal[
    "stops",
    "leaves the file out",
    "uses the row as it is",
    "uses the rows as they are",
    "leaves the row out",
    "refuses the windows that touch it",
]
"""What training does about a finding."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One trouble of a table.

    Attributes:
        file: The file; empty for a dataframe.
        row: Line number in a text file, counted from 1 with the header; position
            counted from 0 in Parquet and dataframes; None if it is the whole file.
        symbol: Its symbol, if known.
        date: Its session as YYYY-MM-DD, if known.
        severity: An error stops a reader, a warning does not.
        what: What was expected and what was found.
        remedy: What to do about it.
        training: What training does if nothing is done.
        kind: One word for what looks wrong, such as ``split``; empty for what a
            reader refuses.
        until: Last session of a run of such rows, as YYYY-MM-DD; None for one row.
    """

    file: str
    row: int | None = None
    symbol: str | None = None
    date: str | None = None
    severity: Severity = "error"
    what: str
    remedy: str
    training: Training = "stops"
    kind: str = ""
    until: str | None = None

    @property
    def where(self) -> str:
        """File, row, symbol and date, as far as they are known."""
        row = None if self.row is None else f"row {self.row}"
        symbol = self.symbol and f"symbol {self.symbol}"
        return ", ".join(part for part in (self.file, row, symbol, self.date) if part)

    @property
    def message(self) -> str:
        """The whole sentence: expected, got, where, what to do."""
        where = f" ({self.where})" if self.where else ""
        return f"{self.what}{where}. {self.remedy}"


class TableError(BarsError):
    """A table is refused because of a finding."""

    def __init__(self, finding: Finding, *, more: int = 0) -> None:
        self.finding = finding
        message = finding.message
        if more:
            check = (
                f"; run `closecast data check {finding.file}`" if finding.file else ""
            )
            message = f"{message} (and {more} more{check})"
        super().__init__(message)
