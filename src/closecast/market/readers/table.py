"""One reader for any vendor's table: CSV, Parquet, a folder of them, a dataframe.

It recognises columns by name and refuses what it would have to guess. The trouble
that it refuses is the trouble that the doctor lists: both read ``survey``.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from closecast.errors import BarsError
from closecast.market.bars import CLOSE, COLUMNS, VOLUME, Bars, from_columns, violations
from closecast.market.findings import Finding, Severity, TableError
from closecast.market.readers import dates, empty_rows, numbers
from closecast.market.readers.cells import EMPTY, Bad, is_nothing, to_symbols
from closecast.market.readers.columns import roles_of
from closecast.market.readers.format import NO_HINTS, Hints
from closecast.market.readers.numbers import Style, to_numbers
from closecast.market.readers.source import RawTable, files_of, from_frame, read_file

SORTED = "rows were not in order of date and are sorted"
CLOSES_ONLY = (
    "there are closes only: open, high and low are set to the close, volume to 0"
)
NOT_ADJUSTED = (
    "adj_close differs from close: the columns are used as they are, splits and "
    "dividends included; adjust=True adjusts them"
)
IGNORED = "is no table and is not read"

NO_VOLUME = "there is no volume: it is set to 0"
BLANK_VOLUME = "a volume that is left blank is set to 0"

_NUMERIC = {*COLUMNS, "adj_close"}
_LISTED = 3
_ONE_UNIT = 100.0
"""Prices of one bar differ by less, but for a freak trade."""
_FREAK_SHARE = 0.01
_FREAKS = 2
_ADJUSTED_BY = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """A panel and what its owner should know about how it was read.

    Attributes:
        bars: The panel.
        notes: One sentence for each thing that was done to the data.
    """

    bars: Bars
    notes: tuple[str, ...]


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

    def finding(
        self, at: int, what: str, remedy: str, severity: Severity = "error"
    ) -> Finding:
        """Report a row.

        Args:
            at: Its position in the table.
            what: What was expected and what was found.
            remedy: What to do.
            severity: ``error`` or ``warning``.

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
            training="stops" if severity == "error" else "uses the row as it is",
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


@dataclass(frozen=True, kw_only=True)
class _Options:
    symbol: str | None
    adjust: bool
    hints: Hints


@dataclass(frozen=True, kw_only=True, eq=False)
class Survey:
    """All that a source holds and all that is wrong with it.

    Attributes:
        table: Its rows; findings may concern some of them.
        errors: What a reader refuses, by file and row.
        notes: Each thing that was done to the data, and the file it was done to.
        left_out: A finding for each kind of rows that are not in the table because
            they hold no session.
    """

    table: Table
    errors: tuple[Finding, ...]
    notes: tuple[tuple[str, str], ...]
    left_out: tuple[Finding, ...] = ()


def read_bars(
    source: Any,  # noqa: ANN401
    *,
    symbol: str | None = None,
    adjust: bool = False,
    hints: Hints = NO_HINTS,
) -> Reading:
    """Read prices of any vendor.

    Args:
        source: Path of a CSV (also in gzip or zip) or Parquet file, a folder of
            such files, or a dataframe. Without a symbol column a file is one symbol,
            called like the file.
        symbol: Of several symbols, the one to read; without a symbol column, what
            to call the only one.
        adjust: Multiply open, high, low and close by adj_close / close and divide
            volume by it.
        hints: What the files cannot say of themselves.

    Returns:
        The panel, and notes on what was done.

    Raises:
        TableError: The source cannot be read or breaks a rule of bars; a BarsError.
        BarsError: There is no such symbol.
    """
    found = survey(source, symbol=symbol, adjust=adjust, hints=hints)
    if found.errors:
        raise TableError(found.errors[0], more=len(found.errors) - 1)
    table = found.table
    if symbol is not None and not len(table):
        raise BarsError(
            f"Expected a symbol of the table, got {symbol} ({_label(source)}). "
            "Choose one that is in it."
        )
    bars = from_columns(table.symbols, table.dates, table.values)
    return Reading(bars=bars, notes=tuple(_sentences(found.notes)))


