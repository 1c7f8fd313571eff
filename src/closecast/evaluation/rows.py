"""The scoreboard's rows: one for each model and step.

Every model is scored in the same windows; none is left out of an average.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float

from closecast.evaluation.comparison import Comparison, Interval, compare_steps
from closecast.evaluation.density import log_score, qlike
from closecast.evaluation.direction import direction_excess
from closecast.evaluation.scores import (
    absolute_error,
    crps,
    hits,
    interval_score,
    pinball,
    squared_error,
)
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
        mase: Mean absolute error of the median over the mean absolute move of one
            session of the symbol, in the scored windows.
        pinball_05: Mean pinball loss of the 5 % quantile, in units of volatility.
        pinball_95: The same of the 95 % quantile.
        interval_score_80: Mean score of the central 80 % interval, in units of
            volatility.
        interval_score_95: The same of the central 95 % interval.
        log_score: Mean of minus the logarithm of the density at what came, the density
            in units of volatility.
        qlike: Mean QLIKE of the variance, in units of squared volatility.
        coverage_50: Share of closes in the central 50 % interval.
        coverage_80: Share of closes in the central 80 % interval.
        coverage_95: Share of closes in the central 95 % interval.
        direction_excess: Directional accuracy minus the share of the more frequent
            direction; None where the forecast names none.
        skill_crps_vs: 1 - crps / the baseline's crps; above 0 is better than it.
        skill_rmse_vs: 1 - rmse / the baseline's rmse.
        r2_vs: 1 - squared error / the baseline's squared error: out-of-sample R2.
        skill_crps_interval_vs: 90 % block-bootstrap interval of skill_crps_vs; None
            where there are too few dates.
        skill_rmse_interval_vs: The same of skill_rmse_vs.
        dm_p_vs: Diebold-Mariano p-value of the difference in crps; None where there
            are too few dates to test.
        dm_p_mean_vs: The same of the difference in squared error.
        in_mcs: Whether the model is in the 90 % confidence set by crps; None where
            there are too few dates to say.
        in_mcs_mean: The same by squared error.
    """

    model: str
    horizon: int
    crps: float
    crps_raw: float
    mae: float
    rmse: float
    mase: float
    pinball_05: float
    pinball_95: float
    interval_score_80: float
    interval_score_95: float
    log_score: float
    qlike: float
    coverage_50: float
    coverage_80: float
    coverage_95: float
    direction_excess: float | None
    skill_crps_vs: Mapping[str, float]
    skill_rmse_vs: Mapping[str, float]
    r2_vs: Mapping[str, float]
    skill_crps_interval_vs: Mapping[str, Interval]
    skill_rmse_interval_vs: Mapping[str, Interval]
    dm_p_vs: Mapping[str, float | None]
    dm_p_mean_vs: Mapping[str, float | None]
    in_mcs: bool | None
    in_mcs_mean: bool | None

    def to_dict(self) -> dict[str, object]:
        """Give one row of ``scoreboard.json``.

        Returns:
            Every figure under its name.
        """
        return {  # not asdict, which copies every figure of every mapping
            field.name: dict(value) if isinstance(value, Mapping) else value
            for field in fields(self)
            for value in [getattr(self, field.name)]
        }


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
    return rows_of(forecasts, truth, scale, *compare_all(forecasts, truth, scale))


def compare_all(
    forecasts: Mapping[str, Forecast],
    truth: Float[np.ndarray, "window horizon"],
    scale: Float[np.ndarray, " window"],
) -> tuple[list[Comparison], list[Comparison]]:
    """Compare every model by its density and by its mean.

    Args:
        forecasts: As in ``score_rows``.
        truth: As in ``score_rows``.
        scale: As in ``score_rows``.

    Returns:
        Comparisons by CRPS in units of scale and by squared error, from step 1 on.

    Raises:
        ModelError: A forecast is not finite.
        WindowError: The truth is not finite, or of another shape.
    """
    dates = next(iter(forecasts.values())).cutoffs
    density = {name: crps(f, truth) / scale[:, None] for name, f in forecasts.items()}
    squares = {name: squared_error(f, truth) for name, f in forecasts.items()}
    return compare_steps(density, dates), compare_steps(squares, dates)


