"""What is about to be recorded: forecasts of several models from the same cutoffs.

It carries when the first answer of each window can be known, so that the ledger, and
not its caller, decides what is late.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from jaxtyping import Bool, Int, Shaped

from closecast.errors import LedgerError, SettingError
from closecast.forecast import Forecast
from closecast.market.bars import Bars
from closecast.market.calendar import ALWAYS, AUTO, market_of, session_closes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Publication:
    """Forecasts to record.

    Attributes:
        forecasts: Of the same windows, by the model's name; the judged model first,
            then the baselines that it is to be held against.
        model_hashes: SHA-256 of each model, by its name.
        data_hash: Fingerprint of the bars that they were made from.
        known_at: When the first target session of each window ends, UTC,
            ``datetime64[s]``.
        known: Whether a later bar of the symbol lay before whoever made them.
        code: Version of closecast that made them.
    """

    forecasts: Mapping[str, Forecast]
    model_hashes: Mapping[str, str]
    data_hash: str
    known_at: Shaped[np.ndarray, " window"]
    known: Bool[np.ndarray, " window"]
    code: str = f"closecast {version('closecast')}"

    def __post_init__(self) -> None:
        first, *others = self.forecasts.values()
        for forecast in others:
            same = all(
                np.array_equal(getattr(forecast, name), getattr(first, name))
                for name in ("symbols", "cutoffs", "last_close", "target_dates")
            )
            if not same:
                raise LedgerError(
                    "Expected forecasts of the same windows, got different ones "
                    f"({', '.join(self.forecasts)}). Forecast the same cutoffs."
                )
        for name, forecast in self.forecasts.items():
            _require_sound(name, forecast)

    def late(self, now: dt.datetime) -> Bool[np.ndarray, " window"]:
        """Tell which windows could know their first answer.

        Args:
            now: The time.

        Returns:
            True where a later bar was seen, or the first target session is over.
        """
        moment = np.datetime64(now.astimezone(dt.UTC).replace(tzinfo=None))
        return np.asarray(self.known | (self.known_at <= moment))

    @classmethod
    def of(
        cls,
        forecasts: Mapping[str, Forecast],
        bars: Bars,
        *,
        model_hashes: Mapping[str, str],
        calendar: str = AUTO,
        seen: Bars | None = None,
    ) -> "Publication":
        """Prepare forecasts that were made from a panel.

        Args:
            forecasts: As in the class.
            bars: The panel that they were made from.
            model_hashes: As in the class.
            calendar: Exchange of the symbols; ``auto`` recognises it.
            seen: A panel that may go on beyond the cutoffs; ``bars`` by default.

        Returns:
            The publication.

        Raises:
            LedgerError: The forecasts are not of the same windows, or not finite.
            SettingError: A symbol's market is not recognised, so that nobody can say
                when its answers are known.
        """
        first = next(iter(forecasts.values()))
        newest = seen or bars
        last = dict(
            zip(newest.symbols, newest.dates[newest.offsets[1:] - 1], strict=True)
        )
        return cls(
            forecasts=forecasts,
            model_hashes=model_hashes,
            data_hash=bars.fingerprint,
            known_at=closes_of(bars, first.symbols, first.target_dates[:, 0], calendar),
            known=np.array([last[str(s)] for s in first.symbols]) > first.cutoffs,
        )


def closes_of(
    bars: Bars,
    symbols: Shaped[np.ndarray, " window"],
    dates: Shaped[np.ndarray, " window"],
    calendar: str = AUTO,
) -> Shaped[np.ndarray, " window"]:
    """Say when sessions of some symbols end.

    Args:
        bars: Their past, by which a market is recognised.
        symbols: A symbol for each date.
        dates: Sessions.
        calendar: Exchange of all; ``auto`` recognises each symbol's.

    Returns:
        Moments in UTC, ``datetime64[s]``.

    Raises:
        SettingError: A symbol's market is not recognised.
    """
    ends = np.empty(len(dates), "datetime64[s]")
    markets = np.array([_market(bars, str(s), calendar) for s in symbols], object)
    for market in np.unique(markets.astype(str)):
        here: Bool[np.ndarray, " window"] = markets == market
        ends[here] = session_closes(str(market), dates[here])
    return ends


def rows_at(
    bars: Bars,
    symbols: Shaped[np.ndarray, " window"],
    dates: Shaped[np.ndarray, " window"],
) -> Int[np.ndarray, " window"]:
    """Find the bars of some symbols on some dates.

    Args:
        bars: The panel.
        symbols: Names.
        dates: A date for each.

    Returns:
        Rows of the panel, -1 where there is no such bar.
    """
    names = np.asarray(bars.symbols)
    ids = np.minimum(np.searchsorted(names, symbols), len(names) - 1)
    rows = np.full(len(symbols), -1)
    for at in np.unique(ids[names[ids] == symbols]):
        here = np.flatnonzero((ids == at) & (symbols == names[at]))
        start, end = int(bars.offsets[at]), int(bars.offsets[at + 1])
        place = start + np.searchsorted(bars.dates[start:end], dates[here])
        found = (place < end) & (bars.dates[np.minimum(place, end - 1)] == dates[here])
        rows[here[found]] = place[found]
    return rows


def _market(bars: Bars, symbol: str, calendar: str) -> str:
    if calendar != AUTO:
        return calendar
    at = bars.symbols.index(symbol)
    dates = bars.dates[bars.offsets[at] : bars.offsets[at + 1]]
    market = market_of(dates)
    if not market:
        raise SettingError(
            f"Expected a market whose closing time is known, got symbol {symbol} with "
            f"{len(dates)} sessions of none. Set calendar to its exchange, such as "
            f"XNYS or XKRX, or to {ALWAYS}."
        )
    return market


def _require_sound(name: str, forecast: Forecast) -> None:
    # what can be stored can be scored: finite, and sorted along the levels
    finite = np.isfinite(forecast.quantiles).all() and np.isfinite(forecast.mean).all()
    if not finite or np.any(np.diff(forecast.quantiles, axis=-1) < 0):
        raise LedgerError(
            f"Expected a forecast of finite, ascending quantiles, got another one "
            f"(model {name}). Look for a training that diverged."
        )