def survey(
    source: Any,  # noqa: ANN401
    *,
    symbol: str | None = None,
    adjust: bool = False,
    hints: Hints = NO_HINTS,
) -> Survey:
    """Read a source to its end, whatever is wrong with it.

    Args:
        source: As in ``read_bars``.
        symbol: As in ``read_bars``.
        adjust: As in ``read_bars``.
        hints: As in ``read_bars``.

    Returns:
        Its rows with every finding.
    """
    parts: list[Survey] = []
    is_folder = isinstance(source, str | Path) and Path(source).is_dir()
    name = None if is_folder else symbol
    options = _Options(symbol=name, adjust=adjust, hints=hints)
    for raw in _raw_tables(source, hints):
        try:
            found = raw if isinstance(raw, Survey) else _converted(raw, options)
        except TableError as error:
            found = Survey(table=_join([]), errors=(error.finding,), notes=())
        parts.append(found)
    table = _join([part.table for part in parts])
    if symbol is not None:
        table = table.take(table.symbols == symbol)
    errors = [finding for part in parts for finding in part.errors]
    errors = [e for e in errors if symbol is None or e.symbol in {None, symbol}]
    notes = [note for part in parts for note in part.notes]
    notes += [(SORTED, file) for file in unsorted_files(table)]
    return Survey(
        table=table,
        errors=tuple(sorted([*errors, *_twins(table)], key=_by_place)),
        notes=tuple(notes),
        left_out=tuple(finding for part in parts for finding in part.left_out),
    )


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


def _raw_tables(
    source: Any,  # noqa: ANN401
    hints: Hints,
) -> Iterator[RawTable | Survey]:
    # One file after the other; a file that fails gives its finding.
    if not isinstance(source, str | Path):
        yield from_frame(source)
        return
    empty = _join([])
    try:
        files, ignored = files_of(Path(source))
    except TableError as error:
        yield Survey(table=empty, errors=(error.finding,), notes=())
        return
    for path in files:
        try:
            yield read_file(path, hints)
        except TableError as error:
            yield Survey(table=empty, errors=(error.finding,), notes=())
    notes = tuple((IGNORED, str(path)) for path in ignored)
    yield Survey(table=empty, errors=(), notes=notes)


def _converted(raw: RawTable, options: _Options) -> Survey:
    roles = roles_of(raw)
    if not len(raw.rows) and not raw.ragged:
        raise TableError(_of_file(raw, "Expected at least one bar, got no rows"))
    raw, style = _style(raw, roles, options.hints)
    raw, left_out = _sessions(raw, roles, style)
    days, bad_days = _days(raw, roles, options.hints)
    symbols, bad_symbols = _symbols(raw, roles, options.symbol)
    values, bad_cells, notes = _values(raw, roles, style)
    table = Table(
        files=np.full(len(raw.rows), raw.file, dtype=object),
        rows=raw.rows,
        symbols=np.array(symbols, dtype=object),
        dates=days,
        values=values,
    )
    _refuse_lost_decimals(table)
    errors = [
        *raw.ragged,
        *_unread(table, bad_days, "a date as YYYY-MM-DD", _named(raw, roles, "date")),
        *_unread(table, bad_symbols, "a symbol", _named(raw, roles, "symbol")),
        *_broken(table, raw, roles, bad_cells, style),
    ]
    adjust = options.adjust
    table, more_errors, differs = _adjusted(table, raw, roles, style, adjust=adjust)
    if differs and not adjust:
        notes.append(NOT_ADJUSTED)
    return Survey(
        table=table,
        errors=(*errors, *more_errors),
        notes=tuple((note, raw.file) for note in [*notes, *left_out]),
        left_out=tuple(left_out.values()),
    )


def _style(
    raw: RawTable, roles: dict[str, int], hints: Hints
) -> tuple[RawTable, Style]:
    # How the file writes numbers; columns of plain ones are read here, once.
    known = Style(currency=raw.format.currency, units=raw.format.units)
    decimal = hints.decimal or raw.format.decimal
    places = [at for role, at in roles.items() if role in _NUMERIC]
    columns = [raw.columns[at] for at in places]
    free = raw.delimiter != ";" and decimal != ","
    plain = numbers.at_once(columns) if free else None
    if plain is not None:
        read = dict(zip(places, plain, strict=True))
        cells = tuple(read.get(i, column) for i, column in enumerate(raw.columns))
        return replace(raw, columns=cells), known
    semicolons = raw.delimiter == ";"
    return raw, numbers.decide(columns, known, decimal, semicolons=semicolons)


