"""What every vendor gives: the history of a symbol, its calendar, a list of symbols.

A history is what the vendor sent, less what is no bar: a last bar that can still
change, a session without a price, a bar that breaks a rule. Each of these is said.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float, Shaped

from closecast.errors import MissingExtraError, SettingError, VendorError
from closecast.market.bars import COLUMNS, VOLUME, Bars, from_columns, violations
from closecast.market.vendors import exchanges, krx, naver, yahoo
from closecast.market.vendors.manners import Clock, Manners, Turnstile
from closecast.market.vendors.process import VendorProcess
from closecast.market.vendors.wire import Fault, Listing, Question, Table

EXTRAS = ("adj_close", "dividend", "split")

SURVIVORS = (
    "Only symbols that are traded today are listed. Those that failed on the way are "
    "not: a past that is read through this list looks better than it was "
    "(survivorship bias)."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class History:
    """Bars of one symbol from one vendor.

    Attributes:
        bars: Finished sessions, as the vendor gave them.
        extras: What the vendor gives beside them: ``adj_close`` in price units,
            ``dividend`` in price units a share, ``split`` as new shares for one old.
        source: The vendor.
        adjusted: What the prices are adjusted for: ``nothing``, ``splits``.
        fetched_at: When they were asked for, UTC.
        notes: What was left out, and what to know.
    """

    bars: Bars
    extras: dict[str, Float[np.ndarray, " row"]]
    source: str
    adjusted: str
    fetched_at: dt.datetime
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Universe:
    """Symbols of a vendor on a day.

    Attributes:
        symbols: As the vendor writes them.
        as_of: The day.
        point_in_time: They were listed on that day; otherwise they are today's.
        notes: What to know.
    """

    symbols: tuple[str, ...]
    as_of: dt.date
    point_in_time: bool
    notes: tuple[str, ...]


class Vendor(Protocol):
    """Where prices come from."""

    name: str

    def fetch(
        self, symbol: str, start: dt.date | None = None, end: dt.date | None = None
    ) -> History:
        """Give the daily bars of a symbol."""
        ...

    def calendar(self, symbol: str) -> str:
        """Name the calendar of a symbol's sessions."""
        ...

    def universe(self, as_of: dt.date | None = None) -> Universe:
        """List the symbols of a day."""
        ...


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What differs from vendor to vendor on our side.

    Attributes:
        module: The vendor's file.
        library: What its file imports.
        adjusted: As in ``History``.
        calendar: Names the calendar of a symbol.
        manners: How it is asked.
        point_in_time: Its list of symbols is that of a day.
    """

    module: str
    library: str
    adjusted: str
    calendar: Callable[[str], str]
    manners: Manners
    point_in_time: bool = False


KINDS = {
    "yahoo": Kind(
        module="yahoo",
        library="yfinance",
        adjusted="splits",
        calendar=yahoo.calendar,
        manners=Manners(per_second=0.5),
    ),
    "naver": Kind(
        module="naver",
        library="finance-datareader",
        adjusted="splits",
        calendar=naver.calendar,
        manners=Manners(),
    ),
    "krx": Kind(
        module="krx",
        library="pykrx",
        adjusted="nothing",
        calendar=krx.calendar,
        manners=Manners(per_second=0.5, burst=1),
        point_in_time=True,
    ),
    "ccxt": Kind(
        module="exchanges",
        library="ccxt",
        adjusted="nothing",
        calendar=exchanges.calendar,
        manners=Manners(question_s=300.0),
    ),
}
"""Vendors by name; coin exchanges are ``ccxt:binance`` and so on."""


def open_vendor(
    name: str,
    *,
    manners: Manners | None = None,
    clock: Clock | None = None,
    python: str | None = None,
) -> "IsolatedVendor":
    """Open a vendor by its name.

    Args:
        name: ``yahoo``, ``naver``, ``krx`` or ``ccxt:EXCHANGE``.
        manners: How it is asked, instead of its own.
        clock: Where time comes from.
        python: The Python that has the vendor's library; by default the one in
            ``CLOSECAST_YAHOO_PYTHON`` (``NAVER``, ``KRX``, ``EXCHANGES``), or ours.

    Returns:
        The vendor. Close it at the end, or use it in a ``with``.

    Raises:
        SettingError: There is no such vendor.
    """
    base, _, market = name.partition(":")
    if base not in KINDS or bool(market) != (base == "ccxt"):
        raise SettingError(
            f"Expected a vendor yahoo, naver, krx or ccxt:EXCHANGE, got {name!r}. "
            "Name one of these, such as ccxt:binance."
        )
    kind = KINDS[base]
    return IsolatedVendor(
        name=name,
        market=market,
        kind=kind,
        turnstile=Turnstile(name, manners or kind.manners, clock or Clock()),
        process=VendorProcess(kind.module, python),
    )


@dataclass(kw_only=True)
class IsolatedVendor:
    """A vendor whose library runs in a process of its own.

    Attributes:
        name: As it was opened.
        market: The exchange, for a vendor of many.
        kind: What differs from vendor to vendor.
        turnstile: Lets questions through.
        process: Answers them.
    """

    name: str
    market: str
    kind: Kind
    turnstile: Turnstile
    process: VendorProcess

    def __enter__(self) -> "IsolatedVendor":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the vendor's process."""
        self.process.close()

    def fetch(
        self, symbol: str, start: dt.date | None = None, end: dt.date | None = None
    ) -> History:
        """Give the daily bars of a symbol.

        Args:
            symbol: As the vendor writes it.
            start: First session; the vendor's first by default.
            end: Last session, included; today by default.

        Returns:
            Its finished sessions.

        Raises:
            MissingExtraError: The vendor's library is not installed.
            VendorError: The vendor gave no data.
        """
        fetched_at = dt.datetime.now(dt.UTC)
        question = self._question("history", symbol, start, end, fetched_at)
        table = self._ask(question)
        assert isinstance(table, Table)  # noqa: S101  a history was asked for
        return self._history(symbol, table, fetched_at)

    def calendar(self, symbol: str) -> str:
        """Name the calendar of a symbol's sessions.

        Args:
            symbol: As the vendor writes it.

        Returns:
            As ``closecast.market.calendar`` takes it.
        """
        return self.kind.calendar(symbol)

    def universe(self, as_of: dt.date | None = None) -> Universe:
        """List the symbols of a day.

        Args:
            as_of: The day; today by default.

        Returns:
            The symbols, with a note on survivors where they are today's.

        Raises:
            MissingExtraError: The vendor's library is not installed.
            VendorError: The vendor has no list for that day.
        """
        now = dt.datetime.now(dt.UTC)
        day = as_of or now.date()
        listing = self._ask(self._question("universe", "", None, day, now))
        assert isinstance(listing, Listing)  # noqa: S101  a universe was asked for
        return Universe(
            symbols=tuple(listing.symbols),
            as_of=day,
            point_in_time=self.kind.point_in_time,
            notes=() if self.kind.point_in_time else (SURVIVORS,),
        )

    def _question(
        self,
        verb: str,
        symbol: str,
        start: dt.date | None,
        end: dt.date | None,
        now: dt.datetime,
    ) -> Question:
        tomorrow = now.date() + dt.timedelta(days=1)  # it is later in the east
        return Question(
            verb=verb,
            market=self.market,
            symbol=symbol,
            start=None if start is None else str(start),
            end=str(end or tomorrow),
            timeout_s=self.turnstile.manners.request_s,
        )

    def _ask(self, question: Question) -> Table | Listing:
        within_s = self.turnstile.manners.question_s
        try:
            return self.turnstile.ask(lambda: self.process.ask(question, within_s))
        except Fault as fault:
            if fault.kind == "missing":
                extra = self.name.partition(":")[0]
                raise MissingExtraError(
                    f"Expected {self.kind.library} to be installed, got no module "
                    f"{fault.why!r}. Install it: pip install 'closecast[{extra}]'."
                ) from fault
            raise VendorError(self._message(question, fault)) from fault

    def _message(self, question: Question, fault: Fault) -> str:
        what = "bars" if question.verb == "history" else "a list of symbols"
        who = f"{self.name}, symbol {question.symbol}" if question.symbol else self.name
        wait = fault.retry_after_s
        remedy = {
            "limited": f"Wait{'' if wait is None else f' {wait:.0f} s'} and ask again",
            "unavailable": "Try again later",
            "refused": "See docs/how-to/vendors",
            "unknown": "Check how this vendor writes the symbol",
            "empty": "Check the symbol and the dates",
        }[fault.kind]
        return f"Expected {what}, got {fault.why.rstrip('.')} ({who}). {remedy}."

    def _history(self, symbol: str, table: Table, now: dt.datetime) -> History:
        columns = {
            name: np.array(values, dtype=np.float64)  # None becomes NaN
            for name, values in table.columns.items()
        }
        values = np.column_stack([columns[name] for name in COLUMNS])
        dates = np.array(table.date, dtype="datetime64[D]")
        keep, notes = _finished(table, now)
        keep, notes = _priced(keep, values, notes, dates)
        keep, notes = _sound(keep, values, notes, dates)
        if not keep.any():
            raise VendorError(
                f"Expected finished bars, got none of {len(keep)} ({self.name}, symbol "
                f"{symbol}: {' '.join(notes)}). Check the symbol and the dates."
            )
        names = np.full(int(keep.sum()), symbol)
        return History(
            bars=from_columns(names, dates[keep], values[keep]),
            extras={name: columns[name][keep] for name in EXTRAS if name in columns},
            source=self.name,
            adjusted=self.kind.adjusted,
            fetched_at=now,
            notes=tuple(f"{symbol}: {note}" for note in (*table.remarks, *notes)),
        )


