"""A forecast: the distribution of the next closes, as all parts exchange it.

It holds quantiles and a mean and nothing of the model that made it, so that a
judge cannot tell an LSTM from a naive line.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, Shaped

from closecast.errors import ModelError

LEVELS = np.arange(1, 40) / 40
"""Quantile levels of every forecast: 0.025, 0.050 ... 0.975.

Evenly spaced, so that the mean pinball loss over them is the CRPS up to one
constant that is the same for every model, and dense enough to hold the edges of
the 50, 80, 90 and 95 % intervals exactly.
"""

MEDIAN = len(LEVELS) // 2
NOMINAL = 1 - 2 * LEVELS[:MEDIAN]
"""Coverage of each central interval, the widest first."""

LEAST_WIDTH = 1e-12
"""Log return between the median and an edge at least."""

PATH_BANDS = (50, 80, 95)
"""Bands of the whole path that tables show, in percent."""

Panel_contra = TypeVar("Panel_contra", contravariant=True)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Forecast:
    """Forecasts of closes, one row for each window.

    A log return counts from the last close of the window: the close at step h is
    ``last_close * exp(log_return)``.

    Attributes:
        symbols: Symbol of each window, shape ``(window,)``.
        cutoffs: Date of its last known bar, ``datetime64[D]``, shape ``(window,)``.
        target_dates: Session of each step, ``datetime64[D]``.
        last_close: Close at the cutoff in price units, shape ``(window,)``.
        mean: Mean log return from the last close, without unit. In price units
            this is a geometric mean.
        quantiles: Quantiles of the log return at ``LEVELS``, not decreasing along
            their axis.
        path_stretch: How far each central interval, the widest first, is stretched
            around the median at every step for the whole path to stay inside; None
            where that was not measured.
    """

    symbols: Shaped[np.ndarray, " window"]
    cutoffs: Shaped[np.ndarray, " window"]
    target_dates: Shaped[np.ndarray, "window horizon"]
    last_close: Float[np.ndarray, " window"]
    mean: Float[np.ndarray, "window horizon"]
    quantiles: Float[np.ndarray, "window horizon quantile"]
    path_stretch: Float[np.ndarray, "window interval"] | None = None

    def __post_init__(self) -> None:
        windows, horizon = self.mean.shape
        expected = (windows, horizon, len(LEVELS))
        if self.quantiles.shape != expected:
            raise ValueError(
                f"Expected quantiles of shape {expected} (window, horizon, quantile), "
                f"got {self.quantiles.shape}. Give one value for each of LEVELS."
            )

    @property
    def horizon(self) -> int:
        """Steps forecast, in sessions."""
        return int(self.mean.shape[1])

    def __len__(self) -> int:
        return len(self.symbols)

    def quantile(self, level: float) -> Float[np.ndarray, "window horizon"]:
        """Take one quantile of the log return.

        Args:
            level: A probability in (0, 1); between two of ``LEVELS`` the quantile
                is interpolated, outside of them it is refused.

        Returns:
            Log returns from the last close, without unit, shape (window, horizon).

        Raises:
            ValueError: The level lies outside the stored ones.
        """
        if not LEVELS[0] <= level <= LEVELS[-1]:
            raise ValueError(
                f"Expected a level in [{LEVELS[0]}, {LEVELS[-1]}], got {level}. "
                "A forecast does not store its far tails."
            )
        right = int(np.searchsorted(LEVELS, level - 1e-9))
        left = max(right - 1, 0)
        gap = LEVELS[right] - LEVELS[left]
        weight = 1.0 if gap == 0 else float((level - LEVELS[left]) / gap)
        if weight > 1 - 1e-6:
            return np.asarray(self.quantiles[..., right])
        return np.asarray(
            (1 - weight) * self.quantiles[..., left]
            + weight * self.quantiles[..., right]
        )

    def path_interval(
        self, coverage: float
    ) -> tuple[
        Float[np.ndarray, "window horizon"], Float[np.ndarray, "window horizon"]
    ]:
        """Take the band that the closes of all steps stay inside together.

        Args:
            coverage: Share of the paths that it shall hold, such as 0.8; between two
                of the central intervals the band is interpolated.

        Returns:
            Its low and its high end at each step: log returns from the last close,
            shape (window, horizon).

        Raises:
            ModelError: The model has no band of the path.
            ValueError: No central interval of the forecast has this coverage.
        """
        if self.path_stretch is None:
            raise ModelError(
                "Expected a forecast with a band of the path, got one without. Train "
                "the model again with enough validation windows: the band is measured "
                "on them."
            )
        factors = self.path_stretch[:, None, :]
        band = replace(self, quantiles=stretched_quantiles(self.quantiles, factors))
        low, high = (1 - coverage) / 2, (1 + coverage) / 2
        return band.quantile(round(low, 9)), band.quantile(round(high, 9))

    def price(
        self, log_return: Float[np.ndarray, "window horizon"]
    ) -> Float[np.ndarray, "window horizon"]:
        """Turn log returns from the last close into closes.

        Args:
            log_return: Log returns from the last close, without unit.

        Returns:
            Closes in price units, shape (window, horizon).
        """
        return np.asarray(self.last_close[:, None] * np.exp(log_return))

    def to_columns(
        self, *, path_bands: bool = False
    ) -> dict[str, Shaped[np.ndarray, " row"]]:
        """Lay the forecast out as a table, one row for each window and step.

        Args:
            path_bands: Whether to add the bands of the whole path.

        Returns:
            Columns symbol, cutoff, step (1 .. horizon), date (the target session),
            last_close, mean, median and quantiles q05 .. q95, all in price units;
            where asked for path_lo_50, path_hi_50 and so on for ``PATH_BANDS``.

        Raises:
            ModelError: Bands are asked for, and the model has none.
        """
        columns: dict[str, Shaped[np.ndarray, " row"]] = {
            "symbol": np.repeat(self.symbols, self.horizon),
            "cutoff": np.repeat(self.cutoffs, self.horizon),
            "step": np.tile(np.arange(1, self.horizon + 1), len(self)),
            "date": self.target_dates.ravel(),
            "last_close": np.repeat(self.last_close, self.horizon),
            "mean": self.price(self.mean).ravel(),
            "median": self.price(self.quantile(0.5)).ravel(),
        }
        for percent in (5, 10, 25, 75, 90, 95):
            price = self.price(self.quantile(percent / 100))
            columns[f"q{percent:02d}"] = price.ravel()
        for percent in PATH_BANDS if path_bands else ():
            ends = zip(("lo", "hi"), self.path_interval(percent / 100), strict=True)
            columns |= {
                f"path_{end}_{percent}": self.price(edge).ravel() for end, edge in ends
            }
        return columns

    def take(self, rows: Int[np.ndarray, " some"]) -> "Forecast":
        """Keep some of the windows.

        Args:
            rows: Positions of the windows to keep.

        Returns:
            A forecast with these windows, in this order.
        """
        return Forecast(
            symbols=self.symbols[rows],
            cutoffs=self.cutoffs[rows],
            target_dates=self.target_dates[rows],
            last_close=self.last_close[rows],
            mean=self.mean[rows],
            quantiles=self.quantiles[rows],
            path_stretch=None if self.path_stretch is None else self.path_stretch[rows],
        )


def concatenated(forecasts: Sequence[Forecast]) -> Forecast:
    """Put forecasts of different windows one after the other.

    Args:
        forecasts: Forecasts of one horizon.

    Returns:
        All their windows; bands of the path only where each has them.
    """
    stretches = [one.path_stretch for one in forecasts if one.path_stretch is not None]
    return Forecast(
        symbols=np.concatenate([one.symbols for one in forecasts]),
        cutoffs=np.concatenate([one.cutoffs for one in forecasts]),
        target_dates=np.concatenate([one.target_dates for one in forecasts]),
        last_close=np.concatenate([one.last_close for one in forecasts]),
        mean=np.concatenate([one.mean for one in forecasts]),
        quantiles=np.concatenate([one.quantiles for one in forecasts]),
        path_stretch=np.concatenate(stretches)
        if len(stretches) == len(forecasts)
        else None,
    )


def distances_from_median(
    quantiles: Float[np.ndarray, "window horizon quantile"],
) -> tuple[
    Float[np.ndarray, "window horizon interval"],
    Float[np.ndarray, "window horizon interval"],
]:
    """Measure how far the edges of each central interval lie from the median.

    Args:
        quantiles: Quantiles at ``LEVELS``.

    Returns:
        Distances of the lower and of the upper edges, the widest interval first, in
        the unit of the quantiles and at least ``LEAST_WIDTH``.
    """
    median = quantiles[..., MEDIAN, None]
    below = median - quantiles[..., :MEDIAN]
    above = quantiles[..., :MEDIAN:-1] - median
    return np.maximum(below, LEAST_WIDTH), np.maximum(above, LEAST_WIDTH)


def stretched_quantiles(
    quantiles: Float[np.ndarray, "window horizon quantile"],
    factors: Float[np.ndarray, "#window #horizon interval"],
) -> Float[np.ndarray, "window horizon quantile"]:
    """Stretch central intervals around their median, and keep them nested.

    Args:
        quantiles: Quantiles at ``LEVELS``.
        factors: Factor of the distance from the median, the widest interval first.

    Returns:
        Quantiles at ``LEVELS``, not decreasing: a wider interval holds a narrower one.
    """
    below, above = (
        np.maximum.accumulate((distance * factors)[..., ::-1], axis=-1)
        for distance in distances_from_median(quantiles)
    )
    median = quantiles[..., MEDIAN, None]
    return np.concatenate([median - below[..., ::-1], median, median + above], axis=-1)


@runtime_checkable
class Forecaster(Protocol[Panel_contra]):
    """Whatever turns a panel of bars into forecasts."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    def forecast(
        self, bars: Panel_contra, cutoffs: Int[np.ndarray, " window"]
    ) -> Forecast:
        """Forecast the closes after each cutoff from the bars up to it.

        Args:
            bars: The panel; bars after a cutoff must not matter to its forecast.
            cutoffs: Rows of the panel that hold the last known bars.

        Returns:
            One window for each cutoff, in the same order.
        """
        ...
