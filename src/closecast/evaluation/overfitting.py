"""How much of a winner's figure is owed to having been chosen.

Of many trials the best one is good by luck as well. The deflated Sharpe ratio asks
whether a figure is above what the best of so many worthless trials would show; the
probability of backtest overfitting asks how often the winner of one half of the dates
is below the median in the other. The number of trials must be the true one.
"""

import math
from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int

from closecast.errors import SettingError

BLOCKS = 16
"""Blocks of dates; half of them choose, half of them judge."""

MIN_DATES_A_BLOCK = 4

CELLS_AT_ONCE = 2**22
"""Halves x trials that are compared together: what memory allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeflatedSharpe:
    """A ratio of mean to deviation beside what luck would have shown.

    Attributes:
        sharpe: Mean over standard deviation of one period.
        expected_best: What the best of so many worthless trials shows on average.
        probability: Chance that the true ratio is above that, given this sample.
        trials: Trials that the winner was chosen from.
        num_periods: Periods that sharpe is of.
    """

    sharpe: float
    expected_best: float
    probability: float
    trials: int
    num_periods: int

    def to_dict(self) -> dict[str, object]:
        """Give the figures for JSON.

        Returns:
            Figures under their names.
        """
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overfitting:
    """What combinatorially symmetric cross-validation found.

    Attributes:
        probability: Share of the ways to halve the dates in which the winner of one
            half is below the median of all trials in the other.
        loss_probability: Share in which it does worse than 0 there.
        slope: Slope of its figure there on its figure here.
        trials: Trials compared.
        num_splits: Ways to halve the dates.
    """

    probability: float
    loss_probability: float
    slope: float | None
    trials: int
    num_splits: int

    def to_dict(self) -> dict[str, object]:
        """Give the figures for JSON.

        Returns:
            Figures under their names.
        """
        return asdict(self)


def deflated_sharpe(
    gains: Float[np.ndarray, " period"], trials: int, variance_of_trials: float
) -> DeflatedSharpe:
    """Judge a winner by its gains and by how many it was chosen from.

    Args:
        gains: What the winner gained in each period: net returns, or the loss of a
            baseline minus its own on each date.
        trials: Models ever tried, the winner among them.
        variance_of_trials: Variance of the trials' ratios, each of one period.

    Returns:
        The ratio, what luck would show, and the probability of more than luck.

    Raises:
        SettingError: There are fewer than 2 trials, or the gains do not vary.
    """
    if trials < 2 or variance_of_trials < 0:  # noqa: PLR2004  two to choose from
        raise SettingError(
            "Expected at least 2 trials with a variance of at least 0, got "
            f"{trials} and {variance_of_trials}. Count every model that was tried."
        )
    spread = float(gains.std(ddof=1)) if len(gains) > 1 else 0.0
    if spread == 0:
        raise SettingError(
            f"Expected gains that vary, got {len(gains)} that do not. Give one for "
            "each period."
        )
    z = (gains - gains.mean()) / gains.std()
    return deflated_sharpe_of_moments(
        float(gains.mean()) / spread,
        len(gains),
        skewness=float(np.mean(z**3)),
        kurtosis=float(np.mean(z**4)),
        trials=trials,
        variance_of_trials=variance_of_trials,
    )


def deflated_sharpe_of_moments(
    sharpe: float,
    num_periods: int,
    *,
    skewness: float,
    kurtosis: float,
    trials: int,
    variance_of_trials: float,
) -> DeflatedSharpe:
    """Judge a winner by the moments of its gains.

    Args:
        sharpe: Mean over standard deviation of one period.
        num_periods: Periods that it is of.
        skewness: Of the gains.
        kurtosis: Of the gains; 3 for a Gaussian.
        trials: Models ever tried.
        variance_of_trials: Variance of the trials' ratios, each of one period.

    Returns:
        The ratio, what luck would show, and the probability of more than luck.

    Source: Bailey and Lopez de Prado (2014), The deflated Sharpe ratio,
    doi:10.3905/jpm.2014.40.5.094, equations 1 and 2.
    """
    from scipy.special import ndtr

    luck = math.sqrt(variance_of_trials) * expected_maximum(trials)
    error = 1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2
    score = (sharpe - luck) * math.sqrt(num_periods - 1) / math.sqrt(error)
    return DeflatedSharpe(
        sharpe=sharpe,
        expected_best=luck,
        probability=float(ndtr(score)),
        trials=trials,
        num_periods=num_periods,
    )


def expected_maximum(trials: int) -> float:
    """Give the largest of so many standard normal numbers, on average.

    Args:
        trials: How many are drawn, at least 2.

    Returns:
        Its approximate expectation.

    Source: Bailey and Lopez de Prado (2014), equation 1.
    """
    from scipy.special import ndtri

    near, far = ndtri(1 - 1 / trials), ndtri(1 - 1 / (trials * math.e))
    return float((1 - np.euler_gamma) * near + np.euler_gamma * far)


def probability_of_overfitting(
    gains: Float[np.ndarray, "date trial"], blocks: int = BLOCKS
) -> Overfitting:
    """Let one half of the dates choose a trial, and the other half judge it.

    Args:
        gains: What each trial gained on each date, oldest first: net returns, or the
            loss of a baseline minus its own.
        blocks: Blocks of neighbouring dates that are dealt to the halves, even.

    Returns:
        How often the winner disappoints.

    Raises:
        SettingError: There are too few dates or trials, or the blocks are not even.

    Source: Bailey, Borwein, Lopez de Prado and Zhu (2017), The probability of backtest
    overfitting, doi:10.21314/JCF.2016.322; the figure compared is the mean gain.
    """
    dates, trials = gains.shape
    if blocks < 2 or blocks % 2 or dates < blocks * MIN_DATES_A_BLOCK or trials < 2:  # noqa: PLR2004
        raise SettingError(
            f"Expected an even number of blocks of {MIN_DATES_A_BLOCK} dates at least, "
            f"and 2 trials, got {blocks} blocks of {dates} dates and {trials} trials. "
            "Use a longer series or fewer blocks."
        )
    parts = np.array_split(gains, blocks)
    sums = np.stack([part.sum(axis=0) for part in parts])
    sizes = np.array([len(part) for part in parts])
    half = np.array(list(combinations(range(blocks), blocks // 2)))
    chosen = np.zeros((len(half), blocks))
    np.put_along_axis(chosen, half, 1.0, axis=1)
    at_once = max(1, CELLS_AT_ONCE // trials)
    outcomes = [
        _disappointments(chosen[first : first + at_once], sums, sizes)
        for first in range(0, len(half), at_once)
    ]
    best, own, rank = (np.concatenate(parts) for parts in zip(*outcomes, strict=True))
    spread = float(best.var())
    covariance = float(np.mean((best - best.mean()) * (own - own.mean())))
    return Overfitting(
        probability=float(np.mean(rank <= 0.5)),  # noqa: PLR2004  the median
        loss_probability=float(np.mean(own < 0)),
        slope=covariance / spread if spread > 0 else None,
        trials=trials,
        num_splits=len(half),
    )


def _disappointments(
    chosen: Float[np.ndarray, "split block"],
    sums: Float[np.ndarray, "block trial"],
    sizes: Int[np.ndarray, " block"],
) -> tuple[
    Float[np.ndarray, " split"],
    Float[np.ndarray, " split"],
    Float[np.ndarray, " split"],
]:
    # the winner's figure in the half that chose, in the other, and its rank there
    here = (chosen @ sums) / (chosen @ sizes)[:, None]
    there = ((1 - chosen) @ sums) / ((1 - chosen) @ sizes)[:, None]
    every, winner = np.arange(len(chosen)), here.argmax(axis=1)
    own = there[every, winner]
    # ties share their rank, so that equal trials are neither good nor bad
    below = (there < own[:, None]).sum(axis=1) + (there == own[:, None]).sum(axis=1) / 2
    return here[every, winner], own, (below + 0.5) / (sums.shape[1] + 1)
