"""Leak tests for anybody's forecaster, by what it does and not by what it is.

Three kinds are understood by their methods alone: a function, an object with Nixtla's
``cross_validation``, and one with Darts' ``historical_forecasts``. Nothing is known of
their insides. Forecasts may move by rounding, since others train in single precision.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Shaped

from closecast.errors import ClosecastError, MissingExtraError, ModelError, SettingError
from closecast.evaluation.no_skill import NAME, label_shuffle
from closecast.market.bars import VOLUME, Bars
from closecast.market.panels import bars_of
from closecast.market.readers import to_frame
from closecast.models.baselines.location_scale import expanding_moments
from closecast.windows.leakage import (
    ADJUSTMENT,
    LeakResult,
    renamed,
    with_noise,
    with_values,
)
from closecast.windows.permuted import block_ends, permuted_market

HORIZON = 5
PROBE_DATES = 3
SHUFFLED = 30
"""Cutoffs that are judged where sessions are dealt out anew."""

BEFORE_EACH = 4
"""Cutoffs before a probed date that are asked for as well."""

TOLERANCE = 1e-5
"""Share of the last close that rounding may move a forecast by."""

ADJUSTMENT_TOLERANCE = 5e-3
"""The same where prices are in another unit: an optimiser may stop elsewhere."""

SYMBOLS = ("symbol", "unique_id")
DATES = ("date", "ds")
NOT_FORECASTS = {*SYMBOLS, *DATES, "cutoff", "step", "y", "last_close", "index"}

Key = tuple[str, str, int]
"""Symbol, ISO date of the cutoff, step from 1."""

Answers = dict[Key, Shaped[np.ndarray, " column"]]
"""Forecasts in price units, each over the last close."""

Dates = Shaped[np.ndarray, " date"]


def leak_test(
    forecaster: Any,  # noqa: ANN401  anybody's
    prices: object,
    *,
    horizon: int = HORIZON,
    options: Mapping[str, Any] | None = None,
) -> list[LeakResult]:
    """Test anybody's forecaster for leaks.

    Args:
        forecaster: One of three. A function ``f(frame)`` that is given the bars up to
            a cutoff, or ``f(frame, cutoffs)`` that is given all bars and ISO dates to
            forecast at; it returns a frame with symbol, cutoff, step or date, and
            forecasts in price units. An object with Nixtla's ``cross_validation``. An
            object with Darts' ``historical_forecasts``.
        prices: A frame, a path or a panel; the model is given its closes.
        horizon: Sessions to forecast, for objects.
        options: Further arguments of ``cross_validation`` or ``historical_forecasts``,
            such as ``{"refit": True}``.

    Returns:
        One result a test.

    Raises:
        BarsError: The prices break a rule.
        SettingError: The forecaster is of no known kind, or says something else each
            time it is asked.
        ModelError: It raised an error, or its answer cannot be read.
    """
    bars = bars_of(prices)
    outside = _adapted(forecaster, horizon, dict(options or {}))
    cutoffs = _cutoffs(bars, horizon)
    before = _answer(outside, bars, cutoffs)
    if outside.chooses_cutoffs:
        cutoffs = np.unique(np.array([key[1] for key in before], "datetime64[D]"))
    _require_repeatable(outside, bars, cutoffs, before)
    results = [_perturbed(outside, bars, cutoffs, before)]
    if outside.sees_whole_frame and not outside.chooses_cutoffs:
        results.append(_truncated(outside, bars, cutoffs, before))
    results.append(_adjusted(outside, bars, cutoffs, before))
    results.append(_relabelled(outside, bars, cutoffs, before))
    results.append(_shuffled(outside.over(SHUFFLED), bars, horizon))
    return results


def find_forecaster(place: str) -> Any:  # noqa: ANN401  anybody's
    """Import what ``module:name`` names.

    Args:
        place: A module on the path and a name inside it.

    Returns:
        The function or object.

    Raises:
        SettingError: There is none.
    """
    from importlib import import_module

    module, _, name = place.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise SettingError(
            f"Expected a forecaster as module:function, got {place!r} ({error}). Name "
            "a module that Python finds here and a function or object inside it."
        ) from error


def _adapted(
    forecaster: Any,  # noqa: ANN401
    horizon: int,
    options: dict[str, Any],
) -> "Outside":
    name = getattr(forecaster, "__name__", type(forecaster).__name__)
    if hasattr(forecaster, "cross_validation"):
        return _Nixtla(name=name, model=forecaster, horizon=horizon, options=options)
    if hasattr(forecaster, "historical_forecasts"):
        return _Darts(name=name, model=forecaster, horizon=horizon, options=options)
    if callable(forecaster):
        return _Function(name=name, function=forecaster)
    raise SettingError(
        "Expected a function, or an object with cross_validation or "
        f"historical_forecasts, got {type(forecaster).__name__}. Wrap it in a function "
        "of a frame and its cutoffs."
    )


@dataclass(frozen=True, kw_only=True)
class _Function:
    """A function of the bars up to a cutoff, or of all bars and the cutoffs."""

    name: str
    function: Callable[..., Any]
    chooses_cutoffs: bool = False

    @property
    def sees_whole_frame(self) -> bool:
        """Whether it is given the cutoffs beside all bars."""
        parameters = inspect.signature(self.function).parameters.values()
        needed = [
            p
            for p in parameters
            if p.default is p.empty
            and p.kind in {p.POSITIONAL_OR_KEYWORD, p.POSITIONAL_ONLY}
        ]
        return len(needed) > 1

    def over(self, windows: int) -> "_Function":  # noqa: ARG002
        """It is told its cutoffs."""
        return self

    def answer(self, bars: Bars, cutoffs: Dates) -> Answers:
        """Ask once for all cutoffs, or once for each."""
        if self.sees_whole_frame:
            texts = [str(date) for date in cutoffs]
            return _read_answers(self.function(to_frame(bars), texts), bars)
        answers: Answers = {}
        for date in cutoffs:
            known = bars.select(bars.dates <= date)
            answers |= _read_answers(self.function(to_frame(known)), known)
        return answers


@dataclass(frozen=True, kw_only=True)
class _Nixtla:
    """An object whose ``cross_validation`` is given closes as unique_id, ds and y."""

    name: str
    model: Any
    horizon: int
    options: dict[str, Any]
    windows: int = PROBE_DATES
    sees_whole_frame: bool = True
    chooses_cutoffs: bool = True

    def over(self, windows: int) -> "_Nixtla":
        """Ask it for so many cutoffs."""
        return replace(self, windows=windows)

    def answer(self, bars: Bars, cutoffs: Dates) -> Answers:  # noqa: ARG002
        """Cross-validate; the cutoffs are the library's."""
        frame = to_frame(bars)[["symbol", "date", "close"]]
        frame.columns = ["unique_id", "ds", "y"]
        known = inspect.signature(self.model.cross_validation).parameters
        mine = {"h": self.horizon, "n_windows": self.windows, "step_size": self.horizon}
        arguments = {name: value for name, value in mine.items() if name in known}
        found = self.model.cross_validation(df=frame, **(arguments | self.options))
        return _read_answers(found, bars)


