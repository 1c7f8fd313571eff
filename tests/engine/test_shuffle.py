"""The order of an epoch's windows, also where they do not fit a pool."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from closecast.engine import shuffle
from closecast.engine.shuffle import (
    POOL,
    STRETCH,
    count_batches,
    made_ahead,
    shuffled,
)


@pytest.fixture(scope="module", autouse=True)
def small_pool():
    """Make blocks small enough to look at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shuffle, "POOL", 64)
        patch.setattr(shuffle, "STRETCH", 8)
        yield


def order(rows, batch_size=16, seed=0, epoch=1):
    return np.concatenate([some for some, _ in shuffled(rows, batch_size, seed, epoch)])


@given(
    num_rows=st.integers(1, 500),
    batch_size=st.integers(1, 150),
    seed=st.integers(0, 2**32 - 1),
    epoch=st.integers(1, 1000),
)
def test_every_window_is_in_one_batch(num_rows, batch_size, seed, epoch):
    """No window is lost between pools; only the last batch may be of another size."""
    rows = np.arange(num_rows) * 3 + 7
    sizes, seen = [], []
    for some, ends in shuffled(rows, batch_size, seed, epoch):
        assert ends[-1] == len(some)
        sizes += np.diff(ends, prepend=0).tolist()
        seen += some.tolist()

    assert sorted(seen) == rows.tolist()
    assert len(sizes) == count_batches(num_rows, batch_size)
    assert all(size == batch_size for size in sizes[:-1])
    assert sizes[-1] <= batch_size + (batch_size > 1)
    if batch_size > 1 and num_rows > 1:
        assert sizes[-1] > 1


def test_what_fits_a_pool_is_permuted_as_a_whole():
    """Few windows come in the order that numpy's permutation gives them."""
    rows = np.arange(64)
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([5, 2])))

    assert np.array_equal(order(rows, seed=5, epoch=2), rng.permutation(rows))


def test_seed_and_epoch_decide_the_order_of_many():
    """Same seed and epoch, same order; another of either, another order."""
    rows = np.arange(1000)
    first = order(rows)

    assert np.array_equal(first, order(rows))
    assert not np.array_equal(first, order(rows, epoch=2))
    assert not np.array_equal(first, order(rows, seed=1))


def test_two_windows_of_a_stretch_seldom_meet_in_a_batch():
    """Their chance is that of the stated quality, over many epochs."""
    rows, batch_size, meetings, pairs = np.arange(4096), 16, 0, 0
    for epoch in range(40):
        for batch in order(rows, epoch=epoch).reshape(-1, batch_size):
            apart = np.abs(batch[:, None] - batch)[np.triu_indices(batch_size, 1)]
            meetings += (apart == 1).sum()
            pairs += len(apart)

    neighbours = meetings / pairs  # of all windows of a stretch, 1 in 4 pairs
    assert neighbours == pytest.approx(8 / 64 / 4 * 7 / 8, rel=0.15)


def test_neighbours_are_not_tied_for_ever():
    """Stretches start elsewhere in each epoch: any two windows may be parted."""
    rows = np.arange(2048)
    parted = np.zeros(len(rows) - 1, bool)
    for epoch in range(60):
        place = np.argsort(order(rows, epoch=epoch))
        parted |= place[1:] // 64 != place[:-1] // 64

    assert parted.all()


def test_old_windows_come_as_early_as_new_ones():
    """Place in the panel says nothing of the place in the epoch."""
    rows = np.arange(4096)
    correlation = [
        np.corrcoef(rows, order(rows, epoch=epoch))[0, 1] for epoch in range(50)
    ]

    assert abs(np.mean(correlation)) < 0.02


def test_the_stated_quality_is_that_of_the_constants():
    """The documented factor of 1.016 for 128 windows follows from them."""
    assert pytest.approx(1.016, abs=5e-4) == 1 + 127 * STRETCH / POOL


def test_rows_of_a_file_need_not_be_held(tmp_path):
    """Mapped cutoffs give the order of cutoffs in memory."""
    rows = np.arange(1000)
    rows.tofile(tmp_path / "rows")
    mapped = np.memmap(tmp_path / "rows", np.int64, "r")

    assert np.array_equal(order(mapped), order(rows))


def test_ahead_gives_the_same():
    """The next pool is made meanwhile, and is the one that comes next."""
    rows = np.arange(300)
    plain, ahead = (
        [
            (some.tolist(), ends.tolist())
            for some, ends in made(shuffled(rows, 16, 3, 2))
        ]
        for made in (iter, made_ahead)
    )

    assert len(plain) > 2
    assert ahead == plain


def test_ahead_may_be_left_early():
    """Nothing of it goes on after the last pool that was asked for."""
    pools = made_ahead(shuffled(np.arange(300), 16, 0, 1))
    next(pools)
    threads = threading.active_count()

    pools.close()

    assert threading.active_count() < threads
