"""Whether a forecast sorts the symbols of a day: IC and RankIC.

Both correlate what was forecast with what came across the symbols of one date, so
that the market's own move, which all symbols share, counts for nothing.
"""

from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Float, Int

from closecast.evaluation.resampling import interval
from closecast.forecast import Forecast

MIN_SYMBOLS = 5
"""Of fewer symbols an order says little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """Correlations across the symbols of a date, at one step.

    Attributes:
        horizon: The step, in sessions from 1.
        ic: Mean over the dates of Pearson's correlation; None where no date has
            ``MIN_SYMBOLS`` symbols whose forecasts differ.
        rank_ic: The same of Spearman's.
        icir: ic over its standard deviation over the dates.
        rank_icir: The same of rank_ic.
        rank_ic_interval: 90 % block-bootstrap interval of rank_ic.
        num_dates: Dates averaged over.
    """

    horizon: int
    ic: float | None
    rank_ic: float | None
    icir: float | None
    rank_icir: float | None
    rank_ic_interval: tuple[float, float] | None
    num_dates: int

    def to_dict(self) -> dict[str, object]:
        """Give one entry of ``scoreboard.json`` under ``ranking``.

        Returns:
            Figures under their names.
        """
        return asdict(self)


def rank_symbols(
    forecast: Forecast, truth: Float[np.ndarray, "window horizon"]
) -> tuple[Ranking, ...]:
    """Correlate forecast and truth across the symbols of each date.

    Args:
        forecast: The forecast; its mean is what is judged.
        truth: Log returns from the last close that came.

    Returns:
        One entry for each step.

    Source: Grinold and Kahn (2000), Active Portfolio Management, chapter 6.
    """
    _, date, count = np.unique(
        forecast.cutoffs, return_inverse=True, return_counts=True
    )
    kept = count[date] >= MIN_SYMBOLS
    _, date = np.unique(date[kept], return_inverse=True)
    return tuple(
        _ranking(step, forecast.mean[kept, step - 1], truth[kept, step - 1], date)
        for step in range(1, forecast.horizon + 1)
    )


def _ranking(
    step: int,
    predicted: Float[np.ndarray, " window"],
    actual: Float[np.ndarray, " window"],
    date: Int[np.ndarray, " window"],
) -> Ranking:
    plain = _correlations(predicted, actual, date)
    ranks = _correlations(_ranks(predicted, date), _ranks(actual, date), date)
    ic, icir = _mean_and_ratio(plain)
    rank_ic, rank_icir = _mean_and_ratio(ranks)
    sums = np.column_stack([ranks, np.ones(len(ranks))])
    return Ranking(
        horizon=step,
        ic=ic,
        rank_ic=rank_ic,
        icir=icir,
        rank_icir=rank_icir,
        rank_ic_interval=interval(lambda t: t[:, 0] / t[:, 1], sums, ranks, step),
        num_dates=len(ranks),
    )


def _mean_and_ratio(
    values: Float[np.ndarray, " date"],
) -> tuple[float | None, float | None]:
    if len(values) == 0:
        return None, None
    mean, deviation = float(values.mean()), float(values.std())
    return mean, mean / deviation if deviation > 0 else None


def _correlations(
    left: Float[np.ndarray, " window"],
    right: Float[np.ndarray, " window"],
    date: Int[np.ndarray, " window"],
) -> Float[np.ndarray, " date"]:
    # Dates on which one side does not differ have no correlation.
    left, right = _centred(left, date), _centred(right, date)
    product = np.bincount(date, weights=left * right)
    size = np.bincount(date, weights=left**2) * np.bincount(date, weights=right**2)
    differ = size > 1e-60  # noqa: PLR2004  squared rounding errors of log returns
    return np.asarray(product[differ] / np.sqrt(size[differ]))


def _centred(
    values: Float[np.ndarray, " window"], date: Int[np.ndarray, " window"]
) -> Float[np.ndarray, " window"]:
    mean = np.bincount(date, weights=values) / np.maximum(np.bincount(date), 1)
    return np.asarray(values - mean[date])


def _ranks(
    values: Float[np.ndarray, " window"], date: Int[np.ndarray, " window"]
) -> Float[np.ndarray, " window"]:
    # Ties share the mean of their ranks.
    if len(values) == 0:
        return values
    order = np.lexsort((values, date))
    same = (np.diff(values[order]) == 0) & (np.diff(date[order]) == 0)
    run = np.cumsum(np.concatenate([[True], ~same])) - 1
    first_and_last = np.arange(len(values), dtype=float)
    shared = np.bincount(run, weights=first_and_last) / np.bincount(run)
    ranks = np.empty(len(values))
    ranks[order] = shared[run]
    return ranks
