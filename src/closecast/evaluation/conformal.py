"""Intervals that hold: rescaled by what they missed, and only by what is known.

Split conformal prediction measures on a validation tail how far the intervals of each
step must be stretched around the median to cover what they promise. From then on
adaptive conformal inference moves the promise as closes come true, for each step and
market: a window counts from the date of its last target on, never before, and for
symbols of its own market alone. Seoul closes before New York; where the market is not
known a window counts from the date after.

Windows of one date share their news, so that the guarantee of exchangeable scores
does not hold on prices; what remains is that the long-run share of misses is steered
to the nominal one, whatever the prices do.

Source: Romano, Patterson and Candes (2019), Conformalized quantile regression,
arXiv:1905.03222; Gibbs and Candes (2021), Adaptive conformal inference under
distribution shift, arXiv:2106.00170, equation 2.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from closecast.errors import WindowError
from closecast.forecast import (
    MEDIAN,
    NOMINAL,
    Forecast,
    Forecaster,
    distances_from_median,
    stretched_quantiles,
)
from closecast.market.bars import Bars
from closecast.windows.index import cutoffs_with_context
from closecast.windows.peers import OTHER, markets
from closecast.windows.scaling import WindowData
from closecast.windows.spec import WindowSpec

STEP_SIZE = 0.005
"""How far one date's misses move the promise: the value of Gibbs and Candes."""

MIN_WINDOWS = 40
"""Fewer validation windows do not reach the 95 % interval: 1 / (1 - 0.95), twice."""