def rows_of(
    forecasts: Mapping[str, Forecast],
    truth: Float[np.ndarray, "window horizon"],
    scale: Float[np.ndarray, " window"],
    density: Sequence[Comparison],
    squares: Sequence[Comparison],
) -> tuple[Row, ...]:
    """Score every model at every step, where they are compared already.

    Args:
        forecasts: As in ``score_rows``.
        truth: As in ``score_rows``.
        scale: As in ``score_rows``.
        density: What ``compare_all`` gave first.
        squares: What it gave second.

    Returns:
        The rows, model after model, each from step 1 on.

    Raises:
        ModelError: A forecast is not finite.
        WindowError: The truth is not finite, or of another shape.
    """
    figures = {
        name: mean_figures(forecast, truth, scale)
        for name, forecast in forecasts.items()
    }
    return rows_of_figures(figures, density, squares)


Figures = Mapping[str, Sequence[float | None]]
"""Means of a model by the names of ``Row``, each at every step."""


def rows_of_figures(
    figures: Mapping[str, Figures],
    density: Sequence[Comparison],
    squares: Sequence[Comparison],
) -> tuple[Row, ...]:
    """Lay figures and comparisons of every model out as rows.

    Args:
        figures: What ``mean_figures`` gave of each model.
        density: Comparisons by CRPS in units of scale, from step 1 on.
        squares: The same by squared error.

    Returns:
        The rows, model after model, each from step 1 on.
    """
    return tuple(
        _row(
            name,
            by_density.step,
            {figure: values[by_density.step - 1] for figure, values in own.items()},
            by_density,
            by_square,
        )
        for name, own in figures.items()
        for by_density, by_square in zip(density, squares, strict=True)
    )


def mean_figures(
    forecast: Forecast,
    truth: Float[np.ndarray, "window horizon"],
    scale: Float[np.ndarray, " window"],
) -> dict[str, list[float | None]]:
    """Average what needs no comparison.

    Args:
        forecast: A model's forecast.
        truth: As in ``score_rows``.
        scale: As in ``score_rows``.

    Returns:
        Figures by the names of ``Row``, each at every step.

    Raises:
        ModelError: The forecast is not finite.
        WindowError: The truth is not finite, or of another shape.
    """
    unit = scale[:, None]
    absolute = absolute_error(forecast, truth)
    by_window = {
        "crps_raw": crps(forecast, truth),
        "mae": absolute,
        "mase": absolute / _one_session_move(forecast, truth, scale)[:, None],
        "pinball_05": pinball(forecast, truth, 0.05) / unit,
        "pinball_95": pinball(forecast, truth, 0.95) / unit,
        "interval_score_80": interval_score(forecast, truth, 0.80) / unit,
        "interval_score_95": interval_score(forecast, truth, 0.95) / unit,
        "log_score": log_score(forecast, truth) - np.log(unit),
        "qlike": qlike(forecast, truth, scale),
        "coverage_50": hits(forecast, truth, 0.50),
        "coverage_80": hits(forecast, truth, 0.80),
        "coverage_95": hits(forecast, truth, 0.95),
    }
    means = {name: values.mean(axis=0).tolist() for name, values in by_window.items()}
    directions = direction_excess(forecast, truth)
    return {
        **means,
        "direction_excess": [excess if count else None for excess, count in directions],
    }


def _one_session_move(
    forecast: Forecast,
    truth: Float[np.ndarray, "window horizon"],
    scale: Float[np.ndarray, " window"],
) -> Float[np.ndarray, " window"]:
    # A symbol that never moves is measured in its volatility.
    _, symbol, count = np.unique(
        forecast.symbols, return_inverse=True, return_counts=True
    )
    move = np.bincount(symbol, weights=np.abs(truth[:, 0])) / count
    return np.asarray(np.where(move[symbol] > 0, move[symbol], scale))


def _row(
    name: str,
    step: int,
    figures: Mapping[str, float | None],
    density: Comparison,
    squares: Comparison,
) -> Row:
    others = [other for other in density.names[1:] if other != name]
    return Row(
        model=name,
        horizon=step,
        crps=density.mean(name),
        rmse=float(np.sqrt(squares.mean(name))),
        **figures,  # type: ignore[arg-type]
        skill_crps_vs={b: 1 - density.ratio(name, b) for b in others},
        skill_rmse_vs={b: 1 - float(np.sqrt(squares.ratio(name, b))) for b in others},
        r2_vs={b: 1 - squares.ratio(name, b) for b in others},
        skill_crps_interval_vs=density.ratio_intervals(name, others, 1),
        skill_rmse_interval_vs=squares.ratio_intervals(name, others, 0.5),
        dm_p_vs={b: density.p_value(name, b) for b in others},
        dm_p_mean_vs={b: squares.p_value(name, b) for b in others},
        in_mcs=density.holds(name),
        in_mcs_mean=squares.holds(name),
    )
