"""A band that the closes of all steps stay inside together.

An interval of each step holds its own close; that all of them hold at once is rarer.
So the same intervals are stretched, every step by one factor, until the share of paths
that stay inside is the promised one: split conformal prediction with the worst step as
the score of a window. It needs no paths drawn, and it keeps the shape of each step's
distribution. A Bonferroni correction would ask of every step what all together promise,
and be too wide where steps share their sessions.

The guarantee holds for exchangeable windows. Windows of one date share their news and
markets change, so that on prices it is an aim: what was held is part of the scoreboard.

Source: Diquigiovanni, Fontana and Vantini (2022), Conformal prediction bands for
multivariate functional data, arXiv:2106.01792 (the supremum of modulated errors);
Stankeviciute, Alaa and van der Schaar (2021), Conformal time-series forecasting,
NeurIPS (the Bonferroni band that it is compared with).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from closecast.errors import WindowError
from closecast.evaluation.calibration import (
    COVERAGES,
    MIN_EFFECTIVE,
    effective_trials,
    kupiec,
)
from closecast.evaluation.conformal import (
    MIN_WINDOWS,
    conformal_places,
    stretch_needed,
)
from closecast.evaluation.scores import hits
from closecast.forecast import MEDIAN, NOMINAL, Forecast, Forecaster
from closecast.market.bars import Bars

MAX_WINDOWS = 20_000
"""Calibration windows at most, evenly spaced; the share outside is then known to a
sixth of a point at 95 %."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PathBand:
    """How far intervals are stretched for the whole path to stay inside.

    Attributes:
        factors: Factor of the distance from the median for each central interval, the
            widest first, the same at every step.
        num_windows: Windows that it was measured on.
        first_date: Their first cutoff.
        last_date: Their last target.
    """

    factors: Float[np.ndarray, " interval"]
    num_windows: int
    first_date: str
    last_date: str

    def to_dict(self) -> dict[str, Any]:
        """Give the band as plain values.

        Returns:
            What ``of`` reads back, to the last bit.
        """
        return {
            "factors": self.factors.tolist(),
            "num_windows": self.num_windows,
            "first_date": self.first_date,
            "last_date": self.last_date,
        }

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "PathBand":
        """Make a band from plain values.

        Args:
            values: What ``to_dict`` gave.

        Returns:
            The band.

        Raises:
            ValueError: The factors are of another number, or not positive.
        """
        factors = np.asarray(values["factors"], dtype=np.float64)
        if factors.shape != (MEDIAN,):
            raise ValueError(f"factors of {factors.shape}")
        if not np.all(np.isfinite(factors) & (factors > 0)):
            raise ValueError("factors that are not positive")
        return cls(
            factors=factors,
            num_windows=int(values["num_windows"]),
            first_date=str(np.datetime64(values["first_date"], "D")),
            last_date=str(np.datetime64(values["last_date"], "D")),
        )

    def around(self, forecast: Forecast) -> Forecast:
        """Put the band around a forecast.

        Args:
            forecast: The forecast.

        Returns:
            The same with ``path_stretch``.
        """
        shape = (len(forecast), MEDIAN)
        return replace(forecast, path_stretch=np.broadcast_to(self.factors, shape))


def fit_path_band(
    forecast: Forecast, truth: Float[np.ndarray, "window horizon"]
) -> PathBand:
    """Measure on calibration windows how far intervals must be stretched.

    Args:
        forecast: Forecasts of windows that the weights were not fitted to.
        truth: Log returns from the last close that came.

    Returns:
        The band.

    Raises:
        WindowError: There are fewer than ``conformal.MIN_WINDOWS`` windows.
    """
    count = len(forecast)
    if count < MIN_WINDOWS:
        raise WindowError(
            f"Expected at least {MIN_WINDOWS} validation windows to measure a band of "
            f"the path on, got {count}. Use a longer series."
        )
    worst = np.sort(stretch_needed(forecast.quantiles, truth).max(axis=1), axis=0)
    return PathBand(
        factors=worst[conformal_places(count, NOMINAL), np.arange(MEDIAN)],
        num_windows=count,
        first_date=str(forecast.cutoffs.min()),
        last_date=str(forecast.target_dates.max()),
    )


def calibration_windows(
    cutoffs: Int[np.ndarray, " window"],
) -> Int[np.ndarray, " some"]:
    """Take the windows that a band is measured on.

    Args:
        cutoffs: Rows of the validation cutoffs.

    Returns:
        At most ``MAX_WINDOWS`` of them, evenly spaced.
    """
    count = min(len(cutoffs), MAX_WINDOWS)
    places = np.linspace(0, len(cutoffs) - 1, count).astype(int)
    return np.asarray(cutoffs[places])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Banded:
    """A forecaster whose forecasts carry a band of the path.

    Attributes:
        base: Whose forecasts they are.
        band: The band.
    """

    base: Forecaster[Bars]
    band: PathBand

    @property
    def name(self) -> str:
        """What tables call it."""
        return self.base.name

    def forecast(self, bars: Bars, cutoffs: Int[np.ndarray, " window"]) -> Forecast:
        """Forecast as the base does, with the band.

        Args:
            bars: The panel.
            cutoffs: Rows of the last known bars.

        Returns:
            One window for each cutoff, in the same order.
        """
        return self.band.around(self.base.forecast(bars, cutoffs))


@dataclass(frozen=True, slots=True, kw_only=True)
class PathCoverage:
    """How often a band held the whole path.

    Attributes:
        nominal: What the band promises.
        coverage: Share of the paths that stayed inside it at every step.
        stepwise: Share that stayed inside each step's own interval of that level: what
            a reader gets who takes the intervals together.
        num_windows: Windows.
        num_effective: Independent trials that they are worth.
        kupiec_p: p-value of coverage being as promised; None where too few.
    """

    nominal: float
    coverage: float
    stepwise: float
    num_windows: int
    num_effective: float
    kupiec_p: float | None

    def to_dict(self) -> dict[str, object]:
        """Give one entry of ``scoreboard.json`` under ``path_coverage``.

        Returns:
            Figures under their names.
        """
        return asdict(self)


def path_coverage(
    forecast: Forecast, truth: Float[np.ndarray, "window horizon"]
) -> tuple[PathCoverage, ...]:
    """Compare what bands of the path promised with what came.

    Args:
        forecast: The forecast.
        truth: Log returns from the last close that came.

    Returns:
        One entry for each level; none where the forecast has no band.
    """
    if forecast.path_stretch is None:
        return ()
    return tuple(_coverage(forecast, truth, level) for level in COVERAGES)


def _coverage(
    forecast: Forecast, truth: Float[np.ndarray, "window horizon"], level: float
) -> PathCoverage:
    low, high = forecast.path_interval(level)
    held = np.asarray(((low <= truth) & (truth <= high)).all(axis=1))
    trials = effective_trials(held, forecast.cutoffs, forecast.horizon)
    share = float(held.mean())
    return PathCoverage(
        nominal=level,
        coverage=share,
        stepwise=float(hits(forecast, truth, level).all(axis=1).mean()),
        num_windows=len(held),
        num_effective=trials,
        kupiec_p=kupiec(share, level, trials) if trials >= MIN_EFFECTIVE else None,
    )