PROBABILITIES = np.arange(1, 200) / 200
"""Where the distribution of scores is kept."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conformal:
    """How far the intervals of each step are to be stretched.

    Attributes:
        adapts_from: Date of the first cutoff whose outcome moves the promise.
        table: Quantiles of the scores at ``PROBABILITIES``, for each step and
            central interval; a score of 1 lies on the interval's edge.
    """

    adapts_from: np.datetime64
    table: Float[np.ndarray, "horizon interval probability"]

    def factors(
        self, coverage: Float[np.ndarray, "horizon interval"]
    ) -> Float[np.ndarray, "horizon interval"]:
        """Look up how far to stretch.

        Args:
            coverage: Share of validation scores that the interval shall hold.

        Returns:
            A factor of the distance from the median.
        """
        last = len(PROBABILITIES) - 1
        place = np.clip(coverage * (last + 2) - 1, 0.0, last)
        left = np.minimum(place.astype(np.int64), last - 1)[..., None]
        weight = place - left[..., 0]
        low, high = (
            np.take_along_axis(self.table, at, axis=2)[..., 0]
            for at in (left, left + 1)
        )
        return np.asarray((1 - weight) * low + weight * high)

    def to_dict(self) -> dict[str, Any]:
        """Give the calibration as plain values.

        Returns:
            What ``of`` reads back, to the last bit.
        """
        return {"adapts_from": str(self.adapts_from), "table": self.table.tolist()}

    @classmethod
    def of(cls, values: Mapping[str, Any], horizon: int) -> "Conformal":
        """Make a calibration from plain values.

        Args:
            values: What ``to_dict`` gave.
            horizon: Steps of the forecasts that it is for.

        Returns:
            The calibration.

        Raises:
            ValueError: The table is of another shape, or holds what is no number.
        """
        table = np.asarray(values["table"], dtype=np.float64)
        if table.shape != (horizon, MEDIAN, len(PROBABILITIES)):
            raise ValueError(f"a table of {table.shape}")
        if not np.isfinite(table).all():
            raise ValueError("a table with values that are not finite")
        return cls(adapts_from=np.datetime64(values["adapts_from"], "D"), table=table)


def fit_conformal(
    forecast: Forecast,
    truth: Float[np.ndarray, "window horizon"],
    adapts_from: np.datetime64,
) -> Conformal:
    """Measure on a validation tail how far intervals must be stretched.

    Args:
        forecast: Forecasts of windows that the weights were not fitted to.
        truth: Log returns from the last close that came.
        adapts_from: Date from which outcomes are to move the promise, after every
            target of these windows.

    Returns:
        The calibration.

    Raises:
        WindowError: There are fewer than ``MIN_WINDOWS`` windows.
    """
    count = len(forecast)
    if count < MIN_WINDOWS:
        raise WindowError(
            f"Expected at least {MIN_WINDOWS} validation windows to calibrate on, got "
            f"{count}. Use a longer series or calibrate=none."
        )
    scores = np.sort(stretch_needed(forecast.quantiles, truth), axis=0)
    table = scores[conformal_places(count, PROBABILITIES)]
    return Conformal(adapts_from=adapts_from, table=np.moveaxis(table, 0, -1).copy())


def conformal_places(
    count: int, probabilities: Float[np.ndarray, " probability"]
) -> Int[np.ndarray, " probability"]:
    """Find the scores that hold a share of what comes, among those of a calibration.

    Args:
        count: Scores that were measured.
        probabilities: Shares in (0, 1).

    Returns:
        Places in the sorted scores, from 0 on: of the finite-sample rank
        ceil((n + 1) p) of n.
    """
    ranks = np.ceil((count + 1) * probabilities - 1e-9).astype(np.int64)
    return np.asarray(np.minimum(ranks, count) - 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Promise:
    """What the intervals of each step are asked to hold, as closes come true.

    Attributes:
        coverage: Share of validation scores that each interval shall hold.
    """

    coverage: Float[np.ndarray, "horizon interval"]

    @classmethod
    def nominal(cls, horizon: int) -> "Promise":
        """Ask each interval for what its name says.

        Args:
            horizon: Steps.

        Returns:
            The promise before any close came.
        """
        return cls(coverage=np.tile(NOMINAL, (horizon, 1)))

    def after(
        self,
        share: Float[np.ndarray, "horizon interval"],
        step_size: float = STEP_SIZE,
    ) -> "Promise":
        """Move the promise by what one date missed.

        Args:
            share: Share of the date's closes outside of each interval.
            step_size: How far it moves.

        Returns:
            The promise from then on.
        """
        return Promise(coverage=self.coverage + step_size * (share - (1 - NOMINAL)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibrated:
    """A forecaster whose intervals are stretched to hold.

    It remembers nothing between calls: the promise at a cutoff is worked out from
    the bars up to it.

    Attributes:
        base: Whose intervals they are.
        conformal: How far they are stretched at first.
        spec: Shape of a window.
        step_size: How far one date's misses move the promise; 0 never moves it.
    """

    base: Forecaster[Bars]
    conformal: Conformal
    spec: WindowSpec
    step_size: float = STEP_SIZE

    @property
    def name(self) -> str:
        """What tables call it."""
        return self.base.name

    def forecast(self, bars: Bars, cutoffs: Int[np.ndarray, " window"]) -> Forecast:
        """Forecast the closes after each cutoff from the bars up to it.

        Args:
            bars: The panel.
            cutoffs: Rows of the last known bars.

        Returns:
            One window for each cutoff, in the same order; means and medians are
            those of the base.
        """
        if len(cutoffs) == 0:
            return self.base.forecast(bars, cutoffs)
        rows = self._history(bars, cutoffs)
        plain = self.base.forecast(bars, rows)
        quantiles = np.empty_like(plain.quantiles)
        for windows, promise in self._promises(bars, rows, plain):
            factors = self.conformal.factors(promise.coverage)
            quantiles[windows] = stretched_quantiles(
                plain.quantiles[windows], factors[None]
            )
        own = np.searchsorted(rows, cutoffs)
        return replace(plain, quantiles=quantiles).take(own)

    def promise(self, bars: Bars) -> Promise:
        """Say what intervals are asked to hold at the newest date.

        Args:
            bars: The panel.

        Returns:
            The promise that a forecast from that date would be made by, in the market
            that most symbols of that date belong to.
        """
        newest = np.flatnonzero(bars.dates == bars.dates.max())
        rows, market = self._history(bars, newest), markets(bars)
        code = int(np.bincount(market[newest]).argmax())
        here = np.flatnonzero(market[rows] == code)
        plain = self.base.forecast(bars, rows)
        *_, (_, last) = self._in_market(bars, rows, plain, here, code)
        return last

    def _history(
        self, bars: Bars, cutoffs: Int[np.ndarray, " window"]
    ) -> Int[np.ndarray, " row"]:
        if self.step_size == 0:
            return np.unique(cutoffs)
        return rows_that_count(bars, cutoffs, self.spec, self.conformal.adapts_from)

    def _promises(
        self, bars: Bars, rows: Int[np.ndarray, " window"], plain: Forecast
    ) -> Iterator[tuple[Int[np.ndarray, " some"], Promise]]:
        # each market by itself: Seoul must not learn at its close what New York missed
        # some hours later on the same date
        market = markets(bars)[rows]
        for code in np.unique(market):
            here = np.flatnonzero(market == code)
            yield from self._in_market(bars, rows, plain, here, int(code))

    def _in_market(
        self,
        bars: Bars,
        rows: Int[np.ndarray, " window"],
        plain: Forecast,
        here: Int[np.ndarray, " some"],
        code: int,
    ) -> Iterator[tuple[Int[np.ndarray, " some"], Promise]]:
        # date after date: first what came true by then, then what is promised
        horizon, data = self.spec.horizon, WindowData.of(bars, self.spec)
        promise = Promise.nominal(horizon)
        waiting = _Misses(horizon)
        for date, places in _by_date(bars.dates[rows[here]]):
            windows = here[places]
            share = waiting.arrived(date, today=code != OTHER)
            if share is not None:
                promise = promise.after(share, self.step_size)
            yield windows, promise
            if date >= self.conformal.adapts_from:
                known = windows[rows[windows] + horizon < bars.ends[rows[windows]]]
                truth = data.target(rows[known])
                scores = stretch_needed(plain.quantiles[known], truth)
                factors = self.conformal.factors(promise.coverage)
                waiting.add(bars.dates[rows[known] + horizon], scores > factors)


def rows_that_count(
    bars: Bars,
    cutoffs: Int[np.ndarray, " window"],
    spec: WindowSpec,
    adapts_from: np.datetime64,
) -> Int[np.ndarray, " row"]:
    """Take some cutoffs, and all whose outcome may move a forecast from them.

    Args:
        bars: The panel.
        cutoffs: Rows of the last known bars, at least one.
        spec: Shape of a window.
        adapts_from: Date of the first cutoff whose outcome counts.

    Returns:
        Rows, ascending.
    """
    every = cutoffs_with_context(bars, spec)
    dates = bars.dates[every]
    past = (dates >= adapts_from) & (dates < bars.dates[cutoffs].max())
    return np.union1d(every[past], cutoffs)


def stretched(
    forecast: Forecast, factors: Float[np.ndarray, "horizon interval"]
) -> Forecast:
    """Stretch the intervals of a forecast around its medians.

    Args:
        forecast: The forecast.
        factors: How far, from ``Conformal.factors``.

    Returns:
        The forecast with wider or narrower intervals.
    """
    quantiles = stretched_quantiles(forecast.quantiles, factors[None])
    return replace(forecast, quantiles=quantiles)


def missed(
    forecast: Forecast, truth: Float[np.ndarray, "window horizon"]
) -> Bool[np.ndarray, "window horizon interval"]:
    """Tell which central intervals missed what came.

    Args:
        forecast: The forecast, as it was published.
        truth: Log returns from the last close that came.

    Returns:
        True where the truth lies outside, the widest interval first.
    """
    below = truth[..., None] < forecast.quantiles[..., :MEDIAN]
    return np.asarray(below | (truth[..., None] > forecast.quantiles[..., :MEDIAN:-1]))


class _Misses:
    """Misses that wait for the date of their last target."""

    def __init__(self, horizon: int) -> None:
        self.shape = (horizon, MEDIAN)
        self.by_date: dict[
            np.datetime64, tuple[Int[np.ndarray, "horizon interval"], int]
        ] = {}

    def add(
        self,
        dates: Shaped[np.ndarray, " window"],
        misses: Bool[np.ndarray, "window horizon interval"],
    ) -> None:
        for date in np.unique(dates):
            here = dates == date
            total, count = self.by_date.get(date, (np.zeros(self.shape, np.int64), 0))
            self.by_date[date] = (
                total + misses[here].sum(axis=0),
                count + int(here.sum()),
            )

    def arrived(
        self, date: np.datetime64, *, today: bool
    ) -> Float[np.ndarray, "horizon interval"] | None:
        # of a market that is not known it is not known either who closes first
        come = [
            self.by_date.pop(known)
            for known in list(self.by_date)
            if known < date or (today and known == date)
        ]
        if not come:
            return None
        total = np.sum([misses for misses, _ in come], axis=0)
        return np.asarray(total / sum(count for _, count in come))


def _by_date(
    dates: Shaped[np.ndarray, " window"],
) -> Iterator[tuple[np.datetime64, Int[np.ndarray, " some"]]]:
    order = np.argsort(dates, kind="stable")
    known, first = np.unique(dates[order], return_index=True)
    yield from zip(known, np.split(order, first[1:]), strict=True)


def stretch_needed(
    quantiles: Float[np.ndarray, "window horizon quantile"],
    truth: Float[np.ndarray, "window horizon"],
) -> Float[np.ndarray, "window horizon interval"]:
    """Say by how much each interval would have to be stretched to hold the truth.

    Args:
        quantiles: Quantiles at ``LEVELS``.
        truth: Log returns from the last close that came.

    Returns:
        Factors of the distance from the median, the widest interval first; 1 is its
        edge.
    """
    below, above = distances_from_median(quantiles)
    miss = (truth - quantiles[..., MEDIAN])[..., None]
    return np.asarray(np.maximum(miss / above, -miss / below))
