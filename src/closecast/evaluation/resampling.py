"""How far luck could have moved a figure: blocks of dates drawn again and again.

A date is the sampling unit, whatever the number of symbols on it, and dates are
drawn in blocks, since losses of neighbouring cutoffs overlap. Where there are too
few dates nothing is said. The draws have one seed: the same losses give the same
interval.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from closecast.evaluation.dependence import optimal_lengths
from closecast.evaluation.significance import MIN_DATES, MIN_DATES_PER_STEP

REPETITIONS = 1000
CONFIDENCE = 0.90
"""Of intervals and of the confidence set."""

SEED = 20_200_101

MOST_SERIES = 64
"""Series that choose the length of a block; of more these, evenly spaced."""

LARGEST_BLOCK_SHARE = 0.25
"""Fewer than four blocks say little of chance."""


def sum_per_date(
    values: Float[np.ndarray, "window column"], dates: Shaped[np.ndarray, " window"]
) -> Float[np.ndarray, "date column"]:
    """Sum over the symbols of each date.

    Args:
        values: Values of each window.
        dates: Cutoff of each window, ``datetime64[D]``.

    Returns:
        The sums of each date, oldest first.
    """
    day = dates.astype("datetime64[D]").astype(np.int64)
    day -= day.min()
    there = np.bincount(day) > 0
    sums = [np.bincount(day, weights=column)[there] for column in values.T]
    return np.stack(sums, axis=-1)


def enough_dates(num_dates: int, horizon: int) -> bool:
    """Tell whether so many dates can be resampled.

    Args:
        num_dates: Different cutoffs.
        horizon: Step that the values belong to, in sessions.

    Returns:
        False where a figure has to stand alone.
    """
    return num_dates >= max(MIN_DATES, MIN_DATES_PER_STEP * horizon)


def block_length(differences: Float[np.ndarray, "date column"], horizon: int) -> int:
    """Choose the mean length of a block.

    Args:
        differences: Series whose mean is of interest, such as loss differences.
        horizon: Step that they belong to, in sessions.

    Returns:
        The longest of the series' optimal lengths, at least twice the horizon and at
        most a quarter of the dates.

    Source: Politis and White (2004), doi:10.1081/ETC-120028836, with the correction
    of Patton, Politis and White (2009), doi:10.1080/07474930802459016.
    """
    spread = np.ptp(differences, axis=0)
    moving = differences[:, spread > 1e-12 * np.abs(differences).max(axis=0)]
    lengths = [2.0 * horizon]
    if moving.shape[1] > MOST_SERIES:
        places = np.linspace(0, moving.shape[1] - 1, MOST_SERIES).astype(int)
        moving = moving[:, places]
    if moving.shape[1]:
        lengths += optimal_lengths(moving / moving.std(axis=0)).tolist()
    most = max(LARGEST_BLOCK_SHARE * len(differences), 1.0)
    return int(np.ceil(min(max(lengths), most)))


def resample(
    sums: Float[np.ndarray, "date column"], block: int
) -> Float[np.ndarray, "repetition column"]:
    """Draw dates in blocks of random length and add up their sums.

    Args:
        sums: One row for each date.
        block: Mean length of a block, in dates.

    Returns:
        The total over as many dates, once for each repetition.

    Source: Politis and Romano (1994), The stationary bootstrap,
    doi:10.1080/01621459.1994.10476870.
    """
    return np.asarray(drawn_counts(len(sums), block) @ sums)


@lru_cache(maxsize=8)
def drawn_counts(num_dates: int, block: int) -> Float[np.ndarray, "repetition date"]:
    """Count how often each date is drawn, in each repetition.

    Whatever is a mean over dates can be resampled by one product with these counts.

    Args:
        num_dates: Dates that there are.
        block: Mean length of a block, in dates.

    Returns:
        The counts, each row of sum ``num_dates``; not to be written to.

    Source: as ``resample``; the draws are those of arch's ``StationaryBootstrap``.
    """
    first, chance = _draws(num_dates)
    begins = chance <= 1 / block
    begins[:, 0] = True
    counts = _count_dates(begins, first[begins])
    counts.flags.writeable = False
    return counts


@lru_cache(maxsize=1)
def _draws(
    num_dates: int,
) -> tuple[
    Int[np.ndarray, "repetition date"],
    Float[np.ndarray, "repetition date"],
]:
    # Where a block would begin, and the chance that it does: of any length of blocks.
    random, shape = np.random.default_rng(SEED), (REPETITIONS, num_dates)
    first, chance = np.empty(shape, np.int32), np.empty(shape)
    for draw in range(REPETITIONS):
        first[draw] = random.integers(num_dates, size=num_dates)
        chance[draw] = random.random(num_dates)
    return first, chance


def _count_dates(
    begins: Bool[np.ndarray, "repetition date"], first: Int[np.ndarray, " block"]
) -> Float[np.ndarray, "repetition date"]:
    # A block adds 1 from its first date on and takes it back after its last; what
    # runs past the newest date goes on with the oldest.
    repetitions, num_dates = begins.shape
    places = np.flatnonzero(begins)
    length = np.diff(places, append=begins.size)
    start = places // num_dates * (2 * num_dates + 1) + first
    steps = np.bincount(start, minlength=repetitions * (2 * num_dates + 1))
    steps -= np.bincount(start + length, minlength=len(steps))
    there = np.cumsum(steps.reshape(repetitions, -1), axis=1)
    return np.asarray(there[:, :num_dates] + there[:, num_dates:-1], float)


def interval(
    statistic: Callable[
        [Float[np.ndarray, "repetition column"]], Float[np.ndarray, " repetition"]
    ],
    sums: Float[np.ndarray, "date column"],
    differences: Float[np.ndarray, " date"],
    horizon: int,
) -> tuple[float, float] | None:
    """Put an interval around a statistic of sums over dates.

    Args:
        statistic: Turns totals into the figure.
        sums: What it is made of, one row for each date.
        differences: A series per date as dependent in time as the figure.
        horizon: Step that the sums belong to, in sessions.

    Returns:
        Its central ``CONFIDENCE`` interval; None where there are too few dates.
    """
    if not enough_dates(len(sums), horizon):
        return None
    draws = statistic(resample(sums, block_length(differences[:, None], horizon)))
    if not np.all(np.isfinite(draws)):
        return None
    return central(draws)


def central_each(
    draws: Float[np.ndarray, "repetition figure"],
) -> list[tuple[float, float]]:
    """Take the central ``CONFIDENCE`` interval of the draws of each of some figures.

    Args:
        draws: Figures, once for each repetition.

    Returns:
        Lower and upper end of each.
    """
    tail = (1 - CONFIDENCE) / 2
    ends = np.quantile(draws, [tail, (1 + CONFIDENCE) / 2], axis=0)
    return [(low, high) for low, high in ends.T.tolist()]


def central(draws: Float[np.ndarray, " repetition"]) -> tuple[float, float]:
    """Take the central ``CONFIDENCE`` interval of draws.

    Args:
        draws: A figure, once for each repetition.

    Returns:
        Its lower and upper end.
    """
    (interval,) = central_each(draws[:, None])
    return interval


def confidence_set(
    losses: Float[np.ndarray, "date model"], block: int
) -> Bool[np.ndarray, " model"] | None:
    """Find the models that no other one is clearly better than.

    Args:
        losses: Mean loss of each date, a column for each model.
        block: Mean length of a block, in dates.

    Returns:
        Which models are in the ``CONFIDENCE`` set: it holds the best one with that
        probability. None where a difference of losses does not vary in time, so that
        there is nothing to test with.

    Source: Hansen, Lunde and Nason (2011), The model confidence set,
    doi:10.3982/ECTA5771.
    """
    different, place = np.unique(losses, axis=1, return_inverse=True)
    place = place.ravel()
    if different.shape[1] == 1:
        return np.ones(losses.shape[1], bool)
    gaps = different[:, :, None] - different[:, None, :]
    spread, size = np.ptp(gaps, axis=0), np.abs(gaps).max(axis=0)
    if np.any(spread[size > 0] <= 1e-9 * size[size > 0]):
        return None
    held = _undefeated(different / different.mean(), block)
    return np.isin(place, np.flatnonzero(held))


def _undefeated(
    losses: Float[np.ndarray, "date model"], block: int
) -> Bool[np.ndarray, " model"]:
    # The worst leaves while it is worse than chance allows: the range statistic.
    means = losses.mean(axis=0)
    drawn = resample(losses, block) / len(losses)
    gaps = means[:, None] - means
    chance = drawn[:, :, None] - drawn[:, None, :] - gaps
    spread = np.sqrt((chance**2).mean(axis=0) + np.eye(len(means)))
    gaps, chance = gaps / spread, chance / spread
    left, p_value = np.arange(len(means)), 0.0
    while len(left) > 1:
        p_value = max(p_value, float((gaps.max() < chance.max(axis=(1, 2))).mean()))
        if p_value > 1 - CONFIDENCE:
            break
        kept = np.arange(len(left)) != np.unravel_index(gaps.argmax(), gaps.shape)[0]
        left, gaps = left[kept], gaps[np.ix_(kept, kept)]
        chance = chance[:, kept][:, :, kept]
    return np.isin(np.arange(len(means)), left)
