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

from closecast.market.bars import Bars
from closecast.models.baselines.location_scale import last_seen
from closecast.models.baselines.student_t import StudentT
from closecast.models.baselines.tails import fit_tails, training_targets
from closecast.windows.scaling import WindowData
from closecast.windows.spec import WindowSpec

SMOOTHINGS = np.linspace(0.1, 1.0, 19)
"""Weights of the last close that are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Theta(StudentT):
    """Mean of the Theta method on log closes, spread of the scale, Student-t.

    Attributes:
        smoothing: Weight of the last close in the level, one for all symbols.

    Source: Assimakopoulos and Nikolopoulos (2000), doi:10.1016/S0169-2070(00)00066-2;
    Hyndman and Billah (2003), Unmasking the Theta method, equation 3.
    """

    smoothing: float
    name: str = "theta"

    def expected(
        self, bars: Bars, cutoffs: Int[np.ndarray, " window"]
    ) -> Float[np.ndarray, "window horizon"]:
        """Expect the unit of the window."""
        return WindowData.of(bars, _spec(len(self.factors))).unit(cutoffs)

    def centre(
        self, bars: Bars, cutoffs: Int[np.ndarray, " window"]
    ) -> Float[np.ndarray, "window horizon"]:
        """Expect the level and half the trend from each cutoff on."""
        return _Trends.of(bars).mean(cutoffs, self.smoothing, len(self.factors))


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
    trends = _Trends.of(bars)
    least, smoothing, errors = np.inf, np.nan, np.empty_like(unit)
    for weight in SMOOTHINGS.tolist():
        own = (targets - trends.mean(cutoffs, weight, spec.horizon)) / unit
        loss = float(np.vdot(own, own))
        if loss < least:
            least, smoothing, errors = loss, weight, own
    dfs, factors = fit_tails(errors)
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
    bars: Bars,
    cutoffs: Int[np.ndarray, " window"],
    smoothing: float,
    horizon: int,
) -> Float[np.ndarray, "window horizon"]:
    """Forecast the log return from each cutoff, from the closes so far.

    Args:
        bars: The panel.
        cutoffs: Rows of the last known bars.
        smoothing: Weight of the last close in the level.
        horizon: Sessions ahead.

    Returns:
        Mean log returns from each cutoff's close.
    """
    return _Trends.of(bars).mean(cutoffs, smoothing, horizon)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Trends:
    """What every smoothing shares: log closes from each symbol's first, and slopes."""

    bars: Bars
    logs: Float[np.ndarray, " row"]
    slopes: Float[np.ndarray, " row"]

    @classmethod
    def of(cls, bars: Bars) -> "_Trends":
        """Look at a panel once."""
        logs = np.log(bars.close / bars.close[bars.starts])
        slopes = np.empty_like(logs)
        for _, start, end in bars:
            slopes[start:end] = _slopes(logs[start:end])
        return cls(bars=bars, logs=logs, slopes=slopes)

    def mean(
        self, cutoffs: Int[np.ndarray, " window"], smoothing: float, horizon: int
    ) -> Float[np.ndarray, "window horizon"]:
        """Give level and half the trend, from each cutoff's close."""
        level = self._level(smoothing)[cutoffs]
        count = cutoffs - self.bars.starts[cutoffs] + 1
        lag = (1 - (1 - smoothing) ** count) / smoothing
        trend = self.slopes[cutoffs, None] * (np.arange(horizon) + lag[:, None])
        return np.asarray((level - self.logs[cutoffs])[:, None] + 0.5 * trend)

    def _level(self, smoothing: float) -> Float[np.ndarray, " row"]:
        from scipy.signal import lfilter

        level, past = np.empty_like(self.logs), [1.0, smoothing - 1]
        for _, start, end in self.bars:  # the first close is 0
            level[start:end] = lfilter([smoothing], past, self.logs[start:end])
        return level


def _spec(horizon: int) -> WindowSpec:
    return WindowSpec(context_length=1, horizon=horizon)


def _slopes(logs: Float[np.ndarray, " session"]) -> Float[np.ndarray, " session"]:
    # of a line through the sessions so far, by least squares; 0 through a single one
    count = np.arange(1, len(logs) + 1, dtype=float)
    time = count - 1
    moment = np.cumsum(time * logs) - time / 2 * np.cumsum(logs)
    spread = count * (count**2 - 1) / 12
    return np.asarray(np.where(count > 1, moment / np.maximum(spread, 1.0), 0.0))
