"""EWMA volatility with a Student-t: the density to beat.

RiskMetrics says how wide, the training windows say how heavy the tails are.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from closecast.errors import TrainingError, WindowError
from closecast.forecast import LEVELS, Forecast
from closecast.market.bars import Bars
from closecast.models.baselines.location_scale import (
    last_seen,
    location_scale_forecast,
)
from closecast.windows.scaling import gather_targets, log_table, volatility
from closecast.windows.spec import WindowSpec

DECAY = 0.94
"""RiskMetrics' weight of yesterday's variance, for daily data."""

HALF_LIFE = math.log(0.5) / math.log(DECAY)

MIN_WINDOWS = 10
"""Fewer training windows say nothing of a tail."""

DF_BOUNDS = (2.1, 100.0)
"""Above 2 the variance is finite; at 100 a Student-t is a Gaussian to the eye."""

FACTOR_BOUNDS = (0.05, 20.0)
"""Keeps a pool of frozen prices from shrinking the spread to nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EwmaT:
    """Mean 0, EWMA volatility x sqrt(step) x factor, Student-t.

    Attributes:
        degrees_of_freedom: Of the Student-t, one for each step.
        factors: Spread of each step in units of volatility x sqrt(step).
        first_date: First bar fitted to, ISO.
        last_date: Last bar fitted to, ISO.
        calendar: Which sessions target dates are taken from.
        name: What tables call it.

    Source: J.P. Morgan, RiskMetrics Technical Document (1996), section 5.2.
    """

    degrees_of_freedom: tuple[float, ...]
    factors: tuple[float, ...]
    first_date: str
    last_date: str
    calendar: str = "auto"
    name: str = "ewma_t"

    def forecast(self, bars: Bars, cutoffs: Int[np.ndarray, " window"]) -> Forecast:
        """Forecast a spread around the last close at each cutoff.

        Args:
            bars: The panel.
            cutoffs: Rows of the last known bars.

        Returns:
            One window for each cutoff, in the same order.
        """
        from scipy.special import stdtrit

        spread = _unit(bars, cutoffs, len(self.factors)) * np.asarray(self.factors)
        shape = stdtrit(np.asarray(self.degrees_of_freedom)[:, None], LEVELS)
        return location_scale_forecast(
            bars, cutoffs, self.calendar, np.zeros_like(spread), spread, shape
        )


def fit_ewma_t(
    bars: Bars,
    train_cutoffs: Int[np.ndarray, " window"],
    spec: WindowSpec,
    calendar: str = "auto",
) -> EwmaT:
    """Fit tails and spread of each step on pooled training windows.

    Args:
        bars: The panel.
        train_cutoffs: Rows of the training windows' last known bars.
        spec: Shape of a window; only its horizon matters here.
        calendar: Which sessions target dates are taken from.

    Returns:
        The baseline with its fitted constants.

    Raises:
        TrainingError: There are fewer than ``MIN_WINDOWS`` windows.
        WindowError: The target of a training window is not in the panel.
    """
    if len(train_cutoffs) < MIN_WINDOWS:
        raise TrainingError(
            f"Expected at least {MIN_WINDOWS} training windows for the EWMA-t "
            f"baseline, got {len(train_cutoffs)}. Use a longer series."
        )
    beyond = train_cutoffs[train_cutoffs + spec.horizon >= bars.ends[train_cutoffs]]
    if len(beyond):
        row = int(beyond[0])
        raise WindowError(
            f"Expected {spec.horizon} bars after each training cutoff, got fewer "
            f"(symbol {bars.symbol_of(row)}, {bars.dates[row]}). Train on cutoffs "
            "from closecast.windows.index.cutoffs_with_targets."
        )
    targets = gather_targets(log_table(bars), train_cutoffs, spec)
    standardised = targets / _unit(bars, train_cutoffs, spec.horizon)
    fitted = [fit_student_t(step) for step in standardised.T]
    first, last = last_seen(bars, train_cutoffs, spec)
    return EwmaT(
        degrees_of_freedom=tuple(df for df, _ in fitted),
        factors=tuple(factor for _, factor in fitted),
        first_date=first,
        last_date=last,
        calendar=calendar,
    )


def fit_student_t(values: Float[np.ndarray, " window"]) -> tuple[float, float]:
    """Fit a Student-t around 0 by maximum likelihood.

    Args:
        values: A sample, without unit.

    Returns:
        Degrees of freedom and scale, each within its bounds.

    Raises:
        TrainingError: The likelihood has no maximum that can be found.
    """
    from scipy.optimize import minimize

    squares = values**2
    bounds = np.log([DF_BOUNDS, FACTOR_BOUNDS])
    start = np.clip(
        [math.log(6.0), 0.5 * math.log(np.mean(squares) + 1e-12)], *bounds.T
    )
    fitted = minimize(
        _negative_log_likelihood,
        start,
        args=(squares,),
        jac=True,
        method="L-BFGS-B",
        bounds=[(float(low), float(high)) for low, high in bounds],
    )
    if not np.all(np.isfinite(fitted.x)) or not math.isfinite(fitted.fun):
        raise TrainingError(
            "Expected a Student-t that fits the training windows, got "
            f"{fitted.message}. Check the closes for values that are not finite."
        )
    df, scale = np.exp(fitted.x)
    return float(df), float(scale)


def _negative_log_likelihood(
    logs: Float[np.ndarray, "2"], squares: Float[np.ndarray, " window"]
) -> tuple[float, Float[np.ndarray, "2"]]:
    # The mean over the sample, and its gradient in (log df, log scale).
    from scipy.special import digamma, gammaln

    df, scale = np.exp(logs)
    ratio = squares / (df * scale**2)
    tail = np.mean(np.log1p(ratio))
    share = np.mean(ratio / (1 + ratio))
    constant = gammaln((df + 1) / 2) - gammaln(df / 2) - 0.5 * np.log(df * np.pi)
    value = logs[1] - constant + (df + 1) / 2 * tail
    d_constant = 0.5 * (digamma((df + 1) / 2) - digamma(df / 2) - 1 / df)
    d_df = -d_constant + tail / 2 - (df + 1) / (2 * df) * share
    return float(value), np.array([df * d_df, 1 - (df + 1) * share])


def _unit(
    bars: Bars, cutoffs: Int[np.ndarray, " window"], horizon: int
) -> Float[np.ndarray, "window horizon"]:
    steps = np.sqrt(np.arange(1, horizon + 1))
    return np.asarray(volatility(bars, HALF_LIFE)[cutoffs][:, None] * steps)
