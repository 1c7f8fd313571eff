"""Whether a forecast names the direction more often than a stopped clock.

Prices rise more often than they fall: the accuracy to beat is that of always naming
the more frequent direction.
"""

import math
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped

from closecast.evaluation.resampling import sum_per_date
from closecast.evaluation.significance import MIN_DATES
from closecast.forecast import Forecast


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """Directions named and directions taken at one step.

    Attributes:
        horizon: The step, in sessions from 1.
        excess: Accuracy minus the share of the more frequent direction, over all
            windows; None where the forecast names none.
        gain: Accuracy minus that of directions named by chance as often as these, over
            cutoffs whose targets do not overlap.
        pesaran_timmermann: Standard normal statistic of gain being 0; None where too
            few dates, or only one direction is named or taken.
        p_value: One-sided: small where the directions follow the forecast.
        num_windows: Windows that gain is of.
        num_dates: Dates among them, which count once each.
    """

    horizon: int
    excess: float | None
    gain: float | None
    pesaran_timmermann: float | None
    p_value: float | None
    num_windows: int
    num_dates: int

    def to_dict(self) -> dict[str, object]:
        """Give one entry of ``scoreboard.json`` under ``direction``.

        Returns:
            Figures under their names.
        """
        return asdict(self)


def judge_direction(
    forecast: Forecast, truth: Float[np.ndarray, "window horizon"]
) -> tuple[Direction, ...]:
    """Compare the directions that a forecast names with those that came.

    Args:
        forecast: The forecast; the sign of its mean is what is judged.
        truth: Log returns from the last close that came.

    Returns:
        One entry for each step.
    """
    return tuple(
        _direction(step, excess if count else None, forecast, truth)
        for step, (excess, count) in enumerate(
            direction_excess(forecast, truth), start=1
        )
    )


def direction_excess(
    forecast: Forecast, truth: Float[np.ndarray, "window horizon"]
) -> list[tuple[float, int]]:
    """Compare the forecast's direction with always naming the more frequent one.

    Args:
        forecast: The forecast.
        truth: Log returns from the last close that came.

    Returns:
        For each step the directional accuracy minus the share of the more frequent
        direction, and the windows counted: those where forecast and truth move.
    """
    return [
        _excess(np.sign(predicted), np.sign(actual))
        for predicted, actual in zip(forecast.mean.T, truth.T, strict=True)
    ]


def effective_directions(
    forecast: Forecast, truth: Float[np.ndarray, "window horizon"]
) -> float:
    """Count the directions of one session by what they are worth.

    Symbols of a date go up together: a thousand of one date are few observations.

    Args:
        forecast: The forecast.
        truth: Log returns from the last close that came.

    Returns:
        Independent windows whose accuracy would vary as much as this one does over
        dates; at most the windows in which both move. 0 where none does.
    """
    predicted, actual = np.sign(forecast.mean[:, 0]), np.sign(truth[:, 0])
    moves = (predicted != 0) & (actual != 0)
    count = int(moves.sum())
    if count == 0:
        return 0.0
    right = (predicted == actual)[moves]
    around = right - right.mean()
    by_date = sum_per_date(around[:, None], forecast.cutoffs[moves])[:, 0]
    together = float(by_date @ by_date)
    alone = float(around @ around)
    return count * min(alone / together, 1.0) if together > 0 else float(count)


def pesaran_timmermann(
    named_up: Bool[np.ndarray, " window"],
    went_up: Bool[np.ndarray, " window"],
    dates: Shaped[np.ndarray, " window"],
) -> tuple[float, float | None, float | None]:
    """Test whether directions follow those that were named, a date counting once.

    The gain is twice the covariance of the two directions; its variance is taken over
    dates, since the symbols of a date go up together. With one symbol a date this is
    the test of the source, whose targets must not overlap either.

    Args:
        named_up: Whether each forecast says up.
        went_up: Whether the close went up.
        dates: Cutoff of each window.

    Returns:
        The gain in accuracy over chance, the statistic and its one-sided p-value; None
        for both where too few dates, or only one direction is named or taken.

    Source: Pesaran and Timmermann (1992), A simple nonparametric test of predictive
    performance, doi:10.1080/07350015.1992.10509922.
    """
    from scipy.special import ndtr

    product = (named_up - named_up.mean()) * (went_up - went_up.mean())
    gain = 2 * float(product.mean())
    by_date = sum_per_date(product[:, None], dates)[:, 0]
    size = math.sqrt(float(by_date @ by_date))
    varies = 0 < named_up.mean() < 1 and 0 < went_up.mean() < 1
    if len(by_date) < MIN_DATES or not varies or size == 0:
        return gain, None, None
    statistic = float(by_date.sum()) / size
    return gain, statistic, float(ndtr(-statistic))


def _direction(
    step: int,
    excess: float | None,
    forecast: Forecast,
    truth: Float[np.ndarray, "window horizon"],
) -> Direction:
    predicted, actual = forecast.mean[:, step - 1], truth[:, step - 1]
    apart = np.unique(forecast.cutoffs)[::step]
    kept = (predicted != 0) & (actual != 0) & np.isin(forecast.cutoffs, apart)
    dates = forecast.cutoffs[kept]
    gain = statistic = p_value = None
    if len(dates):
        gain, statistic, p_value = pesaran_timmermann(
            predicted[kept] > 0, actual[kept] > 0, dates
        )
    return Direction(
        horizon=step,
        excess=excess,
        gain=gain,
        pesaran_timmermann=statistic,
        p_value=p_value,
        num_windows=len(dates),
        num_dates=len(np.unique(dates)),
    )


def _excess(
    predicted: Float[np.ndarray, " window"], actual: Float[np.ndarray, " window"]
) -> tuple[float, int]:
    moves = (predicted != 0) & (actual != 0)
    if not moves.any():
        return 0.0, 0
    up = float(np.mean(actual[moves] > 0))
    accuracy = float(np.mean(predicted[moves] == actual[moves]))
    return accuracy - max(up, 1 - up), int(moves.sum())
