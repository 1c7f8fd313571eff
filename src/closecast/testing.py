"""Simulated markets with known answers, and a forecaster that cheats.

For our tests and anybody's: a method that finds skill in ``random_walk`` or that
lets ``Cheat`` through is broken.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from closecast.forecast import LEVELS, Forecast
from closecast.market.bars import Bars, from_columns
from closecast.windows.scaling import WindowData
from closecast.windows.spec import WindowSpec


def random_walk(
    num_symbols: int = 2,
    num_bars: int = 300,
    *,
    volatility: float = 0.02,
    seed: int = 0,
) -> Bars:
    """Simulate closes that nobody can forecast: a Gaussian random walk in logs.

    Args:
        num_symbols: Symbols, named W00, W01 ...
        num_bars: Sessions of each, on weekdays from 2010-01-04.
        volatility: Standard deviation of a session's log return.
        seed: Seed of the simulation.

    Returns:
        The panel. The best forecast of every return is 0.
    """
    random = np.random.default_rng(seed)
    shape = (num_symbols, num_bars)
    close = 100 * np.exp(np.cumsum(volatility * random.standard_normal(shape), axis=1))
    opened = close * np.exp(0.3 * volatility * random.standard_normal(shape))
    reach = np.exp(0.5 * volatility * np.abs(random.standard_normal((2, *shape))))
    high, low = (
        np.maximum(opened, close) * reach[0],
        np.minimum(opened, close) / reach[1],
    )
    volume = np.floor(np.exp(13 + 0.5 * random.standard_normal(shape)))
    dates = np.busday_offset(np.datetime64("2010-01-04"), np.arange(num_bars))
    return from_columns(
        np.repeat([f"W{number:02d}" for number in range(num_symbols)], num_bars),
        np.tile(dates, num_symbols),
        np.stack([opened, high, low, close, volume], axis=-1).reshape(-1, 5),
    )


@dataclass(frozen=True)
class Cheat:
    """A forecaster that reads the closes it is asked for.

    Attributes:
        spec: Shape of a window.
        blur: Standard deviation of its forecasts, as log return.
    """

    spec: WindowSpec
    blur: float = 0.001

    @property
    def name(self) -> str:
        """What tables call it."""
        return "cheat"

    def forecast(self, bars: Bars, cutoffs: Int[np.ndarray, " window"]) -> Forecast:
        """Return the future.

        Args:
            bars: The panel.
            cutoffs: Rows of the last known bars, each with its target in the panel.

        Returns:
            The true closes, with a narrow band around them.
        """
        truth = WindowData.of(bars, self.spec).target(cutoffs)
        rows = cutoffs[:, None] + np.arange(1, self.spec.horizon + 1)
        band = self.blur * (2 * LEVELS - 1)
        return Forecast(
            symbols=np.array([bars.symbol_of(int(row)) for row in cutoffs]),
            cutoffs=bars.dates[cutoffs],
            target_dates=bars.dates[rows],
            last_close=bars.close[cutoffs],
            mean=truth,
            quantiles=truth[..., None] + band,
        )
