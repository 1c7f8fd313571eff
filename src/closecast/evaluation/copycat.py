"""The copycat check: why not forecast just one day ahead?

A one-step forecast of a price looks perfect on a chart when it repeats the last
close. These figures tell a copy from a forecast; the R2 of prices is here only to
show that it cannot.
"""

from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Float, Int

from closecast.errors import WindowError
from closecast.evaluation.resampling import interval, sum_per_date
from closecast.evaluation.scores import squared_error
from closecast.forecast import Forecast

LAGS = (0, 1, 2, 3)
"""Sessions that an actual change lies before the one forecast."""

MIN_PAIRS = 3
"""Two points always lie on a line."""

LEAST_DEVIATION = 1e-15
"""Changes that differ less differ by rounding alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copycat:
    """How much a one-step forecast owes to the last close.

    Attributes:
        r2_price: R2 of the forecast price, median over the symbols; None where no
            symbol has closes that differ.
        r2_price_persistence: The same for the last close taken as forecast.
        change_lag_0: Correlation of the forecast price's change with the change of
            the session it is made for; None where it is not defined.
        change_lag_1: The same with the change of the session before; 1 for a copy.
        change_lag_2: The same two sessions before.
        change_lag_3: The same three sessions before.
        level_slope: Slope of the forecast log price on the last log close, within
            symbols; 1 for a copy.
        level_r2: Share of the forecast price's variance that the last close explains.
        change_slope: Slope of the forecast price's change on the actual change of the
            session it is made for; 1 for a perfect forecast, about 0 for a copy.
        theil_u2: Root mean squared error over that of the last close; 1 for a copy.
        theil_u2_interval: Its 90 % block-bootstrap interval; None where there are too
            few dates.
        ic: Correlation of forecast with actual returns; None for a copy.
        ic_interval: Its 90 % block-bootstrap interval.
        spread_share: Standard deviation of forecast returns over that of actual
            ones; 0 for a copy.
    """

    r2_price: float | None
    r2_price_persistence: float | None
    change_lag_0: float | None
    change_lag_1: float | None
    change_lag_2: float | None
    change_lag_3: float | None
    level_slope: float | None
    level_r2: float | None
    change_slope: float | None
    theil_u2: float
    theil_u2_interval: tuple[float, float] | None
    ic: float | None
    ic_interval: tuple[float, float] | None
    spread_share: float

    @property
    def is_copy(self) -> bool:
        """Whether the forecast's changes follow the session before."""
        return self.change_lag_1 is not None and (
            self.change_lag_0 is None or self.change_lag_1 > abs(self.change_lag_0)
        )

    @property
    def verdict(self) -> str:
        """What the figures say, in a few words."""
        low, high = self.theil_u2_interval or (None, None)
        if low is None or high is None:
            return "too few dates to tell a copy from a forecast"
        if high < 1:
            return (
                "mostly the last close, with information beyond it"
                if self.is_copy
                else "information beyond the last close"
            )
        if low <= 1 and self.ic_interval is not None and self.ic_interval[0] > 0:
            return "a trace beyond the last close, too faint to lower the error"
        if low <= 1 or self.is_copy:
            return "no information beyond the last close"
        return "not a copy of the last close, and no better than one"

    @property
    def why_five(self) -> str:
        """An answer to "why not forecast just one day ahead?", with the figures."""
        return (
            f"Why not forecast just one day ahead? {self._r2_clause()}; the model's "
            f"error is {self.theil_u2:.3f} times that of the copy{self._lag_clause()}. "
            "So a one-day chart proves nothing, and forecasts are judged as returns "
            "from the last close, over all steps."
        )

    def to_dict(self) -> dict[str, float | str | None]:
        """Give the content of ``scoreboard.json`` under ``copycat``.

        Returns:
            Figures, verdict and why_five under their names.
        """
        return {**asdict(self), "verdict": self.verdict, "why_five": self.why_five}

    def _r2_clause(self) -> str:
        if self.r2_price is None or self.r2_price_persistence is None:
            return "Too few closes here to put a figure on how well a copy scores"
        return (
            f"Persistence scores R2 {self.r2_price_persistence:.3f} on the next close "
            f"by copying the last one, and the model {self.r2_price:.3f}"
        )

    def _lag_clause(self) -> str:
        if self.change_lag_0 is None or self.change_lag_1 is None:
            return ""
        return (
            ", and its changes correlate "
            f"{self.change_lag_1:+.2f} with the session before and "
            f"{self.change_lag_0:+.2f} with the one forecast"
        )


def check_copycat(
    forecast: Forecast, truth: Float[np.ndarray, "window horizon"]
) -> Copycat:
    """Check the first step of a forecast for a copy of the last close.

    Args:
        forecast: The forecast.
        truth: Log returns from the last close that came.

    Returns:
        The figures of the first step.

    Raises:
        ModelError: The forecast is not finite.
        WindowError: The truth is not finite, of another shape, or never moves.

    Source: Theil (1966), Applied Economic Forecasting, chapter 2 (U2).
    """
    error = squared_error(forecast, truth)[:, 0]
    actual, predicted = truth[:, 0], forecast.mean[:, 0]
    if not np.any(actual):
        raise WindowError(
            "Expected closes that move after the cutoff, got none that does (step 1, "
            f"{len(actual)} windows). Judge on a longer series."
        )
    lags, change_slope = _change_correlations(forecast, actual)
    level_slope, level_r2 = _level_regression(forecast, predicted)
    ic, ic_interval = _correlation_of_returns(forecast, predicted, actual)
    deviation = float(actual.std())
    return Copycat(
        r2_price=_r2_of_prices(forecast, predicted, actual),
        r2_price_persistence=_r2_of_prices(forecast, np.zeros_like(actual), actual),
        change_lag_0=lags[0],
        change_lag_1=lags[1],
        change_lag_2=lags[2],
        change_lag_3=lags[3],
        level_slope=level_slope,
        level_r2=level_r2,
        change_slope=change_slope,
        theil_u2=float(np.sqrt(error.mean() / np.mean(actual**2))),
        theil_u2_interval=_u2_interval(forecast, error, actual),
        ic=ic,
        ic_interval=ic_interval,
        spread_share=float(predicted.std()) / deviation if deviation > 0 else 0.0,
    )


