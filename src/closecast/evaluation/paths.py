"""The path of the next closes as one: the energy score of all steps together.

A forecast states each step by itself. To draw paths from it, its steps are joined as
those of a random walk are: the same rule and the same draws for every model, so that
what differs between two scores is what their steps say.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Float

from closecast.evaluation.comparison import Interval, compare
from closecast.forecast import LEVELS, Forecast

NUM_PATHS = 64
CHUNK = 512
MAX_WINDOWS = 4_000
"""More windows do not move the mean; that many are taken, evenly spaced."""

SEED = 20_200_102


@dataclass(frozen=True, slots=True, kw_only=True)
class PathScore:
    """How a model did on the whole path, beside each baseline.

    Attributes:
        model: Its name.
        energy_score: Mean energy score, in units of the symbol's volatility.
        skill_vs: 1 - energy score / the baseline's; above 0 is better than it.
        skill_interval_vs: Its 90 % block-bootstrap interval; None where there are too
            few dates.
        dm_p_vs: Diebold-Mariano p-value of the difference.
        num_windows: Windows scored.
    """

    model: str
    energy_score: float
    skill_vs: Mapping[str, float]
    skill_interval_vs: Mapping[str, Interval]
    dm_p_vs: Mapping[str, float | None]
    num_windows: int

    def to_dict(self) -> dict[str, object]:
        """Give one entry of ``scoreboard.json`` under ``paths``.

        Returns:
            Figures under their names.
        """
        return asdict(self)


def score_paths(
    forecasts: Mapping[str, Forecast],
    truth: Float[np.ndarray, "window horizon"],
    scale: Float[np.ndarray, " window"],
) -> tuple[PathScore, ...]:
    """Score the whole path of every model.

    Args:
        forecasts: Forecasts of the same windows by name, the judged model first.
        truth: Log returns from the last close that came.
        scale: The symbol's volatility of one session known at each cutoff.

    Returns:
        One entry for each model.
    """
    count = min(len(truth), MAX_WINDOWS)
    rows = np.linspace(0, len(truth) - 1, count).astype(int)
    losses = {
        name: energy_score(forecast.take(rows), truth[rows], scale[rows])
        for name, forecast in forecasts.items()
    }
    dates = next(iter(forecasts.values())).cutoffs[rows]
    together = compare(losses, dates, truth.shape[1])
    names = list(forecasts)
    return tuple(
        PathScore(
            model=name,
            energy_score=together.mean(name),
            skill_vs={b: 1 - together.ratio(name, b) for b in names[1:] if b != name},
            skill_interval_vs=together.ratio_intervals(
                name, [b for b in names[1:] if b != name], 1
            ),
            dm_p_vs={b: together.p_value(name, b) for b in names[1:] if b != name},
            num_windows=count,
        )
        for name in names
    )


def energy_score(
    forecast: Forecast,
    truth: Float[np.ndarray, "window horizon"],
    scale: Float[np.ndarray, " window"],
) -> Float[np.ndarray, " window"]:
    """Measure how far drawn paths lie from the one that came, less their own spread.

    Args:
        forecast: The forecast.
        truth: Log returns from the last close that came.
        scale: The symbol's volatility of one session known at each cutoff.

    Returns:
        The score in units of volatility; smaller is better.

    Source: Gneiting and Raftery (2007), doi:10.1198/016214506000001437, equation 22.
    """
    score = np.empty(len(truth))
    for first in range(0, len(truth), CHUNK):
        rows = np.arange(first, min(first + CHUNK, len(truth)))
        unit = scale[rows, None]
        paths = draw_paths(forecast.take(rows)) / unit[..., None]  # (N, M, H)
        away = np.linalg.norm(paths - (truth[rows] / unit)[:, None], axis=2)
        score[rows] = away.mean(axis=1) - _mean_distance(paths) / 2
    return score


def draw_paths(forecast: Forecast) -> Float[np.ndarray, "window path horizon"]:
    """Draw paths of log returns from the last close.

    Args:
        forecast: The forecast.

    Returns:
        ``NUM_PATHS`` paths of each window, by the same draws in every window.
    """
    draws = _random_walk_levels(forecast.horizon)
    return np.stack(
        [
            forecast.quantiles[:, step] @ _weights(draws[:, step])
            for step in range(forecast.horizon)
        ],
        axis=-1,
    )


def _mean_distance(
    paths: Float[np.ndarray, "window path horizon"],
) -> Float[np.ndarray, " window"]:
    # |a - b|^2 = |a|^2 + |b|^2 - 2 ab, all pairs of a window in one product
    paths = paths.astype(np.float32)  # half the time, and exact to 1e-4
    squares = (paths**2).sum(axis=2)
    product = paths @ paths.transpose(0, 2, 1)
    distance = squares[:, :, None] + squares[:, None, :] - 2 * product
    apart = np.sqrt(np.maximum(distance, 0.0))
    return np.asarray(apart.mean(axis=(1, 2), dtype=np.float64))


def _random_walk_levels(horizon: int) -> Float[np.ndarray, "path horizon"]:
    # Probabilities of a Gaussian random walk's steps, each path with its mirror image.
    from scipy.special import ndtr

    random = np.random.default_rng(SEED)
    steps = random.standard_normal((NUM_PATHS // 2, horizon))
    walks = np.cumsum(np.concatenate([steps, -steps]), axis=1)
    return np.asarray(ndtr(walks / np.sqrt(np.arange(1, horizon + 1))))


def _weights(
    levels: Float[np.ndarray, " path"],
) -> Float[np.ndarray, "quantile path"]:
    # A level is looked up as a weighted sum of the stored quantiles; beyond the
    # outermost the tail is exponential, which is linear in the outer two as well.
    places = np.arange(len(LEVELS))
    inside = [np.interp(levels, LEVELS, np.eye(len(LEVELS))[place]) for place in places]
    weights = np.stack(inside)
    for own, edge, next_to in ((levels, 0, 1), (1 - levels, -1, -2)):
        depth = np.log2(np.maximum(LEVELS[0] / own, 1.0))
        weights[edge] += depth
        weights[next_to] -= depth
    return weights
