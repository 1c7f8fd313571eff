"""The order of an epoch's windows: shuffled as a whole, or by blocks where many.

Up to ``POOL`` windows are permuted as a whole. More are read as stretches of
consecutive windows in random order, and as many stretches as fill a pool are permuted
together: memory stays that of two pools, and a mapped panel is read in runs instead of
single rows. Stretches start elsewhere in each epoch, so that no two windows are
neighbours for ever.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from jaxtyping import Int

T = TypeVar("T")

POOL = 2**20
"""Windows that are permuted together."""

STRETCH = 128
"""Consecutive windows that always fall into the same pool.

Two windows of a batch share a stretch with a chance of at most ``STRETCH / POOL``
instead of ``STRETCH / windows``. Were all windows of a stretch alike, the variance of
a batch's gradient would be ``1 + (batch_size - 1) * STRETCH / POOL`` times that of a
full shuffle: 1.016 for 128 windows.
"""


def shuffled(
    rows: Int[np.ndarray, " row"], batch_size: int, seed: int, epoch: int
) -> Iterator[tuple[Int[np.ndarray, " some"], Int[np.ndarray, " batch"]]]:
    """Shuffle windows into the batches of an epoch, a pool at a time; none is dropped.

    A last batch of one window joins the batch before it: batch normalisation has no
    variance of one.

    Args:
        rows: Cutoffs of the windows; may be mapped from a file.
        batch_size: Windows of a batch.
        seed: Seed of the training.
        epoch: The epoch, counted from 1.

    Yields:
        Cutoffs in the order that they are stepped, and where their batches end.
    """
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, epoch])))
    held = np.empty(0, np.int64)
    left = len(rows)
    for pool in _pools(rows, rng):
        left -= len(pool)
        ready = np.concatenate([held, pool]) if len(held) else pool
        # what may not end on a batch waits for the next pool
        stop = (len(ready) // batch_size - 1) * batch_size if left else len(ready)
        if stop > 0:
            yield ready[:stop], _ends(stop, batch_size)
        held = ready[max(stop, 0) :].copy()


def made_ahead(pools: Iterator[T]) -> Iterator[T]:
    """Make the next pool while one is stepped through.

    Args:
        pools: What ``shuffled`` makes.

    Yields:
        The same; a second pool lies in the memory.
    """
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(next, pools, None)
        while (pool := following.result()) is not None:
            following = thread.submit(next, pools, None)
            yield pool


def count_batches(windows: int, batch_size: int) -> int:
    """Count the batches of an epoch.

    Args:
        windows: Windows to train on.
        batch_size: Windows of a batch.

    Returns:
        As many as ``shuffled`` makes.
    """
    joins = batch_size > 1 and windows > batch_size and windows % batch_size == 1
    return -(-windows // batch_size) - joins


def _pools(
    rows: Int[np.ndarray, " row"], rng: np.random.Generator
) -> Iterator[Int[np.ndarray, " some"]]:
    if len(rows) <= POOL:
        if len(rows):
            yield np.asarray(rng.permutation(rows), np.int64)
        return
    shift = int(rng.integers(STRETCH))
    stretches = rng.permutation((len(rows) + shift + STRETCH - 1) // STRETCH)
    for first in range(0, len(stretches), POOL // STRETCH):
        starts = stretches[first : first + POOL // STRETCH] * STRETCH - shift
        places = (starts[:, None] + np.arange(STRETCH)).ravel()
        inside = places[(places >= 0) & (places < len(rows))]
        pool = np.asarray(rows[inside], np.int64)
        rng.shuffle(pool)
        yield pool


def _ends(count: int, batch_size: int) -> Int[np.ndarray, " batch"]:
    ends = np.append(np.arange(batch_size, count, batch_size, dtype=np.int64), count)
    if batch_size > 1 and count > batch_size and count % batch_size == 1:
        ends = np.delete(ends, -2)
    return ends
