"""Leak tests: ask a forecaster, from outside, whether it sees its own answer.

Each test changes what must not matter and compares forecasts. None of them knows
how the forecaster works, so anybody's can be tested.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from closecast.errors import LeakageError
from closecast.forecast import Forecast, Forecaster
from closecast.market.bars import VOLUME, Bars, OwnColumn
from closecast.market.calendar import closing_hours
from closecast.windows.spec import WindowSpec
from closecast.windows.split import Split

PROBE_DATES = 3
PROBE_CUTOFFS = 200
ADJUSTMENT = 7.3
ADJUSTMENT_TOLERANCE = 1e-3
"""Share of the forecast's own spread that float rounding may move it by."""


@dataclass(frozen=True, slots=True)
class LeakResult:
    """Outcome of one leak test.

    Attributes:
        name: Which test.
        passed: Whether nothing leaked; None where there was nothing to check, which
            is no proof of anything.
        detail: What was done and found, in words.
    """

    name: str
    passed: bool | None
    detail: str

    @classmethod
    def counted(cls, name: str, moved: int, count: int, done: str) -> "LeakResult":
        """Judge a test by how many forecasts moved that must not.

        Args:
            name: Which test.
            moved: Forecasts that moved.
            count: Forecasts that were compared.
            done: What was changed, in words.

        Returns:
            The outcome: none where nothing was compared.
        """
        if count == 0:
            return cls(name, None, f"{done}: no forecast to compare, nothing checked")
        return cls(name, moved == 0, f"{done}: {moved} of {count} forecasts moved")

    @property
    def outcome(self) -> str:
        """How it ended, in words."""
        if self.passed is None:
            return "nothing checked"
        return "passed" if self.passed else "LEAK"


def run_leak_tests(
    forecaster: Forecaster[Bars],
    bars: Bars,
    cutoffs: Int[np.ndarray, " window"],
    seed: int = 0,
) -> list[LeakResult]:
    """Run every test that needs only a forecaster and bars.

    Args:
        forecaster: What is tested.
        bars: The panel.
        cutoffs: Rows to forecast at; a few dates among them are probed.
        seed: Seed of the noise.

    Returns:
        One result a test.
    """
    untouched = [
        forecaster.forecast(bars, known) for _, known in _probes(bars, cutoffs)
    ]
    return [
        future_perturbation(forecaster, bars, cutoffs, seed, untouched=untouched),
        truncation(forecaster, bars, cutoffs, untouched=untouched),
        adjustment_invariance(forecaster, bars, cutoffs, untouched=untouched),
        relabelling(forecaster, bars, cutoffs, untouched=untouched),
        same_day(forecaster, bars, cutoffs, closing_hours(bars), seed),
    ]


def future_perturbation(
    forecaster: Forecaster[Bars],
    bars: Bars,
    cutoffs: Int[np.ndarray, " window"],
    seed: int = 0,
    *,
    untouched: Sequence[Forecast] | None = None,
) -> LeakResult:
    """Replace every bar after a date by noise: no earlier forecast may move a bit.

    Args:
        forecaster: What is tested.
        bars: The panel.
        cutoffs: Rows to forecast at.
        seed: Seed of the noise.
        untouched: Forecasts of the probes from the panel as it is, where they are
            there already; otherwise they are made.

    Returns:
        The result.
    """
    moved = count = 0
    probes = _probes(bars, cutoffs)
    for (date, known), before in _with_forecasts(forecaster, bars, probes, untouched):
        later = bars.dates > date
        if later.any():
            noisy = with_noise(bars, later, seed)
            moved += _differing(before, forecaster.forecast(noisy, known))
            count += len(known)
    done = f"every bar after {_dates(probes)} replaced by noise"
    return LeakResult.counted("future_perturbation", moved, count, done)


def truncation(
    forecaster: Forecaster[Bars],
    bars: Bars,
    cutoffs: Int[np.ndarray, " window"],
    *,
    untouched: Sequence[Forecast] | None = None,
) -> LeakResult:
    """Cut the panel at a date: forecasts equal those from the whole panel.

    Args:
        forecaster: What is tested.
        bars: The panel.
        cutoffs: Rows to forecast at.
        untouched: As in ``future_perturbation``.

    Returns:
        The result.
    """
    moved = count = 0
    probes = _probes(bars, cutoffs)
    for (date, known), before in _with_forecasts(forecaster, bars, probes, untouched):
        keep = bars.dates <= date
        if not keep.all():
            shifted = (np.cumsum(keep) - 1)[known]
            moved += _differing(before, forecaster.forecast(bars.select(keep), shifted))
            count += len(known)
    return LeakResult.counted(
        "truncation", moved, count, f"panel cut at {_dates(probes)}"
    )


