"""From the text of a file to columns of text: delimiter, comments, header, rows.

A row of another length than its header is never shifted: it is a finding.
"""

import csv
import io
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from closecast.market.findings import Finding, TableError
from closecast.market.readers import fast
from closecast.market.readers.empty_rows import is_event
from closecast.market.readers.format import (
    COMMENTS,
    NO_HINTS,
    Hints,
    Line,
    Lines,
    roles_in,
)
from closecast.market.readers.formats import DEEPEST, FIGURE, recognise
from closecast.market.readers.packing import decoded, unpacked
from closecast.market.readers.raw import RawTable, about

_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE = 20_000
"""Characters that tell what divides the cells."""

_PROSE = 10
"""So many letters make a sentence."""


def read_text(path: Path, content: bytes, hints: Hints = NO_HINTS) -> RawTable:
    """Read a text file as it stands.

    Args:
        path: Its path.
        content: Its bytes, perhaps packed.
        hints: Names of its columns, if it has no header.

    Returns:
        Its columns.

    Raises:
        TableError: It is no table.
    """
    name, plain = unpacked(path, content)
    text = _without_comments(decoded(path, plain))
    if _is_spaced(text):
        text = "\n".join("\t".join(line.split()) for line in text.split("\n"))
    delimiter = _delimiter(text)
    raw = _at_once(path, text, delimiter, hints)
    if raw is None:
        raw = _line_by_line(path, text, delimiter, hints)
    return replace(raw, stem=Path(name).stem)


def _at_once(path: Path, text: str, delimiter: str, hints: Hints) -> RawTable | None:
    # A long file is first asked whether it is a plain table under a plain header.
    if len(text) < fast.FROM or hints.columns is not None or hints.decimal == ",":
        return None
    top = "".join(text[:_SAMPLE].splitlines(keepends=True)[:-1])
    try:
        lines = _lines(top, delimiter)
    except csv.Error:
        return None
    if len(lines) < 2 * DEEPEST:
        return None
    found = recognise(lines)
    header = (found.start, len(found.lines[0][1]))
    if found.headless:
        return None
    return fast.read_at_once(path, text, delimiter, found.format, header)


def _line_by_line(path: Path, text: str, delimiter: str, hints: Hints) -> RawTable:
    try:
        lines = _lines(text, delimiter)
    except csv.Error as error:
        raise TableError(
            about(
                path,
                f"Expected text in columns, got {error}",
                "Check the quotes there, or export the file again.",
            )
        ) from error
    if not lines:
        raise TableError(
            about(
                path,
                "Expected a table with a header, got blank lines",
                "Export it again.",
            )
        )
    if hints.columns is not None:
        lines = [(0, list(hints.columns)), *lines]
    found = recognise(lines)
    if found.headless:
        raise TableError(_headless(path, found.lines[0]))
    raw = _split(path, found.lines)
    return replace(raw, format=found.format, delimiter=delimiter)


def _lines(text: str, delimiter: str) -> Lines:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        return [
            (reader.line_num, cells)
            for cells in reader
            if cells and (cells[0] or any(cells))
        ]
    except csv.Error as error:
        raise csv.Error(f"{error} near row {reader.line_num}") from error


def _split(path: Path, lines: Lines) -> RawTable:
    names = tuple(name.strip() for name in lines[0][1])
    width = len(names)
    if len(lines) > 1 and all(
        len(cells) == width + 1 and not cells[-1].strip() for _, cells in lines[1:]
    ):
        # every row ends in a delimiter that the header does not have
        lines = [lines[0], *((line, cells[:-1]) for line, cells in lines[1:])]
    lines, footer = _without_footer([lines[0], *map(_padded(width), lines[1:])])
    whole = [cells for _, cells in lines[1:] if len(cells) == width]
    ragged = tuple(
        Finding(
            file=str(path),
            row=line,
            what=f"Expected {width} cells as in the header, got {len(cells)}",
            remedy="Repair or drop this row; decimal commas need another delimiter.",
        )
        for line, cells in lines[1:]
        if len(cells) != width
    )
    columns = [list(column) for column in zip(*whole, strict=True)]
    return RawTable(
        file=str(path),
        stem=path.stem,
        names=names,
        columns=tuple(columns or [[] for _ in names]),
        rows=np.array([n for n, cells in lines[1:] if len(cells) == width], np.int64),
        ragged=ragged,
        footer=footer,
    )


def _padded(width: int) -> Callable[[Line], Line]:
    # A dividend that was copied from a page has no cells for the prices it lacks.
    def pad(line: Line) -> Line:
        at, cells = line
        if len(cells) < width and is_event(cells[-1]):
            return at, [*cells, *[""] * (width - len(cells))]
        return line

    return pad


def _without_footer(lines: Lines) -> tuple[Lines, tuple[int, ...]]:
    # A source, a disclaimer: words without a figure, in no shape of a bar.
    width, end = len(lines[0][1]), len(lines)
    while end > 1 and _is_prose(lines[end - 1][1], width):
        end -= 1
    return lines[:end], tuple(line for line, _ in lines[end:])


def _is_prose(cells: list[str], width: int) -> bool:
    if cells[0].startswith(COMMENTS):
        return True
    letters = sum(map(str.isalpha, "".join(cells)))
    return (
        (len(cells) != width or not any(map(str.strip, cells[1:])))
        and letters >= _PROSE
        and not any(FIGURE.fullmatch(cell.strip()) for cell in cells)
    )


def _headless(path: Path, first: tuple[int, list[str]]) -> Finding:
    line, cells = first
    return Finding(
        file=str(path),
        row=line,
        what="Expected a header that names the columns, got a bar "
        f"({', '.join(cells[:3])} ...)",
        remedy="Write date,open,high,low,close,volume, in the order of the file and "
        "with a name for every column, into the first line, or give them as columns= "
        "(--columns).",
    )


def _without_comments(text: str) -> str:
    # Comments above the table become blank lines, so that rows keep their numbers.
    # A header behind a comment sign is a header.
    start, kept = 0, []
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        line = text[start:end].strip()
        if line and not line.startswith(COMMENTS):
            break
        bare = line.lstrip("#/ ")
        cells = next(([*bare.split(d)] for d in _DELIMITERS if d in bare), [])
        kept.append(f"{bare}\n" if {"date", "close"} <= roles_in(cells) else "\n")
        start = end
    return "".join(kept) + text[start:]


def _is_spaced(text: str) -> bool:
    # Columns with nothing but blanks between them, as in a table of fixed width.
    top = next((line for line in text[:_SAMPLE].splitlines() if line.strip()), "")
    return not any(d in top for d in _DELIMITERS) and (
        {"date", "close"} <= roles_in(top.split())
    )


def _delimiter(text: str) -> str:
    # The one that divides most lines into the same number of cells.
    lines = [line for line in text[:_SAMPLE].splitlines() if line.strip()][:DEEPEST]

    def agreement(delimiter: str) -> tuple[int, int]:
        counts = Counter(n for line in lines if (n := line.count(delimiter)))
        return max(((lines_, n) for n, lines_ in counts.items()), default=(0, 0))

    header = {d: lines[0].count(d) for d in _DELIMITERS} if lines else {}
    if lines and {"date", "close"} <= roles_in(
        lines[0].split(max(header, key=lambda d: header[d]))
    ):
        return max(_DELIMITERS, key=lambda d: header[d])
    return max(_DELIMITERS, key=agreement)
