"""What a bar is: one session of a symbol, and the panel that holds many.

A panel is valid by construction: sorted by symbol and date, one bar a date,
finite positive prices, high and low around open and close, no negative volume.
It is never repaired here; a reader or its owner decides.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from closecast.errors import BarsError

COLUMNS = ("open", "high", "low", "close", "volume")
OPEN, HIGH, LOW, CLOSE, VOLUME = range(5)

RULES = (
    "a finite number",
    "a positive price",
    "a volume of 0 or more",
    "a high that is not below open, close or low",
    "a low that is not above open or close",
)


@dataclass(frozen=True)
class Violation:
    """One value that breaks a rule.

    Attributes:
        row: Its row in the table that was checked.
        column: Name of the column.
        rule: What was expected, as in ``RULES``.
        value: What was found.
    """

    row: int
    column: str
    rule: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OwnColumn:
    """A user's own column, as it is told at each row of a panel.

    Attributes:
        kind: ``"past"``, known at the row's close; ``"known"``, the values of the
            sessions after it, which were known before; ``"static"``, the same always.
        told: What is told at each row.
    """

    kind: str
    told: Float[np.ndarray, "row state"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Bars:
    """A panel of sessions, symbol after symbol, each from its oldest bar on.

    Attributes:
        symbols: Names, ascending.
        offsets: Rows ``offsets[i]:offsets[i + 1]`` belong to symbol i, shape
            ``(symbol + 1,)``.
        dates: Session of each row, ``datetime64[D]``.
        values: Open, high, low, close in price units and volume in units traded.
        own: A user's own columns by name; see ``closecast.market.own``.
    """

    symbols: tuple[str, ...]
    offsets: Int[np.ndarray, " symbol_plus_one"]
    dates: Shaped[np.ndarray, " row"]
    values: Float[np.ndarray, "row column"]
    own: Mapping[str, OwnColumn] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.offsets) != len(self.symbols) + 1 or self.offsets[-1] != len(self):
            raise BarsError(
                f"Expected {len(self.symbols) + 1} offsets that end at {len(self)}, "
                f"got {len(self.offsets)} that end at {self.offsets[-1]}. "
                "Build panels with closecast.market.bars.from_columns."
            )
        starts_symbol = np.zeros(len(self), bool)
        starts_symbol[self.offsets[:-1]] = True
        ascending = np.diff(self.dates) > np.timedelta64(0, "D")
        if list(self.symbols) != sorted(set(self.symbols)) or not np.all(
            ascending | starts_symbol[1:]
        ):
            raise BarsError(
                "Expected unique symbols in ascending order and dates ascending in "
                "each, got another order. Build panels with "
                "closecast.market.bars.from_columns."
            )
        for violation in violations(self.values):
            symbol, date = self.symbol_of(violation.row), self.dates[violation.row]
            raise BarsError(
                f"Expected {violation.rule}, got {violation.value:g} in "
                f"{violation.column} (symbol {symbol}, {date}). Repair or drop "
                "this bar."
            )

    def __len__(self) -> int:
        return len(self.dates)

    @property
    def close(self) -> Float[np.ndarray, " row"]:
        """Closes in price units."""
        return np.asarray(self.values[:, CLOSE])

    @cached_property
    def symbol_ids(self) -> Int[np.ndarray, " row"]:
        """Position in ``symbols`` of each row's symbol."""
        return np.repeat(np.arange(len(self.symbols)), np.diff(self.offsets))

    @cached_property
    def starts(self) -> Int[np.ndarray, " row"]:
        """First row of each row's symbol."""
        return np.repeat(self.offsets[:-1], np.diff(self.offsets))

    @cached_property
    def ends(self) -> Int[np.ndarray, " row"]:
        """First row after each row's symbol."""
        return np.repeat(self.offsets[1:], np.diff(self.offsets))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the content: same bars, same fingerprint."""
        digest = hashlib.sha256()
        for symbol, start, end in self:
            digest.update(f"{symbol}\0{end - start}\0".encode())
        digest.update(self.dates.astype("datetime64[D]").astype("<i8").tobytes())
        digest.update(self.values.astype("<f8").tobytes())
        for name, column in self.own.items():
            digest.update(f"{name}\0{column.kind}\0".encode())
            digest.update(column.told.astype("<f8").tobytes())
        return digest.hexdigest()

    def __iter__(self) -> Iterator[tuple[str, int, int]]:
        """Go through the symbols: name, first row, row after the last."""
        ends = self.offsets[1:]
        for symbol, start, end in zip(self.symbols, self.offsets, ends, strict=False):
            yield symbol, int(start), int(end)

    def symbol_of(self, row: int) -> str:
        """Name the symbol of a row.

        Args:
            row: A row of the panel.

        Returns:
            Its symbol.
        """
        return self.symbols[int(np.searchsorted(self.offsets, row, side="right")) - 1]

    def names(self, rows: Int[np.ndarray, " some"]) -> Shaped[np.ndarray, " some"]:
        """Name the symbols of many rows.

        Args:
            rows: Rows of the panel.

        Returns:
            Their symbols, in the same order.
        """
        return np.asarray(np.asarray(self.symbols)[self.symbol_ids[rows]])

    def select(self, keep: Bool[np.ndarray, " row"]) -> "Bars":
        """Keep some of the rows.

        Args:
            keep: True for a row that stays.

        Returns:
            A panel of these rows; a symbol left without any is gone.
        """
        counts = np.add.reduceat(keep.astype(np.int64), self.offsets[:-1])
        return Bars(
            symbols=tuple(
                s for s, n in zip(self.symbols, counts, strict=True) if n > 0
            ),
            offsets=np.concatenate([[0], np.cumsum(counts[counts > 0])]),
            dates=self.dates[keep],
            values=self.values[keep],
            own={
                name: replace(column, told=column.told[keep])
                for name, column in self.own.items()
            },
        )


def violations(values: Float[np.ndarray, "row column"]) -> list[Violation]:
    """Find every value that breaks a rule, by row.

    Args:
        values: Open, high, low, close and volume, as in ``COLUMNS``.

    Returns:
        One violation for each broken rule; none where a bar is sound.
    """
    with np.errstate(invalid="ignore"):
        finite = np.isfinite(values)
        sign_ok = np.where(np.arange(len(COLUMNS)) == VOLUME, values >= 0, values > 0)
        low, high = values[:, LOW], values[:, HIGH]
        body = values[:, [OPEN, CLOSE]]
        high_ok = high >= np.maximum(body.max(axis=1), low)
        low_ok = low <= body.min(axis=1)
    number, positive, volume, high_rule, low_rule = RULES
    sound = finite & sign_ok
    found = [
        Violation(
            row=int(row),
            column=COLUMNS[column],
            rule=(
                number
                if not finite[row, column]
                else volume
                if column == VOLUME
                else positive
            ),
            value=float(values[row, column]),
        )
        for row, column in np.argwhere(~sound)
    ]
    priced = sound[:, :VOLUME].all(axis=1)
    found += [
        Violation(int(row), "high", high_rule, float(high[row]))
        for row in np.flatnonzero(priced & ~high_ok)
    ]
    found += [
        Violation(int(row), "low", low_rule, float(low[row]))
        for row in np.flatnonzero(priced & high_ok & ~low_ok)
    ]
    return sorted(found, key=lambda violation: violation.row)


def from_columns(
    symbols: Shaped[np.ndarray, " row"],
    dates: Shaped[np.ndarray, " row"],
    values: Float[np.ndarray, "row column"],
) -> Bars:
    """Build a panel from rows in any order.

    Args:
        symbols: Symbol of each row.
        dates: Session of each row, ``datetime64``.
        values: Open, high, low, close in price units and volume.

    Returns:
        The panel, sorted.

    Raises:
        BarsError: There is no row, two rows share symbol and date, or a value
            breaks a rule.
    """
    if len(symbols) == 0:
        raise BarsError("Expected at least one bar, got none. Give a panel with rows.")
    names, ids = np.unique(np.asarray(symbols, dtype=str), return_inverse=True)
    days = np.asarray(dates, dtype="datetime64[D]")
    order = np.lexsort((days, ids))
    ids, days = ids[order], days[order]
    twins = np.flatnonzero((np.diff(ids) == 0) & (days[1:] == days[:-1]))
    if len(twins):
        row = int(twins[0]) + 1
        raise BarsError(
            f"Expected one bar a date, got two for {days[row]} (symbol "
            f"{names[ids[row]]}, rows {order[row - 1]} and {order[row]}). "
            "Drop one of them; bars shorter than a session are not read."
        )
    return Bars(
        symbols=tuple(str(name) for name in names),
        offsets=np.searchsorted(ids, np.arange(len(names) + 1)),
        dates=days,
        values=np.ascontiguousarray(values[order], dtype=np.float64),
    )