def adjustment_invariance(
    forecaster: Forecaster[Bars],
    bars: Bars,
    cutoffs: Int[np.ndarray, " window"],
    *,
    untouched: Sequence[Forecast] | None = None,
) -> LeakResult:
    """Multiply prices by 7.3 and divide volumes: returns forecast stay the same.

    A forecaster that moves has learned the price level, which a later split or
    dividend would change under it.

    Args:
        forecaster: What is tested.
        bars: The panel.
        cutoffs: Rows to forecast at.
        untouched: As in ``future_perturbation``.

    Returns:
        The result.
    """
    values = bars.values * ADJUSTMENT
    values[:, VOLUME] = bars.values[:, VOLUME] / ADJUSTMENT
    probes = _probes(bars, cutoffs)[-1:]
    last = None if untouched is None else untouched[-1:]
    ((_, known), original) = _with_forecasts(forecaster, bars, probes, last)[0]
    adjusted = forecaster.forecast(with_values(bars, values), known)
    spread = np.ptp(original.quantiles, axis=2).max() + 1e-12
    drift = float(np.abs(adjusted.quantiles - original.quantiles).max() / spread)
    return LeakResult(
        "adjustment_invariance",
        drift <= ADJUSTMENT_TOLERANCE,
        f"prices x {ADJUSTMENT}, volumes / {ADJUSTMENT}: forecasts moved by at most "
        f"{drift:.1e} of their spread ({len(known)} forecasts)",
    )


def relabelling(
    forecaster: Forecaster[Bars],
    bars: Bars,
    cutoffs: Int[np.ndarray, " window"],
    *,
    untouched: Sequence[Forecast] | None = None,
) -> LeakResult:
    """Rename every symbol: returns forecast stay the same.

    A forecaster that moves looks its answer up by name, in what it was trained on or
    in a file, and would do so for dates that it should not know yet.

    Args:
        forecaster: What is tested.
        bars: The panel.
        cutoffs: Rows to forecast at.
        untouched: Forecasts of the panel as it is, where they are made already.

    Returns:
        The result.
    """
    probes = _probes(bars, cutoffs)[-1:]
    last = None if untouched is None else untouched[-1:]
    ((_, known), original) = _with_forecasts(forecaster, bars, probes, last)[0]
    moved = _differing(original, forecaster.forecast(renamed(bars), known))
    return LeakResult.counted("relabelling", moved, len(known), "symbols renamed")


def same_day(
    forecaster: Forecaster[Bars],
    bars: Bars,
    cutoffs: Int[np.ndarray, " window"],
    hours_by_symbol: Mapping[str, float],
    seed: int = 0,
) -> LeakResult:
    """Replace the bars of a date that close later than a symbol's own.

    Seoul closes before New York opens: a forecast for Seoul that reads New York's close
    of the same date knows what comes next.

    Args:
        forecaster: What is tested.
        bars: The panel.
        cutoffs: Rows to forecast at.
        hours_by_symbol: When each symbol's session closes, in hours from the start of
            its date in UTC; one that is NaN is neither replaced nor asked for.
        seed: Seed of the noise.

    Returns:
        The result; where no date has symbols that close one after the other, nothing
        was checked.
    """
    hours = np.array([hours_by_symbol[s] for s in bars.symbols])[bars.symbol_ids]
    earlier = _closing_early(bars, cutoffs, hours)
    if len(earlier) == 0:
        return LeakResult(
            "same_day",
            None,
            "no forecast is made on a date on which another symbol closes later: "
            "nothing checked",
        )
    date, _ = _probes(bars, earlier)[-1]
    today = earlier[bars.dates[earlier] == date][:PROBE_CUTOFFS]
    moved = 0
    for hour in np.unique(hours[today]):
        own = today[hours[today] == hour]
        closes_later = (bars.dates == date) & (hours > hour)
        noisy = with_noise(bars, closes_later | (bars.dates > date), seed)
        before = forecaster.forecast(bars, own)
        moved += _differing(before, forecaster.forecast(noisy, own))
    done = f"bars of {date} that close later replaced by noise"
    return LeakResult.counted("same_day", moved, len(today), done)


def _closing_early(
    bars: Bars, cutoffs: Int[np.ndarray, " window"], hours: Float[np.ndarray, " row"]
) -> Int[np.ndarray, " some"]:
    # Cutoffs on whose date another symbol closes later; NaN hours are left out.
    days = bars.dates.astype("datetime64[D]").astype(np.int64)
    day = days - days.min()
    latest = np.full(day.max() + 1, -np.inf)
    known = ~np.isnan(hours)
    np.maximum.at(latest, day[known], hours[known])
    return np.asarray(cutoffs[hours[cutoffs] < latest[day[cutoffs]]])


def target_overlap(bars: Bars, split: Split, spec: WindowSpec) -> LeakResult:
    """Audit a split: no target of a block lies at or after the next block's start.

    Args:
        bars: The panel.
        split: Its blocks.
        spec: Shape of a window.

    Returns:
        The result.
    """
    last_train = bars.dates[split.train + spec.horizon].max()
    last_validation = bars.dates[split.validation + spec.horizon].max()
    first_validation = bars.dates[split.validation + 1].min()
    first_test = bars.dates[split.test + 1].min()
    return LeakResult(
        "target_overlap",
        bool(last_train < first_validation and last_validation < first_test),
        f"training targets end {last_train}, validation targets run "
        f"{first_validation} to {last_validation}, test targets start {first_test}",
    )


