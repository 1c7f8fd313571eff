"""From columns of text to rows of prices: dates, symbols, numbers, adjustment.

It refuses what it would have to guess, and names each cell that it cannot read.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Shaped

from closecast.market.bars import CLOSE, COLUMNS, VOLUME, violations
from closecast.market.findings import Finding, TableError
from closecast.market.readers import dates, empty_rows, numbers, short_years
from closecast.market.readers.cells import EMPTY, Bad, is_nothing, to_symbols
from closecast.market.readers.columns import roles_of
from closecast.market.readers.format import Hints
from closecast.market.readers.numbers import Style, to_numbers
from closecast.market.readers.raw import RawTable
from closecast.market.readers.rows import Note, Survey, Table, without

CLOSES_ONLY = (
    "there are closes only: open, high and low are set to the close, volume to 0"
)
NOT_ADJUSTED = (
    "adj_close differs from close: the columns are used as they are, splits and "
    "dividends included; adjust=True (--adjust) adjusts them"
)
NO_VOLUME = "there is no volume: it is set to 0"
BLANK_VOLUME = "a volume that is left blank is set to 0"

_NUMERIC = {*COLUMNS, "adj_close"}
_ONE_UNIT = 100.0
"""Prices of one bar differ by less, but for a freak trade."""
_FREAK_SHARE = 0.01
_FREAKS = 2
_ADJUSTED_BY = 1e-6


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a table is to be read.

    Attributes:
        symbol: What to call the only symbol.
        hints: What the file cannot say of itself.
    """

    symbol: str | None
    hints: Hints


def converted(raw: RawTable, options: Options) -> Survey:
    """Read every cell of a table.

    Args:
        raw: Its columns.
        options: How to read them.

    Returns:
        Its rows with every finding.

    Raises:
        TableError: No row of it can be read for sure.
    """
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
    if raw.footer:
        left_out |= _footer(raw)
    errors = [
        *raw.ragged,
        *_unread(table, bad_days, "a date as YYYY-MM-DD", _named(raw, roles, "date")),
        *_unread(table, bad_symbols, "a symbol", _named(raw, roles, "symbol")),
        *_broken(table, raw, roles, bad_cells, style),
    ]
    adjust = options.hints.adjust
    table, more_errors, differs = _adjusted(table, raw, roles, style, adjust=adjust)
    if differs and not adjust:
        notes.append(NOT_ADJUSTED)
    return Survey(
        table=table,
        errors=(*errors, *more_errors),
        notes=(*(Note(text, raw.file) for text in notes), *left_out),
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
) -> tuple[RawTable, dict[Note, Finding]]:
    # The rows that hold a session, and a finding for each kind that does not.
    left_out: dict[Note, Finding] = {}
    if not len(raw.rows):
        return raw, left_out
    prices = [raw.columns[roles[role]] for role in COLUMNS[:VOLUME] if role in roles]
    kinds = {empty_rows.NO_PRICES: empty_rows.without_prices(prices)}
    if "open" in roles:
        values, _, _ = _values(raw, roles, style)
        kinds[empty_rows.NO_TRADE] = empty_rows.without_trade(values)
        kinds[empty_rows.EVENTS] = empty_rows.of_events(prices)
        if raw.format.quotes:
            kinds[empty_rows.QUOTES] = values[:, CLOSE] < 0
    for kind, rows in kinds.items():
        if rows.any():
            note = Note(kind, raw.file, int(rows.sum()))
            left_out[note] = _left_out(raw, rows, without(note.left_out, kind))
    empty = np.logical_or.reduce(list(kinds.values()))
    if empty.all():
        raise TableError(_of_file(raw, "Expected at least one bar, got empty rows"))
    return (raw.take(~empty) if empty.any() else raw), left_out


def _left_out(raw: RawTable, rows: Bool[np.ndarray, " row"], said: str) -> Finding:
    return Finding(
        file=raw.file,
        row=int(raw.rows[np.flatnonzero(rows)[0]]),
        severity="warning",
        what=f"Expected a session in each row, got some without: {said}",
        remedy="No need to act where these are holidays or halts.",
        training="leaves the row out",
        kind="no_session",
    )


def _footer(raw: RawTable) -> dict[Note, Finding]:
    note = Note(empty_rows.TEXT, raw.file, len(raw.footer))
    return {
        note: Finding(
            file=raw.file,
            row=raw.footer[0],
            severity="warning",
            what="Expected bars to the end, got "
            f"{without(len(raw.footer), empty_rows.TEXT)}",
            remedy="No need to act where it is a source or a disclaimer.",
            training="leaves the row out",
            kind="no_session",
        )
    }


def _days(
    raw: RawTable, roles: dict[str, int], hints: Hints
) -> tuple[Shaped[np.ndarray, " row"], Bad]:
    cells = raw.columns[roles["date"]]
    column = _named(raw, roles, "date")
    dayfirst = raw.format.dayfirst if hints.dayfirst is None else hints.dayfirst
    days = dates.at_once(cells)
    if days is not None:
        return days, {}
    if short_years.is_short(cells):
        orders = short_years.orders_of(list(cells), dayfirst)
        if len(orders) > 1:
            told = short_years.readings(cells[0], orders)
            raise TableError(_undecided(raw, 0, cells[0], column, told))
        cells = short_years.written_out(list(cells), (orders or short_years.ORDERS)[0])
    elif dayfirst is None and dates.order_of(cells) == "either":
        at, cell = dates.first_undecided(cells)
        raise TableError(_undecided(raw, at, cell, column, dates.readings(cell)))
    return dates.to_days(cells, dayfirst=dayfirst)


def _undecided(raw: RawTable, at: int, cell: str, column: str, told: str) -> Finding:
    return Finding(
        file=raw.file,
        row=int(raw.rows[at]),
        what=f"Expected a date as YYYY-MM-DD, got {cell!r} in {column}, and no row "
        "tells day from month" + (" and year" if "year" in told else ""),
        remedy=f"Choose: {told}.",
    )


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
                    "Read it without adjust=True (--adjust).",
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
            "Repair it, or read the table without adjust=True (--adjust).",
        )
        for at, got in wrong.items()
        if at in bad or not adj_close[at] > 0 or not np.isfinite(adj_close[at])
    ]
    columns = {n: getattr(table, n) for n in ("files", "rows", "symbols", "dates")}
    return Table(**columns, values=values), errors, differs


def _of_file(
    raw: RawTable, what: str, remedy: str = "Give a table with rows."
) -> Finding:
    return Finding(file=raw.file, what=what, remedy=remedy)


def _named(raw: RawTable, roles: dict[str, int], role: str) -> str:
    return raw.names[roles[role]] if role in roles else role
