"""Targets dealt out anew: windows and markets in which nothing can be foreseen.

The contexts stay as they are, what follows them comes from another time. Dates are
dealt in blocks, so that targets that overlap stay neighbours, and all symbols of a
date go together, so that a date remains one piece of evidence. Whoever still finds
skill reads the answer.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, Shaped

from closecast.market.bars import CLOSE, OPEN, VOLUME, Bars
from closecast.windows.scaling import WindowData
from closecast.windows.split import Split

BLOCK_HORIZONS = 2
"""Length of a block of dates, in horizons."""

MAX_TRAIN, MAX_VALIDATION = 8192, 4096
"""Windows of each block at most, evenly spaced: enough to find what must not be."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PermutedWindows:
    """Windows with the targets of others, laid out one after the other.

    Attributes:
        data: Their tables.
        train: Rows of ``data`` that are cutoffs to train on.
        validation: The same to look at.
        validation_cutoffs: Rows of the panel that the latter's contexts end at.
    """

    data: WindowData
    train: Int[np.ndarray, " train"]
    validation: Int[np.ndarray, " validation"]
    validation_cutoffs: Int[np.ndarray, " validation"]


def permuted_windows(
    data: WindowData, bars: Bars, split: Split, seed: int = 0
) -> PermutedWindows:
    """Deal the targets of training and of validation out anew, each by itself.

    A target is dealt in units of its window, so that it carries from a calm time to a
    wild one.

    Args:
        data: The panel's tables.
        bars: The panel.
        split: Its blocks.
        seed: Seed of the dealing.

    Returns:
        The windows; none where a block has fewer dates than two blocks to exchange.
    """
    dealt = [
        _dealt(bars, rows, BLOCK_HORIZONS * data.spec.horizon, seed)
        for rows in (split.train, split.validation)
    ]
    (train, train_from), (validation, validation_from) = (
        _thinned(*both, most)
        for both, most in zip(dealt, (MAX_TRAIN, MAX_VALIDATION), strict=True)
    )
    cutoffs = np.concatenate([train, validation])
    source = np.concatenate([train_from, validation_from])
    places = np.arange(len(cutoffs)) * data.spec.length + data.spec.context_length - 1
    return PermutedWindows(
        data=_laid_out(data, cutoffs, source, places),
        train=places[: len(train)],
        validation=places[len(train) :],
        validation_cutoffs=validation,
    )


def permuted_market(bars: Bars, block: int, seed: int = 0) -> Bars:
    """Deal the sessions of each symbol out anew, in blocks counted from its end.

    Args:
        bars: The panel.
        block: Sessions of a block.
        seed: Seed of the dealing; symbols of one length are dealt alike.

    Returns:
        A panel of the same symbols, dates and sessions in another order. What follows
        the end of a block has nothing to do with what came before it.
    """
    values = np.empty_like(bars.values)
    for _, start, end in bars:
        values[start:end] = _other_order(bars.values[start:end], block, seed)
    return replace(bars, values=values)


def block_ends(bars: Bars, block: int, most: int) -> Int[np.ndarray, " cutoff"]:
    """Find the newest rows that a block of ``permuted_market`` ends at.

    Args:
        bars: The panel.
        block: Sessions of a block.
        most: Rows of a symbol at most.

    Returns:
        Rows with a whole block after and another one before them, symbol by symbol.
    """
    rows = [
        end - 1 - block * np.arange(min((end - start) // block - 1, most), 0, -1)
        for _, start, end in bars
    ]
    return np.concatenate(rows)


def _other_order(
    values: Float[np.ndarray, "session column"], block: int, seed: int
) -> Float[np.ndarray, "session column"]:
    # Sessions by their log ratios to the close before, chained up again.
    close = np.concatenate([values[:1, OPEN], values[:-1, CLOSE]])
    ratios = np.log(values[:, :VOLUME] / close[:, None])
    first = len(values) % block
    source = other_blocks(len(values) - first, block, seed)
    order = np.concatenate([np.arange(first), first + source])
    ratios = ratios[order]
    after = np.log(close[0]) + np.cumsum(ratios[:, CLOSE])
    before = np.concatenate([[np.log(close[0])], after[:-1]])
    prices = np.exp(ratios + before[:, None])
    # a sum rounds: high and low stay around open and close
    prices[:, 1] = prices.max(axis=1)
    prices[:, 2] = prices.min(axis=1)
    return np.column_stack([prices, values[order, VOLUME]])


def other_blocks(count: int, block: int, seed: int) -> Int[np.ndarray, " place"]:
    """Exchange the blocks of a series so that none stays in its place.

    Args:
        count: Length of the series.
        block: Length of a block; the last one may be shorter.
        seed: Seed of the dealing.

    Returns:
        For each place the one that its value comes from; -1 where the other block is
        too short. With a single block all stay.
    """
    number = -(-count // block)
    round_trip = np.random.default_rng(seed).permutation(number)
    source = np.empty(number, dtype=np.int64)
    source[round_trip] = np.roll(round_trip, -1)
    place = np.arange(count)
    found = source[place // block] * block + place % block
    return np.asarray(np.where(found < count, found, -1))


def _dealt(
    bars: Bars, rows: Int[np.ndarray, " window"], block: int, seed: int
) -> tuple[Int[np.ndarray, " kept"], Int[np.ndarray, " kept"]]:
    # Cutoffs, and those whose targets they get: of the same symbol on another date.
    calendar, day = np.unique(bars.dates[rows], return_inverse=True)
    if len(calendar) <= block:
        return rows[:0], rows[:0]
    from_day = other_blocks(len(calendar), block, seed)[day]
    base = bars.symbol_ids[rows] * len(calendar)
    keys, wanted = base + day, base + from_day
    order = np.argsort(keys)
    at = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
    there = (from_day >= 0) & (keys[order][at] == wanted)
    return rows[there], rows[order][at[there]]


def _thinned(
    cutoffs: Shaped[np.ndarray, " window"],
    source: Shaped[np.ndarray, " window"],
    most: int,
) -> tuple[Int[np.ndarray, " kept"], Int[np.ndarray, " kept"]]:
    places = np.linspace(0, len(cutoffs) - 1, min(len(cutoffs), most)).astype(int)
    return cutoffs[places], source[places]


def _laid_out(
    data: WindowData,
    cutoffs: Int[np.ndarray, " window"],
    source: Int[np.ndarray, " window"],
    places: Int[np.ndarray, " window"],
) -> WindowData:
    spec = data.spec
    own = cutoffs[:, None]
    rows = own + np.minimum(np.arange(1 - spec.context_length, spec.horizon + 1), 0)
    logs = data.logs[rows]  # (N, T + H, F)
    target = data.target(source) / data.unit(source) * data.unit(cutoffs)
    logs[:, spec.context_length :, :VOLUME] += target[..., None]
    state = np.zeros((rows.size, data.state.shape[1]))
    state[places] = data.state[cutoffs]
    return WindowData(
        spec,
        logs.reshape(rows.size, -1),
        np.repeat(data.scale[cutoffs], spec.length),
        state,
    )
