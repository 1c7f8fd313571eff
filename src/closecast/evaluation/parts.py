"""Scores of a panel that is scored in parts: what adds up, and what it adds up to.

A part keeps no forecast. It keeps sums by date and means over its windows, some hundred
kilobytes for any number of symbols, so that a panel of any size has one scoreboard.
What needs all forecasts at once is not here: directions, ranking, slices, paths.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from closecast.evaluation.alarms import raise_row_alarms
from closecast.evaluation.comparison import Comparison, compare_sums
from closecast.evaluation.resampling import sum_per_date
from closecast.evaluation.rows import Row, mean_figures, rows_of_figures
from closecast.evaluation.scores import crps, squared_error
from closecast.evaluation.verdict import judge
from closecast.forecast import Forecast

NO_SUM = "direction_excess"
"""The one figure that does not add up: it asks what is most frequent in all windows."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PartScore:
    """What the windows of some symbols add to the scores of a panel.

    Attributes:
        names: The models, the judged one first.
        dates: Cutoff dates, ascending.
        counts: Windows of each date.
        density: Sum of CRPS in units of scale, by date, step and model.
        squares: The same of squared errors.
        figures: Means over the windows of each model, by the names of ``Row``, each at
            every step.
    """

    names: tuple[str, ...]
    dates: Shaped[np.ndarray, " date"]
    counts: Float[np.ndarray, " date"]
    density: Float[np.ndarray, "date horizon model"]
    squares: Float[np.ndarray, "date horizon model"]
    figures: Mapping[str, Mapping[str, Float[np.ndarray, " horizon"]]]

    @classmethod
    def of(
        cls,
        forecasts: Iterable[tuple[str, Forecast]],
        truth: Float[np.ndarray, "window horizon"],
        scale: Float[np.ndarray, " window"],
    ) -> "PartScore":
        """Score some windows, holding one forecast at a time.

        Args:
            forecasts: Names and forecasts of the same windows, the judged model first.
            truth: Log returns from the last close that came.
            scale: The symbol's volatility of one session known at each cutoff.

        Returns:
            Their part.

        Raises:
            ModelError: A forecast is not finite.
            WindowError: The truth is not finite, or of another shape.
        """
        density, squares, figures, dates = [], [], {}, np.empty(0, "datetime64[D]")
        for name, forecast in forecasts:
            dates = forecast.cutoffs
            density.append(sum_per_date(crps(forecast, truth) / scale[:, None], dates))
            squares.append(sum_per_date(squared_error(forecast, truth), dates))
            figures[name] = _means(forecast, truth, scale)
        known, counts = np.unique(dates, return_counts=True)
        return cls(
            names=tuple(figures),
            dates=known,
            counts=counts.astype(float),
            density=np.stack(density, axis=-1),
            squares=np.stack(squares, axis=-1),
            figures=figures,
        )


def _means(
    forecast: Forecast,
    truth: Float[np.ndarray, "window horizon"],
    scale: Float[np.ndarray, " window"],
) -> dict[str, Float[np.ndarray, " horizon"]]:
    means = mean_figures(forecast, truth, scale)
    return {
        name: np.asarray(values, float)
        for name, values in means.items()
        if name != NO_SUM
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelScore:
    """What a model is worth on a panel that was scored in parts.

    Attributes:
        rows: One for each model and step, the judged model first.
        verdict: What may be said of the judged model, in words.
        why: Sentences with the figures behind the verdict.
        suspicious: Whether R2 or CRPS is too good for prices.
        num_windows: Windows that every model was scored in.
        num_dates: Different cutoff dates among them.
    """

    rows: tuple[Row, ...]
    verdict: str
    why: tuple[str, ...]
    suspicious: bool
    num_windows: int
    num_dates: int

    def to_dict(self) -> dict[str, object]:
        """Lay it out under the names of ``scoreboard.json``.

        Returns:
            Names and figures, ready for JSON.
        """
        return {
            "verdict": self.verdict,
            "why": list(self.why),
            "rows": [row.to_dict() for row in self.rows],
            "suspicious": self.suspicious,
            "num_windows": self.num_windows,
            "num_dates": self.num_dates,
        }


def score_parts(parts: Sequence[PartScore]) -> PanelScore:
    """Add parts up and judge the model.

    Args:
        parts: At least one, all of the same models and steps; no window is in two.

    Returns:
        The scores of all their windows.

    Raises:
        SettingError: A baseline that the verdict is measured against is missing.
    """
    with threadpool_limits(1, "blas"):  # the same sums on a machine of any cores
        rows = rows_of_figures(
            {name: _together(parts, name) for name in parts[0].names},
            *_comparisons(parts),
        )
    own = [row for row in rows if row.model == parts[0].names[0]]
    verdict = judge(own, raise_row_alarms(own))
    return PanelScore(
        rows=rows,
        verdict=verdict.text,
        why=verdict.why,
        suspicious=verdict.suspicious,
        num_windows=int(sum(part.counts.sum() for part in parts)),
        num_dates=len(_all_dates(parts)),
    )


def _all_dates(parts: Sequence[PartScore]) -> Shaped[np.ndarray, " date"]:
    return np.unique(np.concatenate([part.dates for part in parts]))


def _comparisons(
    parts: Sequence[PartScore],
) -> tuple[list[Comparison], list[Comparison]]:
    dates, first = _all_dates(parts), parts[0]
    counts = np.zeros(len(dates))
    density = np.zeros((len(dates), *first.density.shape[1:]))
    squares = np.zeros_like(density)
    for part in parts:  # in their order, so that the sums have the same bits
        at = np.searchsorted(dates, part.dates)
        counts[at] += part.counts
        density[at] += part.density
        squares[at] += part.squares
    by_density, by_square = (
        [
            compare_sums(first.names, sums[:, step], counts, step + 1)
            for step in range(sums.shape[1])
        ]
        for sums in (density, squares)
    )
    return by_density, by_square


def _together(parts: Sequence[PartScore], name: str) -> dict[str, list[float | None]]:
    shares = np.array([part.counts.sum() for part in parts])
    shares /= shares.sum()
    means: dict[str, list[float | None]] = {
        figure: (
            shares @ np.stack([part.figures[name][figure] for part in parts])
        ).tolist()
        for figure in parts[0].figures[name]
    }
    return {**means, NO_SUM: [None] * parts[0].density.shape[1]}
