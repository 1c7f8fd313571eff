"""Whether the live record is still as it was meant: fine, watch, retrain or stop.

Two monitors look at the first step of live forecasts, whose targets do not overlap.
Coverage of the last dates is held against a binomial band; the CRPS is held against
EWMA-t by a CUSUM, that adds up how much worse the model was. Both count the newest
model alone once it has enough dates, so that a retrained one starts afresh.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped

from closecast.evaluation.calibration import effective_trials
from closecast.evaluation.resampling import sum_per_date
from closecast.serving.ledger.board import Table, shared

FINE, WATCH, RETRAIN, STOP = STATES = ("fine", "watch", "retrain", "stop")

YARDSTICK = "ewma_t"
"""The baseline that the CRPS is held against."""

WINDOW = 60
"""Dates whose coverage is looked at: about a quarter of a year."""

MIN_DATES = 20
"""Fewer dates say nothing."""

BANDS = {WATCH: 0.99, RETRAIN: 0.999, STOP: 0.999_999}
"""A coverage outside the central band of that probability has that state."""

ALLOWANCE = 0.25
"""Standard deviations a date by which a model may be worse without an alarm."""

LIMITS = {WATCH: 6.0, RETRAIN: 10.0, STOP: 14.0}
"""Where the CUSUM alarms: of a model as good as EWMA-t once in about 250, 2,000 and
15,000 dates.

Source: Siegmund (1985), Sequential Analysis, equation 2.52.
"""

LARGEST_MOVE = 3.0
"""Standard deviations that one date adds at most: a single crash is no drift."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """What one monitor says.

    Attributes:
        name: ``coverage_80``, ``coverage_95`` or ``crps``.
        state: ``fine``, ``watch``, ``retrain`` or ``stop``.
        dates: Dates that it has seen.
        early: Whether they are too few to say anything but ``fine``.
        value: Coverage, or where the CUSUM stands, in standard deviations.
        low: Lower end of what is fine.
        high: Upper end of what is fine.
    """

    name: str
    state: str
    dates: int
    early: bool
    value: float | None
    low: float | None
    high: float | None

    def to_dict(self) -> dict[str, object]:
        """Lay it out for JSON.

        Returns:
            Plain values.
        """
        return asdict(self)


def monitors_of(table: Table, judged: str, since: str) -> tuple[Monitor, ...]:
    """Look at the live record.

    Args:
        table: Live scores of all models.
        judged: The model that is watched.
        since: First cutoff of its newest version, ISO.

    Returns:
        Coverage of the 80 and 95 % intervals, and CRPS against EWMA-t.
    """
    parts = _newest(shared(table, 1, [judged, YARDSTICK]), judged, since)
    own = parts.get(judged)
    if own is None:
        return tuple(_early(name, 0) for name in ("coverage_80", "coverage_95", "crps"))
    return (
        coverage_monitor("coverage_80", own.held[:, 1], own.cutoff, 0.80),
        coverage_monitor("coverage_95", own.held[:, 2], own.cutoff, 0.95),
        crps_monitor((own.crps - parts[YARDSTICK].crps) / own.scale, dates=own.cutoff),
    )


def worst(monitors: Sequence[Monitor]) -> str:
    """Name the worst state of some monitors; fine where there is none."""
    return max((one.state for one in monitors), key=STATES.index, default=FINE)


def coverage_monitor(
    name: str,
    held: Bool[np.ndarray, " forecast"],
    dates: Shaped[np.ndarray, " forecast"],
    nominal: float,
) -> Monitor:
    """Hold the coverage of the last dates against a binomial band.

    Args:
        name: What the monitor is called.
        held: Whether the interval held the close, of each forecast.
        dates: Its cutoff.
        nominal: What the interval promises.

    Returns:
        The state; the band is that of as many independent trials as the forecasts are
        worth, since symbols of one date share their news.
    """
    days = np.unique(dates)[-WINDOW:]
    if len(days) < MIN_DATES:
        return _early(name, len(days))
    recent = dates >= days[0]
    trials = max(round(effective_trials(held[recent], dates[recent], 1)), 1)
    share = float(held[recent].mean())
    low, high = _band(trials, nominal, BANDS[WATCH])
    outside = [
        state
        for state, probability in BANDS.items()
        if not _inside(share, _band(trials, nominal, probability))
    ]
    return Monitor(
        name=name,
        state=outside[-1] if outside else FINE,
        dates=len(days),
        early=False,
        value=share,
        low=low,
        high=high,
    )


def crps_monitor(
    differences: Float[np.ndarray, " forecast"],
    dates: Shaped[np.ndarray, " forecast"],
) -> Monitor:
    """Add up how much worse a model was than its yardstick.

    Args:
        differences: CRPS of the model less that of the yardstick, of each forecast.
        dates: Its cutoff.

    Returns:
        The state, by where the CUSUM stands now.
    """
    days, counts = np.unique(dates, return_counts=True)
    if len(days) < MIN_DATES:
        return _early("crps", len(days))
    by_date = sum_per_date(differences[:, None], dates)[:, 0] / counts
    value = float(cusum(by_date)[-1])
    above = [state for state, limit in LIMITS.items() if value > limit]
    return Monitor(
        name="crps",
        state=above[-1] if above else FINE,
        dates=len(days),
        early=False,
        value=value,
        low=0.0,
        high=LIMITS[WATCH],
    )


def cusum(losses: Float[np.ndarray, " date"]) -> Float[np.ndarray, " date"]:
    """Run a one-sided CUSUM over loss differences.

    Args:
        losses: A difference a date, oldest first; above 0 is worse.

    Returns:
        Where it stands after each date, in standard deviations of the dates before;
        0 during the first ``MIN_DATES``, which tell that deviation.

    Source: Page (1954), Continuous inspection schemes, doi:10.1093/biomet/41.1-2.100.
    """
    stands = np.zeros(len(losses))
    for at in range(MIN_DATES, len(losses)):
        spread = float(np.sqrt(np.mean(losses[:at] ** 2)))
        move = losses[at] / max(spread, np.finfo(float).tiny)
        move = float(np.clip(move, -LARGEST_MOVE, LARGEST_MOVE))
        stands[at] = max(0.0, stands[at - 1] + move - ALLOWANCE)
    return stands


def _newest(parts: Mapping[str, Table], judged: str, since: str) -> dict[str, Table]:
    # the newest version alone, once it has enough dates
    if not parts:
        return {}
    new = parts[judged].cutoff >= np.datetime64(since)
    if len(np.unique(parts[judged].cutoff[new])) < MIN_DATES:
        return dict(parts)
    return {name: part.take(new) for name, part in parts.items()}


def _band(trials: int, nominal: float, probability: float) -> tuple[float, float]:
    # shares of hits between the tails of a binomial distribution
    from scipy.special import bdtr

    counts = np.arange(trials + 1)
    below = bdtr(counts, trials, nominal)
    tail = (1 - probability) / 2
    low = int(np.argmax(below > tail))
    high = int(np.argmax(below >= 1 - tail))
    return low / trials, high / trials


def _inside(share: float, band: tuple[float, float]) -> bool:
    return band[0] <= share <= band[1]


def _early(name: str, dates: int) -> Monitor:
    return Monitor(
        name=name,
        state=FINE,
        dates=dates,
        early=True,
        value=None,
        low=None,
        high=None,
    )
