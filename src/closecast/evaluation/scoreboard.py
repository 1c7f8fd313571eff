"""The scoreboard: a model beside its baselines, and the verdict.

Every table and report shows this object. It compares forecasts of the same
windows only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from closecast.errors import WindowError
from closecast.evaluation.alarms import raise_alarms
from closecast.evaluation.calibration import Calibration, calibrate
from closecast.evaluation.clustering import Clustering, cluster_misses
from closecast.evaluation.comparison import Comparison
from closecast.evaluation.copycat import Copycat, check_copycat
from closecast.evaluation.costs import CostCurve, cost_curve
from closecast.evaluation.direction import Direction, judge_direction
from closecast.evaluation.path_band import PathCoverage, path_coverage
from closecast.evaluation.paths import PathScore, score_paths
from closecast.evaluation.ranking import Ranking, rank_symbols
from closecast.evaluation.regimes import Conditional, by_volatility
from closecast.evaluation.rows import Row, compare_all, rows_of
from closecast.evaluation.scores import crps
from closecast.evaluation.slices import Slice, slice_skill
from closecast.evaluation.superiority import Superiority, superiority
from closecast.evaluation.verdict import DENSITY_BASELINES, judge
from closecast.forecast import Forecast


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoreboard:
    """Figures of every model, and what they say of the judged one.

    Attributes:
        rows: One for each model and step, the judged model first.
        verdict: What may be said of the judged model, in words.
        why: Sentences with the figures behind the verdict.
        suspicious: Whether a figure is too good for prices.
        copycat: How much the judged model's first step owes to the last close.
        calibration: Coverage and PIT of the judged model.
        ranking: How it sorts the symbols of a date, from step 1 on.
        direction: Directions that it names, from step 1 on.
        clustering: Whether its intervals miss in a row.
        paths: The whole path of every model, as one.
        path_coverage: How often the judged model's bands held the whole path; empty
            where it has none.
        superiority: What is better than ewma_t by CRPS and than zero by squared
            error, all models counted.
        regimes: Its skill in calm and in storm against each density baseline.
        costs: What its first step is worth against the cost of trading; None where
            it names no direction.
        slices: Where its skill comes from, by period and by symbol.
        num_windows: Windows that every model was scored in.
        num_dates: Different cutoff dates among them.
    """

    rows: tuple[Row, ...]
    verdict: str
    why: tuple[str, ...]
    suspicious: bool
    copycat: Copycat
    calibration: Calibration
    ranking: tuple[Ranking, ...]
    direction: tuple[Direction, ...]
    clustering: tuple[Clustering, ...]
    paths: tuple[PathScore, ...]
    path_coverage: tuple[PathCoverage, ...]
    superiority: tuple[Superiority, ...]
    regimes: tuple[Conditional, ...]
    costs: CostCurve | None
    slices: tuple[Slice, ...]
    num_windows: int
    num_dates: int

    @property
    def model(self) -> str:
        """Name of the judged model."""
        return self.rows[0].model

    def to_dict(self) -> dict[str, object]:
        """Give what a judge knows of ``scoreboard.json``.

        Returns:
            Names and figures, ready for JSON.
        """
        bands = [one.to_dict() for one in self.path_coverage]
        return {
            "verdict": self.verdict,
            "why": list(self.why),
            "rows": [row.to_dict() for row in self.rows],
            "copycat": self.copycat.to_dict(),
            "calibration": self.calibration.to_dict(),
            "ranking": [step.to_dict() for step in self.ranking],
            "direction": [step.to_dict() for step in self.direction],
            "clustering": [one.to_dict() for one in self.clustering],
            "paths": [one.to_dict() for one in self.paths],
            **({"path_coverage": bands} if bands else {}),
            "superiority": [one.to_dict() for one in self.superiority],
            "regimes": [one.to_dict() for one in self.regimes],
            "costs": None if self.costs is None else self.costs.to_dict(),
            "slices": [one.to_dict() for one in self.slices],
            "suspicious": self.suspicious,
            "num_windows": self.num_windows,
            "num_dates": self.num_dates,
        }


def score(
    forecasts: Mapping[str, Forecast],
    truth: Float[np.ndarray, "window horizon"],
    scale: Float[np.ndarray, " window"],
) -> Scoreboard:
    """Score a model beside its baselines and judge it.

    Args:
        forecasts: Forecasts of the same windows by name: the judged model first,
            then the baselines, zero, drift, ewma_t, har_t and garch_t among them.
        truth: Log returns from the last close that came.
        scale: The symbol's volatility of one session known at each cutoff.

    Returns:
        The scoreboard.

    Raises:
        ModelError: A forecast is not finite.
        SettingError: A baseline that the verdict is measured against is missing.
        WindowError: The forecasts are not of the same windows, or truth or scale
            cannot be used.
    """
    with threadpool_limits(1, "blas"):  # the same sums on a machine of any cores
        return _score(forecasts, truth, scale)


def _score(
    forecasts: Mapping[str, Forecast],
    truth: Float[np.ndarray, "window horizon"],
    scale: Float[np.ndarray, " window"],
) -> Scoreboard:
    _check_windows(forecasts)
    judged = next(iter(forecasts))
    forecast = forecasts[judged]
    _check_truth(truth, scale, forecast)
    density, squares = compare_all(forecasts, truth, scale)
    rows = rows_of(forecasts, truth, scale, density, squares)
    own = [row for row in rows if row.model == judged]
    ranking = rank_symbols(forecast, truth)
    costs = cost_curve(forecast, truth)
    verdict = judge(own, raise_alarms(own, forecast, truth, ranking, costs))
    return Scoreboard(
        rows=rows,
        verdict=verdict.text,
        why=verdict.why,
        suspicious=verdict.suspicious,
        copycat=check_copycat(forecast, truth),
        calibration=calibrate(forecast, truth, scale),
        ranking=ranking,
        direction=judge_direction(forecast, truth),
        clustering=cluster_misses(forecast, truth),
        paths=score_paths(forecasts, truth, scale),
        path_coverage=path_coverage(forecast, truth),
        superiority=(
            *_superiority(density, "ewma_t", "crps"),
            *_superiority(squares, "zero", "squared_error"),
        ),
        regimes=_regimes(forecasts, truth, scale),
        costs=costs,
        slices=slice_skill(forecasts, truth, scale),
        num_windows=len(forecast),
        num_dates=len(np.unique(forecast.cutoffs)),
    )


def _regimes(
    forecasts: Mapping[str, Forecast],
    truth: Float[np.ndarray, "window horizon"],
    scale: Float[np.ndarray, " window"],
) -> tuple[Conditional, ...]:
    judged, *others = forecasts
    own = crps(forecasts[judged], truth) / scale[:, None]
    dates = forecasts[judged].cutoffs
    return tuple(
        by_volatility(
            own[:, step - 1],
            loss[:, step - 1],
            dates,
            scale,
            horizon=step,
            baseline=name,
        )
        for name, loss in (
            (name, crps(forecasts[name], truth) / scale[:, None])
            for name in others
            if name in DENSITY_BASELINES
        )
        for step in range(1, truth.shape[1] + 1)
    )


def _superiority(
    steps: Sequence[Comparison], benchmark: str, score_name: str
) -> list[Superiority]:
    return [
        superiority(
            {name: step.by_date(name) for name in step.names},
            benchmark,
            step.step,
            score_name,
        )
        for step in steps
    ]


def _check_windows(forecasts: Mapping[str, Forecast]) -> None:
    if not forecasts or len(next(iter(forecasts.values()))) == 0:
        raise WindowError(
            "Expected at least one forecast of at least one window to score, got "
            "none. Use a longer series or an earlier test_start."
        )
    (judged, first), *others = forecasts.items()
    for name, forecast in others:
        if not (
            forecast.mean.shape == first.mean.shape
            and np.array_equal(forecast.symbols, first.symbols)
            and np.array_equal(forecast.cutoffs, first.cutoffs)
        ):
            raise WindowError(
                f"Expected forecasts of the same symbols, cutoffs and steps, got "
                f"others from {name} ({forecast.mean.shape}) than from {judged} "
                f"({first.mean.shape}). Forecast all from the same cutoffs."
            )


def _check_truth(
    truth: Float[np.ndarray, "window horizon"],
    scale: Float[np.ndarray, " window"],
    forecast: Forecast,
) -> None:
    if truth.shape != forecast.mean.shape:
        raise WindowError(
            f"Expected a truth of shape {forecast.mean.shape} (window, horizon), got "
            f"{truth.shape}. Give one log return for each step forecast."
        )
    if scale.shape != (len(forecast),) or not np.all((scale > 0) & np.isfinite(scale)):
        raise WindowError(
            f"Expected a positive volatility for each of {len(forecast)} windows, got "
            f"shape {scale.shape} or a value that is none. Take it from "
            "closecast.windows.scaling.volatility at the cutoffs."
        )
    still = np.flatnonzero(~np.any(truth, axis=0))
    if len(still):
        raise WindowError(
            f"Expected closes that move after the cutoff, got none that does (step "
            f"{still[0] + 1}, {len(forecast)} windows). Judge on a longer series."
        )