def scaler_audit(fitted_on: Mapping[str, tuple[str, str]], cut: str) -> LeakResult:
    """Audit what was fitted: no statistic has seen a bar at or after a cut.

    Args:
        fitted_on: ISO dates of the first and the last bar that each fitted thing has
            seen, by its name.
        cut: ISO date that the block after the training starts at.

    Returns:
        The result.
    """
    if not fitted_on:
        return LeakResult("scaler_audit", None, "nothing was fitted: nothing checked")
    late = [name for name, (_, last) in fitted_on.items() if not last < cut]
    first = min(first for first, _ in fitted_on.values())
    last = max(last for _, last in fitted_on.values())
    return LeakResult(
        "scaler_audit",
        not late,
        f"what {', '.join(fitted_on)} fitted runs {first} to {last}, and "
        f"the next block starts {cut}: {', '.join(late) or 'none'} reached into it",
    )


def require_no_leak(results: list[LeakResult]) -> None:
    """Stop where a test failed.

    Args:
        results: Outcomes of leak tests.

    Raises:
        LeakageError: A test failed.
    """
    for result in results:
        if result.passed is False:
            raise LeakageError(
                f"Expected forecasts that see only their past, got a leak in "
                f"{result.name}: {result.detail}. Do not trust this model; find what "
                "it reads after the cutoff."
            )


Probe = tuple[np.datetime64, Int[np.ndarray, " known"]]


def _probes(bars: Bars, cutoffs: Int[np.ndarray, " window"]) -> list[Probe]:
    """Pick dates among the cutoffs, each with the newest cutoffs up to it."""
    dates = np.unique(bars.dates[cutoffs])
    picked = dates[np.linspace(0, len(dates) - 1, PROBE_DATES + 2).astype(int)[1:-1]]
    newest = cutoffs[np.argsort(bars.dates[cutoffs], kind="stable")]
    return [
        (date, newest[bars.dates[newest] <= date][-PROBE_CUTOFFS:])
        for date in np.unique(picked)
    ]


def _with_forecasts(
    forecaster: Forecaster[Bars],
    bars: Bars,
    probes: list[Probe],
    untouched: Sequence[Forecast] | None,
) -> list[tuple[Probe, Forecast]]:
    if untouched is None:
        untouched = [forecaster.forecast(bars, known) for _, known in probes]
    return list(zip(probes, untouched, strict=True))


def with_noise(bars: Bars, replaced: Bool[np.ndarray, " row"], seed: int) -> Bars:
    """Replace bars by noise that knows nothing of them.

    Args:
        bars: The panel.
        replaced: Rows to replace.
        seed: Seed of the noise.

    Returns:
        A panel of the same symbols and dates.
    """
    random = np.random.default_rng(seed)
    body = np.exp(3 * random.standard_normal((len(bars), 2)))
    values = np.column_stack(
        [
            body[:, 0],
            body.max(axis=1) * 1.5,
            body.min(axis=1) / 1.5,
            body[:, 1],
            1e6 * body[:, 0],
        ]
    )
    noisy = with_values(bars, np.where(replaced[:, None], values, bars.values))
    return replace(noisy, own=_noisy_own(bars, replaced, random))


def _noisy_own(
    bars: Bars, replaced: Bool[np.ndarray, " row"], random: np.random.Generator
) -> dict[str, OwnColumn]:
    # What is told at a replaced row and was not always so; a row that stays keeps what
    # was known ahead at it.
    return {
        name: column
        if column.kind == "static"
        else replace(
            column,
            told=np.where(
                replaced[:, None],
                6 * random.random(column.told.shape) - 3,
                column.told,
            ),
        )
        for name, column in bars.own.items()
    }


def with_values(bars: Bars, values: Float[np.ndarray, "row column"]) -> Bars:
    """Put other values into a panel.

    Args:
        bars: The panel.
        values: Open, high, low, close and volume of each row.

    Returns:
        A panel of the same symbols and dates.
    """
    return replace(bars, values=values)


def renamed(bars: Bars) -> Bars:
    """Give every symbol another name, in the same order.

    Args:
        bars: The panel.

    Returns:
        The same bars under other names.
    """
    return replace(bars, symbols=tuple(f"renamed {name}" for name in bars.symbols))


def _differing(one: Forecast, other: Forecast) -> int:
    same = (one.quantiles == other.quantiles).all(axis=(1, 2))
    return int((~(same & (one.mean == other.mean).all(axis=1))).sum())


def _dates(probes: list[Probe]) -> str:
    return ", ".join(str(date) for date, _ in probes)
