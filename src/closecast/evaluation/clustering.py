"""Whether misses come one after the other: Christoffersen's tests.

An interval that holds 80 % of the closes over the years may still miss all of them in
a crash. Only cutoffs whose targets do not overlap are followed, and symbols that miss
on the same date count for what they are worth together.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from closecast.evaluation.calibration import MIN_EFFECTIVE
from closecast.evaluation.resampling import sum_per_date
from closecast.evaluation.scores import hits
from closecast.forecast import Forecast

NOMINAL = (0.80, 0.95)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clustering:
    """How often an interval misses after a hit and after a miss.

    Attributes:
        horizon: The step, in sessions from 1.
        nominal: What the interval promises.
        miss_after_hit: Share of misses after a hit of the same symbol; None where
            there was none to follow.
        miss_after_miss: The same after a miss.
        independence_p: p-value of both being the same; None where too few.
        conditional_p: p-value of both being the promised share.
        num_effective: Independent pairs that the followed ones are worth.
    """

    horizon: int
    nominal: float
    miss_after_hit: float | None
    miss_after_miss: float | None
    independence_p: float | None
    conditional_p: float | None
    num_effective: float

    def to_dict(self) -> dict[str, object]:
        """Give one entry of ``scoreboard.json`` under ``clustering``.

        Returns:
            Figures under their names.
        """
        return asdict(self)


def cluster_misses(
    forecast: Forecast, truth: Float[np.ndarray, "window horizon"]
) -> tuple[Clustering, ...]:
    """Follow the misses of each interval through each symbol.

    Args:
        forecast: The forecast.
        truth: Log returns from the last close that came.

    Returns:
        One entry for each step and interval.

    Raises:
        ModelError: The forecast is not finite.
        WindowError: The truth is not finite, or of another shape.
    """
    missed = {level: ~hits(forecast, truth, level) for level in NOMINAL}
    return tuple(
        christoffersen(
            missed[level][before, step - 1],
            missed[level][now, step - 1],
            forecast.cutoffs[now],
            level,
            step,
        )
        for step, before, now in _followed(forecast)
        for level in NOMINAL
    )


def christoffersen(
    before: Bool[np.ndarray, " pair"],
    now: Bool[np.ndarray, " pair"],
    dates: Shaped[np.ndarray, " pair"],
    nominal: float,
    step: int,
) -> Clustering:
    """Test whether misses follow misses, and whether they are as many as promised.

    Args:
        before: Whether the interval missed.
        now: Whether the symbol's next one missed, whose target does not overlap.
        dates: Cutoff of the latter.
        nominal: Coverage that the interval promises.
        step: Step of the windows.

    Returns:
        Shares and p-values: likelihood ratios over the design effect of dates, by
        chi-squared with one and two degrees of freedom.

    Source: Christoffersen (1998), Evaluating interval forecasts, doi:10.2307/2527341;
    Rao and Scott (1984), doi:10.1214/aos/1176346391 (design effect).
    """
    from scipy.special import chdtrc

    count = len(now)
    trials = count / _design_effect(now, dates) if count else 0.0
    groups = [now[~before], now[before]]
    shares = [float(group.mean()) if len(group) else None for group in groups]
    p_independent = p_conditional = None
    if trials >= MIN_EFFECTIVE and 0 < now.sum() < count and None not in shares:
        worth = trials / count
        alone = sum(_log_likelihood(group, group.mean()) for group in groups)
        pooled = _log_likelihood(now, now.mean())
        promised = _log_likelihood(now, 1 - nominal)
        p_independent = float(chdtrc(1, max(2 * worth * (alone - pooled), 0.0)))
        p_conditional = float(chdtrc(2, max(2 * worth * (alone - promised), 0.0)))
    return Clustering(
        horizon=step,
        nominal=nominal,
        miss_after_hit=shares[0],
        miss_after_miss=shares[1],
        independence_p=p_independent,
        conditional_p=p_conditional,
        num_effective=trials,
    )


def _followed(
    forecast: Forecast,
) -> Iterator[tuple[int, Int[np.ndarray, " pair"], Int[np.ndarray, " pair"]]]:
    # For each step the windows of a symbol that lie that many cutoffs apart.
    order = np.lexsort((forecast.cutoffs, forecast.symbols))
    symbols = forecast.symbols[order]
    starts = np.flatnonzero(np.concatenate([[True], symbols[1:] != symbols[:-1]]))
    lengths = np.diff(np.append(starts, len(order)))
    rank = np.arange(len(order)) - np.repeat(starts, lengths)
    for step in range(1, forecast.horizon + 1):
        later = np.flatnonzero((rank % step == 0) & (rank >= step))
        yield step, order[later - step], order[later]


def _design_effect(
    now: Bool[np.ndarray, " pair"], dates: Shaped[np.ndarray, " pair"]
) -> float:
    share = float(now.mean())
    if share in {0.0, 1.0}:
        return len(now) / len(np.unique(dates))
    error = sum_per_date((now - share)[:, None], dates)[:, 0]
    return max(float(error @ error) / (len(now) * share * (1 - share)), 1.0)


def _log_likelihood(missed: Bool[np.ndarray, " pair"], share: float) -> float:
    from scipy.special import xlogy

    count = int(missed.sum())
    return float(xlogy(count, share) + xlogy(len(missed) - count, 1 - share))
