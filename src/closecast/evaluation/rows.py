"""The scoreboard's rows: one for each model and step.

Every model is scored in the same windows; none is left out of an average.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped

from closecast.evaluation.scores import absolute_error, crps, hits, squared_error
from closecast.evaluation.significance import diebold_mariano
from closecast.forecast import Forecast


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How a model did at one step, beside each baseline.

    Attributes:
        model: Its name.
        horizon: The step, in sessions from 1.
        crps: Mean CRPS, each in units of the symbol's volatility at the cutoff.
        crps_raw: Mean CRPS in log return.
        mae: Mean absolute error of the median, in log return.
        rmse: Root mean squared error of the mean, in log return.
        coverage_80: Share of closes in the central 80 % interval.
        coverage_95: Share of closes in the central 95 % interval.
        skill_crps_vs: 1 - crps / the baseline's crps; above 0 is better than it.
        skill_rmse_vs: 1 - rmse / the baseline's rmse.
        dm_p_vs: Diebold-Mariano p-value of the difference in crps; None where there
            are too few dates to test.
        dm_p_mean_vs: The same of the difference in squared error.
    """

    model: str
    horizon: int
    crps: float
    crps_raw: float
    mae: float
    rmse: float
    coverage_80: float
    coverage_95: float
    skill_crps_vs: Mapping[str, float]
    skill_rmse_vs: Mapping[str, float]
    dm_p_vs: Mapping[str, float | None]
    dm_p_mean_vs: Mapping[str, float | None]

    def to_dict(self) -> dict[str, object]:
        """Give one row of ``scoreboard.json``.

        Returns:
            Every figure under its name.
        """
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Losses:
    """Scores of one model, not averaged yet."""

    crps: Float[np.ndarray, "window horizon"]
    crps_raw: Float[np.ndarray, "window horizon"]
    absolute: Float[np.ndarray, "window horizon"]
    squared: Float[np.ndarray, "window horizon"]
    hits_80: Bool[np.ndarray, "window horizon"]
    hits_95: Bool[np.ndarray, "window horizon"]


def score_rows(
    forecasts: Mapping[str, Forecast],
    truth: Float[np.ndarray, "window horizon"],
    scale: Float[np.ndarray, " window"],
) -> tuple[Row, ...]:
    """Score every model at every step.

    Args:
        forecasts: Forecasts of the same windows by name: the judged model first,
            then the baselines.
        truth: Log returns from the last close that came.
        scale: The symbol's volatility of one session known at each cutoff.

    Returns:
        The rows, model after model, each from step 1 on.

    Raises:
        ModelError: A forecast is not finite.
        WindowError: The truth is not finite, or of another shape.
    """
    losses = {name: _losses(f, truth, scale) for name, f in forecasts.items()}
    judged, *baselines = forecasts
    dates = forecasts[judged].cutoffs
    return tuple(
        _row(
            name,
            step,
            losses,
            [baseline for baseline in baselines if baseline != name],
            dates,
        )
        for name in forecasts
        for step in range(1, truth.shape[1] + 1)
    )


def _losses(
    forecast: Forecast,
    truth: Float[np.ndarray, "window horizon"],
    scale: Float[np.ndarray, " window"],
) -> _Losses:
    raw = crps(forecast, truth)
    return _Losses(
        crps=raw / scale[:, None],
        crps_raw=raw,
        absolute=absolute_error(forecast, truth),
        squared=squared_error(forecast, truth),
        hits_80=hits(forecast, truth, 0.8),
        hits_95=hits(forecast, truth, 0.95),
    )


def _row(
    name: str,
    step: int,
    losses: Mapping[str, _Losses],
    baselines: list[str],
    dates: Shaped[np.ndarray, " window"],
) -> Row:
    at = np.s_[:, step - 1]
    own = losses[name]
    density = {b: losses[b].crps[at] for b in baselines}
    squares = {b: losses[b].squared[at] for b in baselines}
    rmse = float(np.sqrt(own.squared[at].mean()))
    scaled = float(own.crps[at].mean())
    return Row(
        model=name,
        horizon=step,
        crps=scaled,
        crps_raw=float(own.crps_raw[at].mean()),
        mae=float(own.absolute[at].mean()),
        rmse=rmse,
        coverage_80=float(own.hits_80[at].mean()),
        coverage_95=float(own.hits_95[at].mean()),
        skill_crps_vs={b: 1 - scaled / float(x.mean()) for b, x in density.items()},
        skill_rmse_vs={
            b: 1 - rmse / float(np.sqrt(x.mean())) for b, x in squares.items()
        },
        dm_p_vs={
            b: diebold_mariano(own.crps[at], x, dates, step).p_value
            for b, x in density.items()
        },
        dm_p_mean_vs={
            b: diebold_mariano(own.squared[at], x, dates, step).p_value
            for b, x in squares.items()
        },
    )
