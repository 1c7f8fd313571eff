"""Which column of a table holds what."""

import re

from closecast.market.bars import COLUMNS
from closecast.market.findings import Finding, TableError
from closecast.market.readers.cells import is_nothing
from closecast.market.readers.format import normal
from closecast.market.readers.names import NAMES, WEAK
from closecast.market.readers.raw import RawTable

_FIGURE = re.compile(r"[$+-]?\d[\d,]*\.\d+[%KMBT]?", re.ASCII)

REQUIRED = ("date", *COLUMNS)

_UNNAMED = {"", "unnamed:_0"}
"""A dataframe's index, written to CSV without a name."""

_VOLUMES = ("vol", "거래", "stuecke")


def roles_of(raw: RawTable) -> dict[str, int]:
    """Find the columns of a table by their names.

    Args:
        raw: The table.

    Returns:
        Position of each column that is known, by its key in ``NAMES``. Of prices
        there are open, high, low and close, or the close alone.

    Raises:
        TableError: A column is missing, or two columns claim to be the same.
    """
    _refuse_figures(raw)
    names = [normal(name) for name in raw.names]
    found = {
        role: [i for i, name in enumerate(names) if name in known]
        for role, known in NAMES.items()
    }
    for role, weak in WEAK.items():
        found[role] = [i for i in found[role] if names[i] not in weak] or found[role]
    if not found["date"] and names and names[0] in _UNNAMED:
        found["date"] = [0]
    found["symbol"] = _one_symbol(found["symbol"], raw)
    for role, at in found.items():
        if len(at) > 1:
            both = " and ".join(raw.names[i] for i in at)
            what = f"Expected one {role} column, got {both}"
            raise TableError(Finding(file=raw.file, what=what, remedy="Drop one."))
    roles = {role: at[0] for role, at in found.items() if at}
    _refuse_missing(raw, roles, names)
    return roles


def _refuse_figures(raw: RawTable) -> None:
    # A header that ran into a bar still names a date and a price.
    for name in raw.names:
        if _FIGURE.fullmatch(name.strip()):
            what = f"Expected a name for each column, got {name!r} in the header"
            remedy = "The header is damaged: export the file again."
            raise TableError(Finding(file=raw.file, what=what, remedy=remedy))


def _one_symbol(at: list[int], raw: RawTable) -> list[int]:
    # A name is a symbol where nothing else is, and where it tells rows apart.
    codes = [i for i in at if normal(raw.names[i]) != "name"]
    at = codes or [i for i in at if len(set(raw.columns[i])) > 1]
    at = [i for i in at if not all(map(is_nothing, set(raw.columns[i])))]
    same = all(list(raw.columns[i]) == list(raw.columns[at[0]]) for i in at)
    return at[:1] if same else at


def _refuse_missing(raw: RawTable, roles: dict[str, int], names: list[str]) -> None:
    bars = roles.keys() & set(COLUMNS)
    needed = ("date", "close") if bars <= {"close"} else REQUIRED
    missing = [role for role in needed if role not in roles]
    has_volume = any(name.startswith(_VOLUMES) for name in names)
    if missing == ["volume"] and not has_volume:
        return
    if missing:
        what = (
            f"Expected columns {', '.join(REQUIRED)}, or date and close alone, got "
            f"{', '.join(raw.names) or 'none'}"
        )
        remedy = f"Add or rename {', '.join(missing)}."
        raise TableError(Finding(file=raw.file, what=what, remedy=remedy))
