"""What an edge is worth once it is paid for: edge against cost, and the break-even.

Not a strategy: one unit long where the forecast mean of the next session is above 0,
short where it is below, each day anew. It answers one question: which cost of trading
eats all that the forecast knows. Equity curves are not drawn.
"""

import math
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Float

from closecast.evaluation.comparison import Interval
from closecast.evaluation.resampling import (
    block_length,
    central,
    enough_dates,
    resample,
    sum_per_date,
)
from closecast.forecast import Forecast

COSTS_BP = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
"""Costs of trading one unit, in basis points of its price."""

SESSIONS_A_YEAR = 252
BASIS_POINT = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class CostPoint:
    """The edge at one cost.

    Attributes:
        cost_bp: Cost of trading one unit.
        edge_bp: Mean log return of a session net of it, a date counting once.
        sharpe: Its yearly ratio of mean to deviation; None where it does not vary.
        sharpe_interval: Its 90 % block-bootstrap interval; None where too few dates.
    """

    cost_bp: float
    edge_bp: float
    sharpe: float | None
    sharpe_interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class CostCurve:
    """The edge of the signs of a forecast, against cost.

    Attributes:
        edge_bp: Mean log return of a session before cost.
        edge_interval_bp: Its 90 % block-bootstrap interval; None where too few dates.
        turnover: Units traded per session and position: 2 where every sign turns.
        break_even_bp: Cost that leaves nothing; None where there is no edge, or
            nothing is traded.
        points: The edge at each of ``COSTS_BP``.
        num_dates: Dates averaged over.
        trials: Models that the judged one was chosen from.
    """

    edge_bp: float
    edge_interval_bp: Interval
    turnover: float
    break_even_bp: float | None
    points: tuple[CostPoint, ...]
    num_dates: int
    trials: int

    def to_dict(self) -> dict[str, object]:
        """Give the content of ``scoreboard.json`` under ``costs``.

        Returns:
            Figures under their names.
        """
        return asdict(self)


def cost_curve(
    forecast: Forecast,
    truth: Float[np.ndarray, "window horizon"],
    trials: int = 1,
) -> CostCurve | None:
    """Set the edge of a forecast's signs against the cost of trading them.

    Args:
        forecast: The forecast; the mean of its first step is what is traded.
        truth: Log returns from the last close that came.
        trials: Models that this one was chosen from.

    Returns:
        The curve; None where the forecast names no direction.
    """
    position = np.sign(forecast.mean[:, 0])
    if not position.any():
        return None
    traded = _traded(forecast, position)
    columns = np.stack([position * truth[:, 0], traded, np.ones_like(position)], -1)
    gain, turnover = (
        sum_per_date(columns, forecast.cutoffs)[:, [0, 1]]
        / sum_per_date(columns, forecast.cutoffs)[:, [2]]
    ).T
    edge, units = float(gain.mean()), float(turnover.mean())
    draws = _draw(gain, turnover)
    return CostCurve(
        edge_bp=edge / BASIS_POINT,
        edge_interval_bp=_central(None if draws is None else draws.edge_bp),
        turnover=units,
        break_even_bp=(edge / units / BASIS_POINT if edge > 0 and units > 0 else None),
        points=tuple(_point(cost, gain, turnover, draws) for cost in COSTS_BP),
        num_dates=len(gain),
        trials=trials,
    )


def _traded(
    forecast: Forecast, position: Float[np.ndarray, " window"]
) -> Float[np.ndarray, " window"]:
    # What each symbol's position differs by from its last one; the first is bought.
    order = np.lexsort((forecast.cutoffs, forecast.symbols))
    held = position[order]
    before = np.concatenate([[0.0], held[:-1]])
    symbols = forecast.symbols[order]
    before[np.concatenate([[True], symbols[1:] != symbols[:-1]])] = 0.0
    traded = np.empty_like(position)
    traded[order] = np.abs(held - before)
    return traded


def _point(
    cost_bp: float,
    gain: Float[np.ndarray, " date"],
    turnover: Float[np.ndarray, " date"],
    draws: "_Draws | None",
) -> CostPoint:
    net = gain - cost_bp * BASIS_POINT * turnover
    deviation = float(net.std())
    yearly = math.sqrt(SESSIONS_A_YEAR)
    return CostPoint(
        cost_bp=cost_bp,
        edge_bp=float(net.mean()) / BASIS_POINT,
        sharpe=float(net.mean()) / deviation * yearly if deviation > 0 else None,
        sharpe_interval=_central(None if draws is None else draws.sharpe(cost_bp)),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Draws:
    """Means over resampled dates of gain, turnover and their products."""

    gain: Float[np.ndarray, " repetition"]
    turnover: Float[np.ndarray, " repetition"]
    gain_square: Float[np.ndarray, " repetition"]
    product: Float[np.ndarray, " repetition"]
    turnover_square: Float[np.ndarray, " repetition"]

    @property
    def edge_bp(self) -> Float[np.ndarray, " repetition"]:
        """Mean gain before cost."""
        return np.asarray(self.gain / BASIS_POINT)

    def sharpe(self, cost_bp: float) -> Float[np.ndarray, " repetition"]:
        """Yearly ratio of mean to deviation net of a cost; NaN where none varies."""
        cost = cost_bp * BASIS_POINT
        mean = self.gain - cost * self.turnover
        square = self.gain_square - 2 * cost * self.product
        square = square + cost**2 * self.turnover_square
        variance = square - mean**2
        varies = variance > 1e-12 * square
        deviation = np.sqrt(np.where(varies, variance, np.nan))
        return np.asarray(mean / deviation * math.sqrt(SESSIONS_A_YEAR))


def _draw(
    gain: Float[np.ndarray, " date"], turnover: Float[np.ndarray, " date"]
) -> _Draws | None:
    if not enough_dates(len(gain), 1):
        return None
    sums = np.stack([gain, turnover, gain**2, gain * turnover, turnover**2], axis=-1)
    means = resample(sums, block_length(gain[:, None], 1)).T / len(gain)
    names = ("gain", "turnover", "gain_square", "product", "turnover_square")
    return _Draws(**dict(zip(names, means, strict=True)))


def _central(draws: Float[np.ndarray, " repetition"] | None) -> Interval:
    return None if draws is None or not np.isfinite(draws).all() else central(draws)
