"""Whether the stated probabilities come true: coverage and the PIT.

Windows of one date share their news and neighbouring cutoffs share their closes, so
that a million windows are not a million trials. Each test counts what the variance
of the hits says they are worth.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped

from closecast.evaluation.resampling import sum_per_date
from closecast.evaluation.scores import hits
from closecast.forecast import Forecast

COVERAGES = (0.50, 0.80, 0.95)
PIT_BINS = 10
TERCILES = ("low", "middle", "high")

MIN_EFFECTIVE = 20
"""Fewer independent trials are not tested."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How often a central interval held the close, in one group of windows.

    Attributes:
        group: "all", "volatility low" (or middle, high: terciles of the volatility at
            the cutoff, over all windows) or the year of the cutoff.
        horizon: The step, in sessions from 1.
        nominal: What the interval promises.
        coverage: What it held.
        num_windows: Windows in the group.
        num_effective: Independent trials that they are worth.
        kupiec_p: p-value of coverage being as promised; None where too few.
    """

    group: str
    horizon: int
    nominal: float
    coverage: float
    num_windows: int
    num_effective: float
    kupiec_p: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pit:
    """Where the closes fell in the distributions forecast for them, at one step.

    Attributes:
        horizon: The step, in sessions from 1.
        shares: Share of the closes in each of ``PIT_BINS`` bins of equal probability;
            flat where the density is right.
        uniform_p: p-value of it being flat; None where there are too few trials.
    """

    horizon: int
    shares: tuple[float, ...]
    uniform_p: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Coverage in each group of windows, and the PIT of each step."""

    coverage: tuple[Coverage, ...]
    pit: tuple[Pit, ...]

    def to_dict(self) -> dict[str, object]:
        """Give the content of ``scoreboard.json`` under ``calibration``.

        Returns:
            Figures under their names.
        """
        return {
            "coverage": [asdict(one) for one in self.coverage],
            "pit": [asdict(one) for one in self.pit],
        }


def calibrate(
    forecast: Forecast,
    truth: Float[np.ndarray, "window horizon"],
    scale: Float[np.ndarray, " window"],
) -> Calibration:
    """Compare what a forecast promised with what came.

    Args:
        forecast: The forecast.
        truth: Log returns from the last close that came.
        scale: The symbol's volatility of one session known at each cutoff.

    Returns:
        Coverage over all windows, by volatility and by year, and the PIT.

    Raises:
        ModelError: The forecast is not finite.
        WindowError: The truth is not finite, or of another shape.
    """
    held = {level: hits(forecast, truth, level) for level in COVERAGES}
    cells = [
        _coverage(
            name, step, level, held[level][rows, step - 1], forecast.cutoffs[rows]
        )
        for name, rows in _groups(forecast, scale)
        for step in range(1, forecast.horizon + 1)
        for level in COVERAGES
    ]
    pits = [_pit(forecast, truth, step) for step in range(1, forecast.horizon + 1)]
    return Calibration(coverage=tuple(cells), pit=tuple(pits))


def effective_trials(
    held: Bool[np.ndarray, " window"],
    dates: Shaped[np.ndarray, " window"],
    horizon: int,
) -> float:
    """Count the independent trials that dependent ones are worth.

    Args:
        held: Outcome of each window.
        dates: Cutoff of each window.
        horizon: Step of the windows: neighbouring cutoffs share so many sessions.

    Returns:
        The number of independent trials whose mean varies as much as this one, by a
        variance over dates with Bartlett's weights; at most the windows there are.

    Source: Newey and West (1987), doi:10.2307/1913610; Kish (1965), Survey Sampling
    (design effect).
    """
    count, share = len(held), float(held.mean())
    if share in {0.0, 1.0}:
        return float(len(np.unique(dates))) / horizon
    error = sum_per_date((held - share)[:, None], dates)[:, 0]
    lags = min(2 * horizon, len(error) - 1)
    total = float(error @ error)
    for lag in range(1, lags + 1):
        total += 2 * (1 - lag / (lags + 1)) * float(error[lag:] @ error[:-lag])
    if total <= 0:
        return float(count)
    return min(count**2 * share * (1 - share) / total, float(count))


def kupiec(share: float, nominal: float, trials: float) -> float:
    """Test whether a share of hits is the promised one.

    Args:
        share: Hits over trials.
        nominal: The promised share, in (0, 1).
        trials: Independent trials.

    Returns:
        p-value of the likelihood ratio, by chi-squared with one degree of freedom.

    Source: Kupiec (1995), Techniques for verifying the accuracy of risk measurement
    models, doi:10.3905/jod.1995.407942.
    """
    from scipy.special import chdtrc, xlogy

    gain = xlogy(share, share / nominal) + xlogy(1 - share, (1 - share) / (1 - nominal))
    return float(chdtrc(1, max(2 * trials * float(gain), 0.0)))


def _groups(
    forecast: Forecast, scale: Float[np.ndarray, " window"]
) -> Iterator[tuple[str, Bool[np.ndarray, " window"]]]:
    yield "all", np.ones(len(scale), bool)
    tercile = np.searchsorted(np.quantile(scale, [1 / 3, 2 / 3]), scale)
    for number, name in enumerate(TERCILES):
        if np.any(tercile == number):
            yield f"volatility {name}", tercile == number
    years = forecast.cutoffs.astype("datetime64[Y]")
    for year in np.unique(years):
        yield str(year), years == year


def _coverage(
    group: str,
    step: int,
    nominal: float,
    held: Bool[np.ndarray, " window"],
    dates: Shaped[np.ndarray, " window"],
) -> Coverage:
    share, trials = float(held.mean()), effective_trials(held, dates, step)
    enough = trials >= MIN_EFFECTIVE
    return Coverage(
        group=group,
        horizon=step,
        nominal=nominal,
        coverage=share,
        num_windows=len(held),
        num_effective=trials,
        kupiec_p=kupiec(share, nominal, trials) if enough else None,
    )


def _pit(
    forecast: Forecast, truth: Float[np.ndarray, "window horizon"], step: int
) -> Pit:
    edges = np.stack(
        [forecast.quantile(k / PIT_BINS)[:, step - 1] for k in range(1, PIT_BINS)]
    )
    place = (truth[:, step - 1] > edges).sum(axis=0)
    shares = np.bincount(place, minlength=PIT_BINS) / len(place)
    return Pit(
        horizon=step,
        shares=tuple(shares.tolist()),
        uniform_p=_uniform_p(place, shares, forecast.cutoffs, step),
    )


def _uniform_p(
    place: Shaped[np.ndarray, " window"],
    shares: Float[np.ndarray, " bin"],
    dates: Shaped[np.ndarray, " window"],
    step: int,
) -> float | None:
    # Pearson's statistic over the mean design effect of the bins.
    # Source: Rao and Scott (1984), doi:10.1214/aos/1176346391.
    from scipy.special import chdtrc

    trials = np.array(
        [effective_trials(place == bin_, dates, step) for bin_ in range(PIT_BINS)]
    )
    if trials.min() < MIN_EFFECTIVE:
        return None
    effect = float(((1 - shares) * len(place) / trials).sum()) / (PIT_BINS - 1)
    statistic = len(place) * PIT_BINS * float(((shares - 1 / PIT_BINS) ** 2).sum())
    return float(chdtrc(PIT_BINS - 1, statistic / effect))