def _sessions(
    raw: RawTable, roles: dict[str, int], style: Style
) -> tuple[RawTable, dict[str, Finding]]:
    # The rows that hold a session, and a finding for each kind that does not.
    left_out: dict[str, Finding] = {}
    if "open" not in roles or not len(raw.rows):
        return raw, left_out
    prices = [raw.columns[roles[role]] for role in COLUMNS[:VOLUME]]
    values, _, _ = _values(raw, roles, style)
    kinds = {
        empty_rows.NO_PRICES: empty_rows.without_prices(prices),
        empty_rows.NO_TRADE: empty_rows.without_trade(values),
    }
    for kind, rows in kinds.items():
        if rows.any():
            note = empty_rows.counted(int(rows.sum()), kind)
            left_out[note] = _left_out(raw, rows, note)
    empty = np.logical_or.reduce(list(kinds.values()))
    if empty.all():
        raise TableError(_of_file(raw, "Expected at least one bar, got empty rows"))
    return (raw.take(~empty) if empty.any() else raw), left_out


def _left_out(raw: RawTable, rows: Bool[np.ndarray, " row"], note: str) -> Finding:
    return Finding(
        file=raw.file,
        row=int(raw.rows[np.flatnonzero(rows)[0]]),
        severity="warning",
        what=f"Expected a session in each row, got some without: {note}",
        remedy="No need to act where these are holidays or halts.",
        training="leaves the row out",
    )


def _days(
    raw: RawTable, roles: dict[str, int], hints: Hints
) -> tuple[Shaped[np.ndarray, " row"], Bad]:
    cells = raw.columns[roles["date"]]
    dayfirst = raw.format.dayfirst if hints.dayfirst is None else hints.dayfirst
    if dayfirst is None and dates.order_of(cells) == "either":
        at, cell = dates.first_undecided(cells)
        raise TableError(
            Finding(
                file=raw.file,
                row=int(raw.rows[at]),
                what=f"Expected a date as YYYY-MM-DD, got {cell!r} in "
                f"{_named(raw, roles, 'date')}, and no row tells day from month",
                remedy=f"Choose: {dates.readings(cell)}.",
            )
        )
    return dates.to_days(cells, dayfirst=dayfirst)


def _refuse_lost_decimals(table: Table) -> None:
    # Without its point 134.5 stands beside 1299: bars that break their rules, with
    # prices of several sizes. One such bar may be a typing error, many are a file.
    prices = table.values[:, :VOLUME]
    with np.errstate(invalid="ignore", divide="ignore"):
        torn = prices.max(axis=1) >= _ONE_UNIT * prices.min(axis=1)
    torn &= (prices > 0).all(axis=1) & np.isfinite(prices).all(axis=1)
    few = np.count_nonzero(torn) <= max(_FREAKS, _FREAK_SHARE * len(table))
    if few or not violations(table.values):
        return
    at = int(np.flatnonzero(torn)[0])
    raise TableError(
        table.finding(
            at,
            "Expected prices of one unit in a bar, got "
            f"{prices[at].min():.10g} and {prices[at].max():.10g}, and "
            f"{np.count_nonzero(torn):,} such rows",
            "The decimal points seem lost: export the file again.",
        )
    )


def _symbols(
    raw: RawTable, roles: dict[str, int], name: str | None
) -> tuple[list[str], Bad]:
    if "symbol" in roles:
        return to_symbols(raw.columns[roles["symbol"]])
    return [name or raw.stem] * len(raw.rows), {}


def _values(
    raw: RawTable, roles: dict[str, int], style: Style
) -> tuple[Float[np.ndarray, "row column"], dict[str, Bad], list[str]]:
    values = np.zeros((len(raw.rows), len(COLUMNS)))
    bad: dict[str, Bad] = {}
    notes = []
    for at, role in enumerate(COLUMNS):
        if role in roles:
            values[:, at], bad[role] = to_numbers(
                raw.columns[roles[role]], _styled(style, role)
            )
    if "open" not in roles:
        values[:, :VOLUME] = values[:, [CLOSE]]
        notes.append(CLOSES_ONLY)
    elif "volume" not in roles:
        notes.append(NO_VOLUME)
    elif raw.format.blank_volume:
        cells = raw.columns[roles["volume"]]
        blank = [row for row in bad["volume"] if is_nothing(cells[row])]
        values[blank, VOLUME] = 0
        bad["volume"] = {r: x for r, x in bad["volume"].items() if r not in blank}
        notes += [BLANK_VOLUME] if blank else []
    return values, bad, notes


def _styled(style: Style, role: str) -> Style:
    # A currency belongs to prices, a unit to volumes.
    if role == "volume":
        return replace(style, currency="")
    return replace(style, units=False)


def _unread(table: Table, bad: Bad, rule: str, column: str) -> Iterator[Finding]:
    remedy = {
        "a number": "Write it like 1234.5, without separators or units.",
        "a symbol": "Write it as text.",
    }.get(rule, "Write dates like 2024-01-31.")
    for at, got in bad.items():
        advice = "Fill it in or drop this row." if got == EMPTY else remedy
        yield table.finding(at, f"Expected {rule}, got {got} in {column}", advice)


