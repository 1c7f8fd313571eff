"""What a cell is, and how a bad one is shown. Symbols are read here.

Nothing is guessed: a cell is read in the one way it can mean, or named as bad.
"""

from typing import Any

import numpy as np

Cells = list[Any] | np.ndarray
"""One column: a list of anything, or an array of numbers or datetime64."""

Bad = dict[int, str]
"""Position of each cell that cannot be read, and how to show it."""

NOTHING = frozenset(
    {
        *("", "null", "none", "nan", "nat", "n/a", "na", "<na>", "-", "--", "."),
        *("#n/a", "#n/a n/a"),
    }
)
"""What vendors write, in any case, where they have no value."""

_MISSING = frozenset({"", "None", "nan", "NaN", "NaT", "<NA>"})
_LONGEST = 40

EMPTY = "an empty cell"


def to_symbols(cells: Cells) -> tuple[list[str], Bad]:
    """Read a column of symbols.

    Args:
        cells: The column.

    Returns:
        Symbols as text, empty where there is none, and the cells that name none.
    """
    entries = cells.tolist() if isinstance(cells, np.ndarray) else cells
    if set(map(type, entries)) == {str}:
        names = {text: _symbol(text) for text in set(entries)}
        if all(names.values()):
            return [names[text] for text in entries], {}
    texts = {cell for cell in entries if isinstance(cell, str)}
    known = {text: _symbol(text) for text in texts}
    read = [known[cell] if isinstance(cell, str) else _symbol(cell) for cell in entries]
    bad = {row: shown(entries[row]) for row, name in enumerate(read) if not name}
    return read, bad


def _symbol(cell: object) -> str:
    if isinstance(cell, str):
        name = cell.strip().removeprefix("'")  # how a spreadsheet is told: text
        return name if name.isprintable() and not is_broken(cell) else ""
    if isinstance(cell, int | np.integer) and not isinstance(cell, bool):
        return str(cell)
    return ""


def is_nothing(cell: object) -> bool:
    """Tell a cell where the vendor has no value.

    Args:
        cell: Any cell.

    Returns:
        True for an empty cell, a NaN, null and what else says so.
    """
    return str(cell).strip().lower() in NOTHING


def is_broken(cell: str) -> bool:
    """Tell a cell that goes on in another line: a digit became the end of a line.

    Args:
        cell: Text of a date, a number or a symbol.

    Returns:
        True if a line ends in it.
    """
    return cell.splitlines() not in ([cell], [])


def is_missing(cell: object) -> bool:
    """Tell a cell that is shown as empty.

    Args:
        cell: Any cell.

    Returns:
        True for blank text and for what a dataframe holds where nothing is.
    """
    return not cell.strip() if isinstance(cell, str) else str(cell) in _MISSING


def shown(cell: object) -> str:
    """Show a cell in a message.

    Args:
        cell: Any cell.

    Returns:
        It in quotes, shortened; ``an empty cell`` if it is.
    """
    if is_missing(cell):
        return EMPTY
    text = repr(cell) if isinstance(cell, str) else str(cell)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