@dataclass(frozen=True, kw_only=True)
class _Darts:
    """An object whose ``historical_forecasts`` is given one series a symbol."""

    name: str
    model: Any
    horizon: int
    options: dict[str, Any]
    windows: int = PROBE_DATES
    sees_whole_frame: bool = True
    chooses_cutoffs: bool = True

    def over(self, windows: int) -> "_Darts":
        """Ask it for so many cutoffs."""
        return replace(self, windows=windows)

    def answer(self, bars: Bars, cutoffs: Dates) -> Answers:  # noqa: ARG002
        """Forecast the end of each series, by position and not by date."""
        try:
            from darts import TimeSeries  # type: ignore[import-not-found]
        except ImportError as error:
            raise MissingExtraError(
                f"Expected Darts for an object of its kind, got none ({error}). "
                "Install darts beside closecast."
            ) from error
        length = self.horizon * (self.windows + 1)
        arguments = {
            "start": -length,
            "start_format": "position",
            "forecast_horizon": self.horizon,
            "stride": self.horizon,
            "last_points_only": False,
            "verbose": False,
        } | self.options
        answers: Answers = {}
        for symbol, start, end in bars:
            series = TimeSeries.from_values(bars.close[start:end].copy())
            for forecast in self.model.historical_forecasts(series, **arguments):
                cutoff = int(forecast.time_index[0]) - 1 + start
                values = forecast.values() / bars.close[cutoff]
                for step, value in enumerate(values, start=1):
                    answers[symbol, str(bars.dates[cutoff]), step] = value
        return answers


Outside = _Function | _Nixtla | _Darts