def _unread_numbers(
    table: Table, raw: RawTable, at: int, bad: Bad, style: Style
) -> Iterator[Finding]:
    for finding, row in zip(
        _unread(table, bad, "a number", raw.names[at]), bad, strict=True
    ):
        remedy = numbers.choice(raw.columns[at][row], style)
        yield replace(finding, remedy=remedy) if remedy else finding


def _broken(
    table: Table,
    raw: RawTable,
    roles: dict[str, int],
    bad: dict[str, Bad],
    style: Style,
) -> Iterator[Finding]:
    for role, cells in bad.items():
        yield from _unread_numbers(table, raw, roles[role], cells, style)
    for broken in violations(table.values):
        if broken.column in bad and broken.row not in bad[broken.column]:
            column = _named(raw, roles, broken.column)
            what = f"Expected {broken.rule}, got {broken.value:.10g} in {column}"
            yield table.finding(broken.row, what, "Repair or drop this bar.")


def _adjusted(
    table: Table, raw: RawTable, roles: dict[str, int], style: Style, *, adjust: bool
) -> tuple[Table, list[Finding], bool]:
    if "adj_close" not in roles:
        if adjust:
            raise TableError(
                _of_file(
                    raw,
                    f"Expected a column adj_close, got {', '.join(raw.names)}",
                    "Read it without adjust=True.",
                )
            )
        return table, [], False
    adj_close, bad = to_numbers(
        raw.columns[roles["adj_close"]], _styled(style, "adj_close")
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        factor = adj_close / table.values[:, CLOSE]
        differs = bool(np.any(np.abs(factor - 1) > _ADJUSTED_BY))
    if not adjust:
        return table, [], differs
    name = _named(raw, roles, "adj_close")
    usable = np.isfinite(factor) & (adj_close > 0)
    wrong = {int(at): f"{adj_close[at]:g}" for at in np.flatnonzero(~usable)} | bad
    factor = np.where(usable & (factor > 0), factor, 1.0)
    values = table.values * factor[:, None]
    values[:, VOLUME] = table.values[:, VOLUME] / factor
    errors = [
        table.finding(
            at,
            f"Expected a positive price, got {got} in {name}",
            "Repair it, or read the table without adjust=True.",
        )
        for at, got in wrong.items()
        if at in bad or not adj_close[at] > 0 or not np.isfinite(adj_close[at])
    ]
    columns = {n: getattr(table, n) for n in ("files", "rows", "symbols", "dates")}
    return Table(**columns, values=values), errors, differs


def _twins(table: Table) -> Iterator[Finding]:
    order = np.lexsort((np.arange(len(table)), table.dates, table.symbol_ids))
    ids, dates = table.symbol_ids[order], table.dates[order]
    same = (ids[1:] == ids[:-1]) & (ids[1:] >= 0) & (dates[1:] == dates[:-1])
    for at in np.flatnonzero(same):
        first, second = order[at], order[at + 1]
        elsewhere = table.files[first] != table.files[second]
        of_file = f" of {table.files[first]}" if elsewhere else ""
        yield table.finding(
            int(second),
            f"Expected one bar a date, got another in row {table.rows[first]}{of_file}",
            "Drop one of them; bars shorter than a session are not read.",
        )


def _join(tables: list[Table]) -> Table:
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


def _sentences(notes: Iterable[tuple[str, str]]) -> Iterator[str]:
    by_text = sorted(dict.fromkeys(notes))
    for text, group in groupby(by_text, key=lambda note: note[0]):
        files = [file for _, file in group if file]
        shown = ", ".join(files[:_LISTED])
        if len(files) > _LISTED:
            shown = f"{shown} and {len(files) - _LISTED} more"
        yield f"{shown}: {text}." if files else f"{text[0].upper()}{text[1:]}."


def _of_file(
    raw: RawTable, what: str, remedy: str = "Give a table with rows."
) -> Finding:
    return Finding(file=raw.file, what=what, remedy=remedy)


def _named(raw: RawTable, roles: dict[str, int], role: str) -> str:
    return raw.names[roles[role]] if role in roles else role


def _by_place(finding: Finding) -> tuple[str, int]:
    return finding.file, -1 if finding.row is None else finding.row


def _label(source: Any) -> str:  # noqa: ANN401
    return str(source) if isinstance(source, str | Path) else "the dataframe"
