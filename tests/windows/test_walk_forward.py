"""Folds that never see their own test, over all symbols."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from closecast.errors import WindowError
from closecast.market.bars import Bars
from closecast.testing import random_walk
from closecast.windows.index import cutoffs_with_targets
from closecast.windows.leakage import target_overlap
from closecast.windows.spec import WindowSpec
from closecast.windows.split import split_by_date
from closecast.windows.walk_forward import walk_back, walk_forward


def ragged(num_bars: int, seed: int) -> Bars:
    """Simulate symbols that miss some sessions, each its own."""
    bars = random_walk(3, num_bars, seed=seed)
    keep = np.random.default_rng(seed).random(len(bars)) > 0.1
    return bars.select(keep | (bars.symbol_ids == 0))


@given(
    num_bars=st.integers(160, 260),
    horizon=st.integers(1, 7),
    folds=st.integers(1, 6),
    refit_every=st.integers(1, 15),
    expanding=st.booleans(),
    seed=st.integers(0, 9),
)
def test_blocks_never_meet(num_bars, horizon, folds, refit_every, expanding, seed):
    """Training targets end before validation, validation targets before the test."""
    bars, spec = ragged(num_bars, seed), WindowSpec(horizon=horizon)
    for fold in walk_forward(
        bars, spec, folds, refit_every=refit_every, expanding=expanding
    ):
        split = fold.split
        matured = bars.dates[split.train + horizon]

        assert (bars.dates[split.train] >= fold.train_start).all()
        assert (matured < split.validation_start).all()
        assert (bars.dates[split.validation] >= split.validation_start).all()
        assert (bars.dates[split.validation + horizon] < split.test_start).all()
        assert (bars.dates[split.test] >= split.test_start).all()
        assert (bars.dates[split.test] < fold.test_stop).all()
        assert target_overlap(bars, split, spec).passed


@settings(max_examples=30)
@given(horizon=st.integers(1, 5), folds=st.integers(1, 5), seed=st.integers(0, 9))
def test_each_window_is_in_the_block_that_a_loop_puts_it_in(horizon, folds, seed):
    """From the first date of a block on, and no longer than its targets are its own."""
    bars, spec = ragged(180, seed), WindowSpec(horizon=horizon)
    every = cutoffs_with_targets(bars, spec)
    for fold in walk_forward(bars, spec, folds, refit_every=7):
        split, blocks = fold.split, ([], [], [])
        for row in every:
            known, matured = bars.dates[row], bars.dates[row + horizon]
            if fold.train_start <= known and matured < split.validation_start:
                blocks[0].append(row)
            elif split.validation_start <= known and matured < split.test_start:
                blocks[1].append(row)
            elif split.test_start <= known < fold.test_stop:
                blocks[2].append(row)

        assert split.train.tolist() == blocks[0]
        assert split.validation.tolist() == blocks[1]
        assert split.test.tolist() == blocks[2]


@given(folds=st.integers(1, 6), refit_every=st.integers(1, 15), expanding=st.booleans())
def test_each_newest_window_is_tested_once(folds, refit_every, expanding):
    """The test blocks lie end to end and hold the newest sessions whole."""
    bars, spec = ragged(200, 1), WindowSpec()
    tested = np.concatenate(
        [
            fold.split.test
            for fold in walk_forward(
                bars, spec, folds, refit_every=refit_every, expanding=expanding
            )
        ]
    )
    every = cutoffs_with_targets(bars, spec)
    sessions = np.unique(bars.dates[every])
    newest = every[bars.dates[every] >= sessions[-folds * refit_every]]

    np.testing.assert_array_equal(np.sort(tested), newest)


def test_a_rolling_block_keeps_its_length_and_an_expanding_one_grows():
    """Each fold moves on by refit_every sessions."""
    bars, spec = random_walk(1, 400), WindowSpec()
    rolling, growing = (
        [len(f.split.train) for f in walk_forward(bars, spec, 4, expanding=expanding)]
        for expanding in (False, True)
    )

    assert len(set(rolling)) == 1
    assert np.diff(growing).tolist() == [63, 63, 63]
    assert growing[0] == rolling[0]


@pytest.mark.parametrize(("num_bars", "horizon"), [(150, 5), (150, 1), (60, 6)])
@pytest.mark.parametrize("expanding", [True, False])
def test_the_last_eighth_before_a_test_validates(num_bars, horizon, expanding):
    """Or as many sessions as one target and one cutoff need, if those are more."""
    bars, spec = random_walk(1, num_bars), WindowSpec(horizon=horizon)
    sessions = np.unique(bars.dates[cutoffs_with_targets(bars, spec)]).tolist()
    folds = walk_forward(bars, spec, 3, refit_every=5, expanding=expanding)
    before = len(sessions) - 15
    tail = max(before // 8, horizon + 1)
    for number, fold in enumerate(folds):
        at = before + 5 * number

        assert fold.number == number + 1
        assert fold.split.test_start == sessions[at]
        assert fold.split.validation_start == sessions[at - tail]
        assert fold.train_start == sessions[0 if expanding else 5 * number]
        stop = sessions[at + 5] if number < 2 else sessions[-1] + timedelta(days=1)
        assert fold.test_stop == stop


def test_a_walk_rolls_unless_it_is_told_to_expand():
    """By itself each fold trains on as many sessions."""
    bars, spec = random_walk(1, 200), WindowSpec()
    plain, rolling = (
        [one.train_start for one in walk_forward(bars, spec, 3, refit_every=9, **more)]
        for more in ({}, {"expanding": False})
    )

    assert plain == rolling


def test_as_many_sessions_as_are_asked_for_are_enough():
    """One target to train on and one to validate, before the test."""
    spec = WindowSpec(context_length=4, horizon=3)
    needed = 2 * (3 + 1) + 2 * 5
    enough, few = (random_walk(1, 4 - 1 + 3 + n) for n in (needed, needed - 1))

    assert len(walk_forward(enough, spec, 2, refit_every=5)) == 2
    with pytest.raises(WindowError, match=f"at least {needed} sessions"):
        walk_forward(few, spec, 2, refit_every=5)


def test_no_bar_after_a_fold_moves_its_blocks():
    """A fold of a longer panel that tests the same dates trains on the same ones."""
    bars, spec = random_walk(2, 300), WindowSpec()
    first = walk_forward(bars, spec, 2, refit_every=30)[0]
    cut = bars.select(bars.dates < bars.dates[300 - 30])
    alone = walk_forward(cut, spec, 1, refit_every=30)[0]

    assert alone.split.validation_start == first.split.validation_start
    assert alone.split.test_start == first.split.test_start
    assert len(alone.split.train) == len(first.split.train)


@pytest.mark.parametrize(
    ("folds", "refit_every", "message"),
    [
        (8, 63, r"at least 516 sessions .* 8 folds of 63, got 106 \(2010-"),
        (0, 63, "folds to be at least 1, got 0"),
        (1, 0, "refit_every to be at least 1, got 0"),
    ],
)
def test_too_short_a_panel_is_one_sentence(folds, refit_every, message):
    """It says how many sessions are there and how many are needed."""
    with pytest.raises(WindowError, match=message):
        walk_forward(random_walk(2, 120), WindowSpec(), folds, refit_every=refit_every)


def test_a_gap_of_every_symbol_names_the_fold():
    """Sparse symbols can leave a block without a window."""
    long, short = random_walk(2, 150), WindowSpec(horizon=30, context_length=2)
    number = np.arange(len(long)) - long.starts
    sparse = long.select(
        np.where(long.symbol_ids == 0, number % 2 == 0, number % 2 == 1)
    )

    with pytest.raises(WindowError, match=r"none in \w+ of fold 1"):
        walk_forward(sparse, short, 1, refit_every=1)


def test_walking_back_cuts_blocks_of_as_many_sessions():
    """Validation blocks abut, train blocks lie before them, the newest is the split."""
    bars, spec = random_walk(2, 400), WindowSpec(context_length=5, horizon=3)
    split = split_by_date(bars, spec)
    folds = walk_back(bars, spec, split, 3)
    sessions = np.unique(bars.dates)
    cuts = [
        tuple(np.searchsorted(sessions, (one.validation_start, one.test_start)))
        for one in folds
    ]

    assert folds[-1] is split
    assert len(folds) == 3
    assert len({stop - start for start, stop in cuts}) == 1
    assert [stop for _, stop in cuts[:-1]] == [start for start, _ in cuts[1:]]
    for one in folds:
        assert bars.dates[one.train + spec.horizon].max() < one.validation_start
        assert bars.dates[one.validation].min() >= one.validation_start
        assert bars.dates[one.validation + spec.horizon].max() < one.test_start


def test_walking_back_too_far_is_refused():
    """A fold without a session to train on is none."""
    bars, spec = random_walk(1, 260), WindowSpec()

    with pytest.raises(WindowError, match="before 9 validation blocks of 26 sessions"):
        walk_back(bars, spec, split_by_date(bars, spec), 9)