def _cutoffs(bars: Bars, horizon: int) -> Dates:
    dates = np.unique(bars.dates)
    later = dates[len(dates) // 2 : len(dates) - horizon]
    if len(later) <= PROBE_DATES * BEFORE_EACH:
        raise SettingError(
            f"Expected prices of a few dozen sessions to test with, got {len(dates)}. "
            "Use a longer series."
        )
    ends = np.linspace(BEFORE_EACH, len(later) - 1, PROBE_DATES).astype(int)
    return np.unique(later[ends[:, None] - np.arange(BEFORE_EACH + 1)])


def _probed(cutoffs: Dates) -> Shaped[np.ndarray, " probe"]:
    places = np.linspace(0, len(cutoffs) - 1, PROBE_DATES + 1).astype(int)[:-1]
    return np.unique(cutoffs[places])


def _answer(outside: Outside, bars: Bars, cutoffs: Dates) -> Answers:
    try:
        answers = outside.answer(bars, cutoffs)
    except ClosecastError:
        raise
    except Exception as error:  # another's code may raise anything
        raise ModelError(
            f"Expected forecasts from {outside.name}, got {type(error).__name__}: "
            f"{error}. Try it on these prices by itself."
        ) from error
    if not answers:
        raise ModelError(
            f"Expected forecasts from {outside.name}, got none. Give it a longer "
            "series or a shorter horizon."
        )
    return answers


def _read_answers(frame: Any, bars: Bars) -> Answers:  # noqa: ANN401  any dataframe
    import narwhals as nw

    table = nw.from_native(frame, eager_only=True)
    symbol = _column(table.columns, SYMBOLS)
    names = [name for name in table.columns if name not in NOT_FORECASTS]
    numeric = [name for name in names if table[name].dtype.is_numeric()]
    if not numeric:
        raise ModelError(
            f"Expected columns with forecasts in price units, got {table.columns}. "
            "Name them as you like, beside symbol, cutoff and step or date."
        )
    symbols = [str(one) for one in table[symbol].to_list()]
    cutoffs = _answered_cutoffs(table, symbols, bars)
    steps = _answered_steps(table, symbols, cutoffs)
    values = np.stack(
        [np.asarray(table[name].to_list(), dtype=float) for name in numeric], axis=-1
    )
    close = _closes(bars)
    return {
        (one, cutoff, step): row / close[one, cutoff]
        for one, cutoff, step, row in zip(symbols, cutoffs, steps, values, strict=True)
        if (one, cutoff) in close
    }


def _column(columns: Sequence[str], names: Sequence[str]) -> str:
    for name in names:
        if name in columns:
            return name
    raise ModelError(
        f"Expected a column {' or '.join(names)} in the forecasts, got "
        f"{', '.join(columns)}. Rename one."
    )


def _answered_cutoffs(table: Any, symbols: list[str], bars: Bars) -> list[str]:  # noqa: ANN401
    if "cutoff" in table.columns:
        return [str(np.datetime64(c, "D")) for c in table["cutoff"].to_list()]
    last = {name: str(bars.dates[end - 1]) for name, _, end in bars}
    return [last.get(symbol, "") for symbol in symbols]


def _answered_steps(
    table: Any,  # noqa: ANN401
    symbols: list[str],
    cutoffs: list[str],
) -> list[int]:
    if "step" in table.columns:
        return [int(step) for step in table["step"].to_list()]
    dates = [str(date) for date in table[_column(table.columns, DATES)].to_list()]
    places: dict[int, int] = {}
    seen: dict[tuple[str, str], int] = {}
    order = sorted(range(len(dates)), key=lambda row: dates[row])
    for row in order:
        key = symbols[row], cutoffs[row]
        seen[key] = places[row] = seen.get(key, 0) + 1
    return [places[row] for row in range(len(dates))]


def _closes(bars: Bars) -> dict[tuple[str, str], float]:
    return {
        (symbol, str(bars.dates[row])): float(bars.close[row])
        for symbol, start, end in bars
        for row in range(start, end)
    }


def _require_repeatable(
    outside: Outside, bars: Bars, cutoffs: Dates, before: Answers
) -> None:
    found = _difference(before, _answer(outside, bars, cutoffs), None)
    if found.moved:
        raise SettingError(
            "Expected the same forecasts from the same prices, got "
            f"{found.moved} others from {outside.name} (by up to {found.most:.2%} of "
            "the last close). Set its seed: otherwise no test can tell a leak from "
            "chance."
        )


@dataclass(frozen=True, slots=True)
class _Difference:
    """Forecasts that moved, the largest move over the last close, and of how many."""

    moved: int = 0
    most: float = 0.0
    count: int = 0

    def __add__(self, other: "_Difference") -> "_Difference":
        return _Difference(
            self.moved + other.moved,
            max(self.most, other.most),
            self.count + other.count,
        )

    def result(self, name: str, done: str) -> LeakResult:
        """Judge a test by it."""
        judged = LeakResult.counted(name, self.moved, self.count, done)
        if not self.moved:
            return judged
        by = f", by up to {self.most:.2%} of the last close"
        return replace(judged, detail=judged.detail + by)


def _perturbed(
    outside: Outside, bars: Bars, cutoffs: Dates, before: Answers
) -> LeakResult:
    if not outside.sees_whole_frame:
        return LeakResult(
            "future_perturbation",
            None,
            "it is given no bar after a cutoff: nothing to check",
        )

    def with_other_future(date: np.datetime64) -> Answers:
        return _answer(outside, with_noise(bars, bars.dates > date, 0), cutoffs)

    found = _over_probes(with_other_future, cutoffs, before)
    done = f"every bar after {_named(cutoffs)} replaced by noise"
    return found.result("future_perturbation", done)


def _truncated(
    outside: Outside, bars: Bars, cutoffs: Dates, before: Answers
) -> LeakResult:
    def without_future(date: np.datetime64) -> Answers:
        cut = bars.select(bars.dates <= date)
        return _answer(outside, cut, cutoffs[cutoffs <= date])

    found = _over_probes(without_future, cutoffs, before)
    return found.result("truncation", f"panel cut at {_named(cutoffs)}")


def _over_probes(
    ask: Callable[[np.datetime64], Answers], cutoffs: Dates, before: Answers
) -> _Difference:
    found = _Difference()
    for date in _probed(cutoffs):
        found += _difference(before, ask(date), date)
    return found


def _adjusted(
    outside: Outside, bars: Bars, cutoffs: Dates, before: Answers
) -> LeakResult:
    values = bars.values * ADJUSTMENT
    values[:, VOLUME] = bars.values[:, VOLUME] / ADJUSTMENT
    after = _answer(outside, with_values(bars, values), cutoffs)
    found = _difference(before, after, None, ADJUSTMENT_TOLERANCE)
    done = f"prices x {ADJUSTMENT}, volumes / {ADJUSTMENT}"
    return found.result("adjustment_invariance", done)


def _relabelled(
    outside: Outside, bars: Bars, cutoffs: Dates, before: Answers
) -> LeakResult:
    other = renamed(bars)
    names = dict(zip(other.symbols, bars.symbols, strict=True))
    try:
        answers = _answer(outside, other, cutoffs)
    except ModelError as error:  # it knows the old names only
        return LeakResult(
            "relabelling", passed=False, detail=f"symbols renamed: {error}"
        )
    after = {(names.get(s, s), cut, step): v for (s, cut, step), v in answers.items()}
    return _difference(before, after, None).result("relabelling", "symbols renamed")


def _shuffled(outside: Outside, bars: Bars, horizon: int) -> LeakResult:
    market = permuted_market(bars, horizon)
    rows = block_ends(market, horizon, SHUFFLED)
    answers = _answer(outside, market, np.unique(market.dates[rows]))
    steps = np.unique([step for _, _, step in answers if step <= horizon])
    kept, means = [], []
    for row in rows:
        name, cutoff = market.symbol_of(row), str(market.dates[row])
        path = [answers.get((name, cutoff, step)) for step in steps.tolist()]
        if all(value is not None and value[0] > 0 for value in path):
            kept.append(row)
            means.append([np.log(value[0]) for value in path if value is not None])
    done = f"sessions dealt out anew in blocks of {horizon}"
    if not kept:
        return LeakResult(NAME, None, f"{done}: no forecast at the end of a block")
    cutoffs, logs = np.array(kept)[:, None], np.log(market.close)
    truth = logs[cutoffs + steps] - logs[cutoffs]
    drift = expanding_moments(market)[0][cutoffs] * steps
    return label_shuffle(
        (truth - np.array(means)) ** 2,
        (truth - drift) ** 2,
        market.dates[cutoffs[:, 0]],
        done,
    )


def _difference(
    before: Answers,
    after: Answers,
    until: np.datetime64 | None,
    tolerance: float = TOLERANCE,
) -> _Difference:
    # Over the forecasts up to a date; one that went missing moved.
    moved, most, count = 0, 0.0, 0
    for key, value in before.items():
        if until is not None and key[1] > str(until):
            continue
        count += 1
        other = after.get(key)
        gap = np.inf if other is None else float(np.max(np.abs(other - value)))
        if not gap <= tolerance:
            moved += 1
            most = max(most, gap if np.isfinite(gap) else most)
    return _Difference(moved, most, count)


def _named(cutoffs: Dates) -> str:
    return ", ".join(str(date) for date in _probed(cutoffs))
