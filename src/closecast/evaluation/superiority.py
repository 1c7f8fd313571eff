"""Whether anything beats a benchmark once all that was tried is counted.

The best of many looks good by luck. SPA asks whether any model is better than the
benchmark, StepM names those that are, both with a chance of a false alarm of 10 %
over all of them together.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Float

from closecast.evaluation.dependence import long_run_variances
from closecast.evaluation.resampling import (
    CONFIDENCE,
    block_length,
    drawn_counts,
    enough_dates,
)

REPETITIONS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Superiority:
    """What is better than a benchmark, at one step.

    Attributes:
        score: ``"crps"`` or ``"squared_error"``.
        horizon: The step, in sessions from 1.
        benchmark: Name of the benchmark.
        spa_p: p-value of no model being better; None where too few dates.
        best: Name of the best model.
        best_skill: 1 - its mean loss / the benchmark's.
        superior: Models that are better, by StepM; empty where none is.
        num_models: Models that were compared with the benchmark.
    """

    score: str
    horizon: int
    benchmark: str
    spa_p: float | None
    best: str
    best_skill: float
    superior: tuple[str, ...]
    num_models: int

    def to_dict(self) -> dict[str, object]:
        """Give one entry of ``scoreboard.json`` under ``superiority``.

        Returns:
            Figures under their names.
        """
        return asdict(self)


def superiority(
    losses: Mapping[str, Float[np.ndarray, " date"]],
    benchmark: str,
    horizon: int,
    score: str,
) -> Superiority:
    """Test every model against a benchmark at once.

    Args:
        losses: Mean loss of each date by model, the benchmark's among them; give every
            model that was ever tried.
        benchmark: Name of the benchmark.
        horizon: Step that the losses belong to, in sessions.
        score: What the losses are called.

    Returns:
        The outcome.

    Source: Hansen (2005), A test for superior predictive ability,
    doi:10.1198/073500105000000063; Romano and Wolf (2005), Stepwise multiple testing,
    doi:10.1111/j.1468-0262.2005.00615.x.
    """
    own = losses[benchmark]
    others = {name: loss for name, loss in losses.items() if name != benchmark}
    means = {name: float(loss.mean()) for name, loss in others.items()}
    best = min(means, key=means.__getitem__)
    varying = {
        name: loss
        for name, loss in others.items()
        if np.ptp(loss - own) > 1e-9 * np.abs(loss - own).max()
    }
    testable = enough_dates(len(own), horizon) and len(varying) > 0
    spa_p, superior = _tests(own, varying, horizon) if testable else (None, ())
    return Superiority(
        score=score,
        horizon=horizon,
        benchmark=benchmark,
        spa_p=spa_p,
        best=best,
        best_skill=1 - means[best] / float(own.mean()),
        superior=superior,
        num_models=len(others),
    )


def _tests(
    own: Float[np.ndarray, " date"],
    others: Mapping[str, Float[np.ndarray, " date"]],
    horizon: int,
) -> tuple[float, tuple[str, ...]]:
    names = list(others)
    gains = own[:, None] - np.stack(list(others.values()), axis=1)
    # In units of how uncertain each mean is: a wild model would hide a good one.
    spread = np.sqrt(np.maximum(long_run_variances(gains, horizon), 0))
    tested = spread > 0
    gains = gains[:, tested] / spread[tested]
    block = block_length(gains, horizon)
    means = gains.mean(axis=0)
    # a model that is clearly worse is not centred: it cannot be the best by chance
    worse = means < -np.sqrt(2 * np.log(np.log(len(gains))) * _variances(gains, block))
    drawn = drawn_counts(len(gains), block)[:REPETITIONS] @ gains / len(gains)
    chance = drawn - np.where(worse, 0.0, means)
    p_value = float(np.mean(chance.max(axis=1) > means.max()))
    better = np.zeros(len(means), bool)
    while p_value <= 1 - CONFIDENCE and not better.all():
        limit = np.percentile(chance[:, ~better].max(axis=1), 100 * CONFIDENCE)
        more = (means > limit) & ~better
        if not more.any():
            break
        better |= more
    places = np.flatnonzero(tested)[better]
    return p_value, tuple(names[place] for place in places)


def _variances(
    gains: Float[np.ndarray, "date model"], block: int
) -> Float[np.ndarray, " model"]:
    # of the means under the stationary bootstrap: Politis and Romano (1994), equation 7
    count, centred = len(gains), gains - gains.mean(axis=0)
    lag = np.arange(count)
    stay = 1 - 1 / block
    kernel = (1 - lag / count) * stay**lag + lag / count * stay ** (count - lag)
    kernel[0] = 1.0
    weights = kernel[np.abs(lag[:, None] - lag)]
    return np.asarray((centred * (weights @ centred)).sum(axis=0) / count**2)