def _r2_of_prices(
    forecast: Forecast,
    predicted: Float[np.ndarray, " window"],
    actual: Float[np.ndarray, " window"],
) -> float | None:
    # The median over the symbols: no price level counts for more than another.
    price = forecast.last_close * np.exp(actual)
    miss = price - forecast.last_close * np.exp(predicted)
    _, symbol, count = np.unique(
        forecast.symbols, return_inverse=True, return_counts=True
    )
    centre = np.bincount(symbol, weights=price) / count
    total = np.bincount(symbol, weights=(price - centre[symbol]) ** 2)
    left = np.bincount(symbol, weights=miss**2)
    moves = total > 1e-20 * count * centre**2
    if not moves.any():
        return None
    return float(np.median(1 - left[moves] / total[moves]))


def _u2_interval(
    forecast: Forecast,
    error: Float[np.ndarray, " window"],
    actual: Float[np.ndarray, " window"],
) -> tuple[float, float] | None:
    sums = sum_per_date(np.column_stack([error, actual**2]), forecast.cutoffs)
    return interval(
        lambda total: np.sqrt(total[:, 0] / total[:, 1]),
        sums,
        sums[:, 0] - sums[:, 1],
        1,
    )


def _correlation_of_returns(
    forecast: Forecast,
    predicted: Float[np.ndarray, " window"],
    actual: Float[np.ndarray, " window"],
) -> tuple[float | None, tuple[float, float] | None]:
    ic = _correlation(predicted, actual)
    if ic is None:
        return None, None
    x = (predicted - predicted.mean()) / predicted.std()
    y = (actual - actual.mean()) / actual.std()
    columns = np.column_stack([np.ones_like(x), x, y, x * x, y * y, x * y])
    sums = sum_per_date(columns, forecast.cutoffs)
    return ic, interval(_correlation_of_sums, sums, sums[:, 5], 1)


def _correlation_of_sums(
    total: Float[np.ndarray, "repetition moment"],
) -> Float[np.ndarray, " repetition"]:
    x, y, xx, yy, xy = (total[:, 1:] / total[:, :1]).T
    return np.asarray((xy - x * y) / np.sqrt((xx - x * x) * (yy - y * y)))


def _level_regression(
    forecast: Forecast, predicted: Float[np.ndarray, " window"]
) -> tuple[float | None, float | None]:
    # In logarithms around each symbol's mean, so that no price level counts for more.
    last = _around_symbol_mean(forecast, np.log(forecast.last_close))
    price = _around_symbol_mean(forecast, np.log(forecast.last_close) + predicted)
    correlation = _correlation(last, price)
    if correlation is None:
        return None, None
    return float(last @ price / (last @ last)), correlation**2


def _around_symbol_mean(
    forecast: Forecast, values: Float[np.ndarray, " window"]
) -> Float[np.ndarray, " window"]:
    _, symbol, count = np.unique(
        forecast.symbols, return_inverse=True, return_counts=True
    )
    mean = np.bincount(symbol, weights=values) / count
    return np.asarray(values - mean[symbol])


def _change_correlations(
    forecast: Forecast, actual: Float[np.ndarray, " window"]
) -> tuple[list[float | None], float | None]:
    # In logarithms, so that changes of all symbols can be pooled.
    before, now = _neighbours(forecast, actual)
    price = np.log(forecast.last_close) + forecast.mean[:, 0]
    change = price[now] - price[before]
    previous = np.full(len(actual), -1)
    previous[now] = before
    lags: list[float | None] = []
    source = now
    for _ in LAGS:
        known = source >= 0
        lags.append(_correlation(change[known], actual[source[known]]))
        source = np.where(known, previous[source], -1)
    slope = None
    if lags[0] is not None:
        slope = lags[0] * float(change.std() / actual[now].std())
    return lags, slope


def _neighbours(
    forecast: Forecast, actual: Float[np.ndarray, " window"]
) -> tuple[Int[np.ndarray, " pair"], Int[np.ndarray, " pair"]]:
    # Cutoffs are one session apart where the close that came is the next last close.
    order = np.lexsort((forecast.cutoffs, forecast.symbols))
    before, now = order[:-1], order[1:]
    same = forecast.symbols[before] == forecast.symbols[now]
    reached = forecast.last_close[before] * np.exp(actual[before])
    adjacent = same & np.isclose(reached, forecast.last_close[now], rtol=1e-6, atol=0)
    return before[adjacent], now[adjacent]


def _correlation(
    left: Float[np.ndarray, " pair"], right: Float[np.ndarray, " pair"]
) -> float | None:
    if len(left) < MIN_PAIRS or min(left.std(), right.std()) < LEAST_DEVIATION:
        return None
    return float(np.corrcoef(left, right)[0, 1])
