"""A model blended with a baseline, by the share that closes which came true support.

What a model learned of one market need not hold in another, and a market that is
younger than its training it cannot know. So its quantiles are averaged with those of
a baseline that follows each symbol within days. The baseline's share begins at 0 and
is, for each market and step, the one that would have had the least CRPS over all dates
so far, times n / (n + 50) of n dates: where the model is better it stays at 0.

A close counts from its own date on for symbols of its own market, and in no other
market; where the market is not known, from the date after. Nothing is remembered
between calls: the share at a cutoff is worked out from the bars up to it.

Source: Berrisch and Ziel (2023), CRPS learning, Journal of Econometrics,
doi:10.1016/j.jeconom.2021.11.008 (weights that follow the CRPS, quantiles averaged);
Shalev-Shwartz (2012), Online learning and online convex optimization,
doi:10.1561/2200000018, section 2.3 (follow the regularised leader).
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, Shaped

from closecast.evaluation.conformal import rows_that_count
from closecast.evaluation.scores import crps
from closecast.forecast import Forecast, Forecaster
from closecast.market.bars import Bars
from closecast.windows.peers import OTHER, markets
from closecast.windows.scaling import WindowData
from closecast.windows.spec import WindowSpec

PRIOR_DATES = 50
"""Dates at which half of the share is given that they support; chosen on prices before
2014 and on simulated late markets."""

LEAST_BEND = 1e-12
"""Of a sum of parabolas: two forecasts that are the same have none."""

CHUNK = 50_000
"""Windows scored at once, to bound the memory."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Blended:
    """A forecaster averaged with another one.

    Attributes:
        base: Whose forecasts they are at first.
        other: What they are averaged with.
        spec: Shape of a window.
        adapts_from: Date of the first cutoff whose outcome moves a share: after every
            target that the two were fitted to.
        prior_dates: Dates at which half of the share is given that they support.
    """

    base: Forecaster[Bars]
    other: Forecaster[Bars]
    spec: WindowSpec
    adapts_from: np.datetime64
    prior_dates: int = PRIOR_DATES

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
            One window for each cutoff, in the same order.
        """
        if len(cutoffs) == 0:
            return self.base.forecast(bars, cutoffs)
        rows, own, other, share = self._ends(bars, cutoffs)
        mixed = averaged(own, other, share)
        return mixed.take(np.searchsorted(rows, cutoffs))

    def shares(
        self, bars: Bars, cutoffs: Int[np.ndarray, " window"]
    ) -> Float[np.ndarray, "window horizon"]:
        """Say how much of the other forecaster is in each forecast.

        Args:
            bars: The panel.
            cutoffs: Rows of the last known bars.

        Returns:
            Shares in [0, 1].
        """
        rows, *_, share = self._ends(bars, cutoffs)
        return np.asarray(share[np.searchsorted(rows, cutoffs)])

    def _ends(
        self, bars: Bars, cutoffs: Int[np.ndarray, " window"]
    ) -> tuple[
        Int[np.ndarray, " row"],
        Forecast,
        Forecast,
        Float[np.ndarray, "row horizon"],
    ]:
        # rows that count, what both say of them, and the share of the other
        rows = rows_that_count(bars, cutoffs, self.spec, self.adapts_from)
        own, other = (one.forecast(bars, rows) for one in (self.base, self.other))
        return rows, own, other, self._shares(bars, rows, own, other)

    def _shares(
        self,
        bars: Bars,
        rows: Int[np.ndarray, " window"],
        own: Forecast,
        other: Forecast,
    ) -> Float[np.ndarray, "window horizon"]:
        share = np.zeros((len(rows), self.spec.horizon))
        slope, bend = self._curves(bars, rows, own, other)
        market = markets(bars)[rows]
        for code in np.unique(market):
            here = np.flatnonzero(market == code)
            last = bars.dates[rows[here]]  # of which closes may count
            if code == OTHER:
                last = last - np.timedelta64(1, "D")
            for step in range(self.spec.horizon):
                known, came = self._arrived(bars, rows[here], step + 1)
                days, day = np.unique(came, return_inverse=True)
                count = np.bincount(day)
                means = [
                    np.bincount(day, curve[here[known], step]) / count
                    for curve in (slope, bend)
                ]
                dates = np.searchsorted(days, last, "right")
                share[here, step] = self._supported(*means)[dates]
        return share

    def _arrived(
        self, bars: Bars, rows: Int[np.ndarray, " window"], step: int
    ) -> tuple[Int[np.ndarray, " some"], Shaped[np.ndarray, " some"]]:
        # places of the windows whose step may count, and the date of that close
        within = rows + step < bars.ends[rows]
        known = np.flatnonzero(within & (bars.dates[rows] >= self.adapts_from))
        return known, bars.dates[rows[known] + step]

    def _supported(
        self, slope: Float[np.ndarray, " date"], bend: Float[np.ndarray, " date"]
    ) -> Float[np.ndarray, " date_plus_one"]:
        # the share after none, one, two ... dates
        total, curve = np.cumsum(slope), np.maximum(np.cumsum(bend), LEAST_BEND)
        dates = np.arange(1, len(slope) + 1)
        best = np.clip(-total / (2 * curve), 0.0, 1.0)
        return np.concatenate([[0.0], best * dates / (dates + self.prior_dates)])

    def _curves(
        self,
        bars: Bars,
        rows: Int[np.ndarray, " window"],
        own: Forecast,
        other: Forecast,
    ) -> tuple[
        Float[np.ndarray, "window horizon"], Float[np.ndarray, "window horizon"]
    ]:
        # CRPS over volatility as a parabola of the share: its slope at 0, and its bend
        data = WindowData.of(bars, self.spec)
        slope, bend = (np.zeros((len(rows), self.spec.horizon)) for _ in range(2))
        for start in range(0, len(rows), CHUNK):
            part = np.arange(start, min(start + CHUNK, len(rows)))
            truth = self._so_far(bars, rows[part])
            unit = data.scale[rows[part]][:, None]
            ends = own.take(part), other.take(part)
            half = averaged(*ends, np.full(truth.shape, 0.5))
            first, middle, last = (
                crps(one, truth) / unit for one in (ends[0], half, ends[1])
            )
            bend[part] = 2 * (first - 2 * middle + last)
            slope[part] = last - first - bend[part]
        return slope, bend

    def _so_far(
        self, bars: Bars, rows: Int[np.ndarray, " window"]
    ) -> Float[np.ndarray, "window horizon"]:
        # log returns that came; of a step that has not come the last one that has
        ahead = rows[:, None] + np.arange(1, self.spec.horizon + 1)
        ahead = np.minimum(ahead, bars.ends[rows][:, None] - 1)
        return np.asarray(np.log(bars.close[ahead] / bars.close[rows][:, None]))


def averaged(
    own: Forecast, other: Forecast, share: Float[np.ndarray, "window horizon"]
) -> Forecast:
    """Average the quantiles of two forecasts of the same windows.

    Args:
        own: The forecast.
        other: The other one.
        share: How much of the other one.

    Returns:
        Their average; where the share is 0 the forecast to the last bit.
    """
    return replace(
        own,
        mean=(1 - share) * own.mean + share * other.mean,
        quantiles=(1 - share[..., None]) * own.quantiles
        + share[..., None] * other.quantiles,
    )
