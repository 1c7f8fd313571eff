"""Historical simulation: what happened in the last year can happen next."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from closecast.forecast import LEVELS, Forecast
from closecast.market.bars import Bars
from closecast.market.calendar import target_sessions
from closecast.windows.scaling import PRIOR_VOLATILITY

SESSIONS = 250
"""A year of sessions, the usual choice for value at risk."""

CHUNK = 8192
"""Windows sorted at once: keeps a panel of a million cutoffs in little memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Historical:
    """The empirical distribution of the last returns over as many sessions.

    What a young symbol has not lived through yet is filled with a Gaussian of
    ``PRIOR_VOLATILITY``.

    Attributes:
        horizon: Steps to forecast, in sessions.
        sessions: Returns that the distribution is made of.
        calendar: Which sessions target dates are taken from.
        name: What tables call it.

    Source: Hendricks (1996), Evaluation of value-at-risk models using historical
    data, FRBNY Economic Policy Review 2(1).
    """

    horizon: int
    sessions: int = SESSIONS
    calendar: str = "auto"
    name: str = "historical"

    def forecast(self, bars: Bars, cutoffs: Int[np.ndarray, " window"]) -> Forecast:
        """Forecast the returns of the last year again from each cutoff.

        Args:
            bars: The panel.
            cutoffs: Rows of the last known bars.

        Returns:
            One window for each cutoff, in the same order.
        """
        logs, prior = np.log(bars.close), _prior_sample(self.sessions)
        mean = np.empty((len(cutoffs), self.horizon))
        quantiles = np.empty((len(cutoffs), self.horizon, len(LEVELS)))
        for first in range(0, len(cutoffs), CHUNK):
            part = slice(first, first + CHUNK)
            rows = cutoffs[part][:, None] - np.arange(self.sessions)
            for step in range(1, self.horizon + 1):
                sample = _returns(logs, rows, bars.starts[cutoffs[part]], step, prior)
                mean[part, step - 1] = sample.mean(axis=1)
                quantiles[part, step - 1] = _quantiles(np.sort(sample, axis=1))
        return Forecast(
            symbols=bars.names(cutoffs),
            cutoffs=bars.dates[cutoffs],
            target_dates=target_sessions(bars, cutoffs, self.horizon, self.calendar),
            last_close=bars.close[cutoffs],
            mean=mean,
            quantiles=quantiles,
        )


def _returns(
    logs: Float[np.ndarray, " row"],
    rows: Int[np.ndarray, "window session"],
    starts: Int[np.ndarray, " window"],
    step: int,
    prior: Float[np.ndarray, " session"],
) -> Float[np.ndarray, "window session"]:
    known = rows - step >= starts[:, None]
    ends = np.where(known, rows, 0)
    begins = np.where(known, rows - step, 0)
    moved = logs[ends] - logs[begins]
    return np.asarray(np.where(known, moved, np.sqrt(step) * prior))


def _prior_sample(sessions: int) -> Float[np.ndarray, " session"]:
    # Shuffled, so that any part of it is spread like the whole.
    from scipy.special import ndtri

    sample = PRIOR_VOLATILITY * ndtri((np.arange(sessions) + 0.5) / sessions)
    return np.asarray(np.random.default_rng(0).permutation(sample))


def _quantiles(
    ordered: Float[np.ndarray, "window session"],
) -> Float[np.ndarray, "window quantile"]:
    # The usual interpolation between order statistics.
    place = LEVELS * (ordered.shape[1] - 1)
    left = np.floor(place).astype(int)
    weight = place - left
    return np.asarray((1 - weight) * ordered[:, left] + weight * ordered[:, left + 1])