def _finished(
    table: Table, now: dt.datetime
) -> tuple[Bool[np.ndarray, " row"], list[str]]:
    keep = np.ones(len(table.date), bool)
    final_at = dt.datetime.fromisoformat(table.last_final_at)
    if now >= final_at:
        return keep, []
    keep[-1] = False
    note = f"the bar of {table.date[-1]} can change until {final_at:%Y-%m-%d %H:%M} UTC"
    return keep, [f"{note} and is left out."]


def _priced(
    keep: Bool[np.ndarray, " row"],
    values: Float[np.ndarray, "row column"],
    notes: list[str],
    dates: Shaped[np.ndarray, " row"],
) -> tuple[Bool[np.ndarray, " row"], list[str]]:
    prices, volume = values[:, :VOLUME], values[:, VOLUME]
    nothing = np.isnan(prices).any(axis=1) | ((prices == 0).any(axis=1) & ~(volume > 0))
    gone = keep & nothing
    if not gone.any():
        return keep, notes
    note = f"{gone.sum()} sessions without prices are left out ({_days(dates[gone])})."
    return keep & ~nothing, [*notes, note]


def _sound(
    keep: Bool[np.ndarray, " row"],
    values: Float[np.ndarray, "row column"],
    notes: list[str],
    dates: Shaped[np.ndarray, " row"],
) -> tuple[Bool[np.ndarray, " row"], list[str]]:
    rows = np.flatnonzero(keep)
    broken = violations(values[rows])
    if not broken:
        return keep, notes
    gone = np.unique(rows[[violation.row for violation in broken]])
    first = broken[0]
    note = (
        f"{len(gone)} bars that break a rule are left out ({_days(dates[gone])}; "
        f"expected {first.rule}, got {first.value:g} in {first.column})."
    )
    return np.asarray(keep & ~np.isin(np.arange(len(keep)), gone)), [*notes, note]


def _days(dates: Shaped[np.ndarray, " row"]) -> str:
    shown = ", ".join(str(day) for day in dates[:3])
    return shown if len(dates) <= 3 else f"{shown}, ..."  # noqa: PLR2004
