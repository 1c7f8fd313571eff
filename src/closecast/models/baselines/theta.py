"""Theta: the level by exponential smoothing, and half the slope of the trend so far.

It won the M3 competition, and on log prices it is what exponential smoothing and an
ARIMA(0,1,1) with drift have to say: the smoothing that fits prices best follows each
close, and what remains is half of their trend. statsforecast, which has the automatic
kinds, holds pandas below 3 and is no dependency; statsmodels is the oracle in the tests
of this one.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from closecast.forecast import Forecast
from closecast.market.bars import Bars
from closecast.models.baselines.location_scale import (
    last_seen,
    location_scale_forecast,
)
from closecast.models.baselines.tails import (
    fit_tails,
    student_t_shape,
    training_targets,
)
from closecast.windows.scaling import WindowData
from closecast.windows.spec import WindowSpec

SMOOTHINGS = np.linspace(0.1, 1.0, 19)
"""Weights of the last close that are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Theta:
    """Mean of the Theta method on log closes, spread of the scale, Student-t.

    Attributes:
        smoothing: Weight of the last close in the level, one for all symbols.
        degrees_of_freedom: Of the Student-t, one for each step.
        factors: Spread of each step in units of scale x sqrt(step).
        first_date: First bar fitted to, ISO.
        last_date: Last bar fitted to, ISO.
        calendar: Which sessions target dates are taken from.
        name: What tables call it.

    Source: Assimakopoulos and Nikolopoulos (2000), doi:10.1016/S0169-2070(00)00066-2;
    Hyndman and Billah (2003), Unmasking the Theta method, equation 3.
    """

    smoothing: float
    degrees_of_freedom: tuple[float, ...]
    factors: tuple[float, ...]
    first_date: str
    last_date: str
    calendar: str = "auto"
    name: str = "theta"

    def forecast(self, bars: Bars, cutoffs: Int[np.ndarray, " window"]) -> Forecast:
        """Forecast the level and half the trend from each cutoff on.

        Args:
            bars: The panel.
            cutoffs: Rows of the last known bars.

        Returns:
            One window for each cutoff, in the same order.
        """
        spec = WindowSpec(context_length=1, horizon=len(self.factors))
        unit = WindowData.of(bars, spec).unit(cutoffs)
        return location_scale_forecast(
            bars,
            cutoffs,
            self.calendar,
            theta_mean(bars, self.smoothing, spec.horizon)[cutoffs],
            unit * np.asarray(self.factors),
            student_t_shape(self.degrees_of_freedom),
        )


def fit_theta(
    bars: Bars,
    train_cutoffs: Int[np.ndarray, " window"],
    spec: WindowSpec,
    calendar: str = "auto",
) -> Theta:
    """Choose the smoothing by squared error in units of the window, and fit tails.

    Args:
        bars: The panel.
        train_cutoffs: Rows of the training windows' last known bars.
        spec: Shape of a window; only its horizon matters here.
        calendar: Which sessions target dates are taken from.

    Returns:
        The baseline with its fitted constants.

    Raises:
        TrainingError: There are too few windows.
        WindowError: The target of a training window is not in the panel.
    """
    cutoffs, targets = training_targets(bars, train_cutoffs, spec, "theta")
    unit = WindowData.of(bars, spec).unit(cutoffs)
    losses = [
        float(np.mean((_error(bars, cutoffs, targets, weight) / unit) ** 2))
        for weight in SMOOTHINGS.tolist()
    ]
    smoothing = float(SMOOTHINGS[int(np.argmin(losses))])
    dfs, factors = fit_tails(_error(bars, cutoffs, targets, smoothing) / unit)
    first, last = last_seen(bars, train_cutoffs, spec)
    return Theta(
        smoothing=smoothing,
        degrees_of_freedom=dfs,
        factors=factors,
        first_date=first,
        last_date=last,
        calendar=calendar,
    )


def theta_mean(
    bars: Bars, smoothing: float, horizon: int
) -> Float[np.ndarray, "row horizon"]:
    """Forecast the log return from each close, from the closes so far.

    Args:
        bars: The panel.
        smoothing: Weight of the last close in the level.
        horizon: Sessions ahead.

    Returns:
        Mean log returns from each row's close.
    """
    from scipy.signal import lfilter

    mean = np.empty((len(bars), horizon))
    ahead, rest = np.arange(horizon), 1 - smoothing
    for _, start, end in bars:
        logs = np.log(bars.close[start:end] / bars.close[start])
        level = lfilter([smoothing], [1.0, -rest], logs)  # the first close is 0
        count = np.arange(1, len(logs) + 1)
        lag = (1 - rest**count) / smoothing
        trend = _slopes(logs)[:, None] * (ahead + lag[:, None])
        mean[start:end] = (level - logs)[:, None] + 0.5 * trend
    return mean


def _error(
    bars: Bars,
    cutoffs: Int[np.ndarray, " window"],
    targets: Float[np.ndarray, "window horizon"],
    smoothing: float,
) -> Float[np.ndarray, "window horizon"]:
    mean = theta_mean(bars, smoothing, targets.shape[1])
    return np.asarray(targets - mean[cutoffs])


def _slopes(logs: Float[np.ndarray, " session"]) -> Float[np.ndarray, " session"]:
    # of a line through the sessions so far, by least squares; 0 through a single one
    count = np.arange(1, len(logs) + 1, dtype=float)
    time = count - 1
    moment = np.cumsum(time * logs) - time / 2 * np.cumsum(logs)
    spread = count * (count**2 - 1) / 12
    return np.asarray(np.where(count > 1, moment / np.maximum(spread, 1.0), 0.0))
