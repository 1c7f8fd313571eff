"""Simulated markets with known answers, and a forecaster that cheats.

For our tests and anybody's: a method that finds skill in ``random_walk`` or that
lets ``Cheat`` through is broken.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

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
    returns = volatility * random.standard_normal((num_symbols, num_bars))
    return _market(returns, np.full_like(returns, volatility), random)


def garch_walk(
    num_symbols: int = 2,
    num_bars: int = 300,
    *,
    volatility: float = 0.02,
    shock: float = 0.10,
    memory: float = 0.87,
    seed: int = 0,
) -> Bars:
    """Simulate a random walk whose volatility clusters: GARCH(1,1) with Student-t.

    Args:
        num_symbols: Symbols, named W00, W01 ...
        num_bars: Sessions of each, on weekdays from 2010-01-04.
        volatility: Standard deviation of a session's log return in the long run.
        shock: Weight of the last squared return in the next variance.
        memory: Weight of the last variance; together with shock below 1.
        seed: Seed of the simulation.

    Returns:
        The panel. The best mean of every return is 0, while its spread can be
        forecast.

    Source: Bollerslev (1987), doi:10.2307/1925546.
    """
    random = np.random.default_rng(seed)
    noise = random.standard_t(6, (num_symbols, num_bars)) * np.sqrt(4 / 6)
    level = volatility**2
    variance = np.full((num_symbols, num_bars), level)
    for bar in range(1, num_bars):
        last = noise[:, bar - 1] ** 2 * variance[:, bar - 1]
        news = level * (1 - shock - memory) + shock * last
        variance[:, bar] = news + memory * variance[:, bar - 1]
    deviation = np.sqrt(variance)
    return _market(noise * deviation, deviation, random)


def autoregression(
    num_symbols: int = 2,
    num_bars: int = 300,
    *,
    coefficient: float = 0.3,
    volatility: float = 0.02,
    seed: int = 0,
) -> Bars:
    """Simulate returns that go on in part: AR(1), Gaussian.

    Args:
        num_symbols: Symbols, named W00, W01 ...
        num_bars: Sessions of each, on weekdays from 2010-01-04.
        coefficient: Share of a return that goes on, between -1 and 1.
        volatility: Standard deviation of what is new in a session's log return.
        seed: Seed of the simulation.

    Returns:
        The panel. The best forecast of the next return is coefficient times the last
        one, with an R2 of coefficient squared.
    """
    random = np.random.default_rng(seed)
    returns = volatility * random.standard_normal((num_symbols, num_bars))
    for bar in range(1, num_bars):
        returns[:, bar] += coefficient * returns[:, bar - 1]
    return _market(returns, np.full_like(returns, volatility), random)


def _market(
    returns: Float[np.ndarray, "symbol bar"],
    deviation: Float[np.ndarray, "symbol bar"],
    random: np.random.Generator,
) -> Bars:
    # Bars around closes: the range is as wide as the session's volatility.
    shape = returns.shape
    close = 100 * np.exp(np.cumsum(returns, axis=1))
    opened = close * np.exp(0.3 * deviation * random.standard_normal(shape))
    reach = np.exp(0.5 * deviation * np.abs(random.standard_normal((2, *shape))))
    high, low = (
        np.maximum(opened, close) * reach[0],
        np.minimum(opened, close) / reach[1],
    )
    volume = np.floor(np.exp(13 + 0.5 * random.standard_normal(shape)))
    dates = np.busday_offset(np.datetime64("2010-01-04"), np.arange(shape[1]))
    return from_columns(
        np.repeat([f"W{number:02d}" for number in range(shape[0])], shape[1]),
        np.tile(dates, shape[0]),
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
            symbols=bars.names(cutoffs),
            cutoffs=bars.dates[cutoffs],
            target_dates=bars.dates[rows],
            last_close=bars.close[cutoffs],
            mean=truth,
            quantiles=truth[..., None] + band,
        )
