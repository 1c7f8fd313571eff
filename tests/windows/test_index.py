"""Cutoffs: every window of every symbol, and none across two symbols."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from closecast.errors import WindowError
from closecast.market.bars import from_columns
from closecast.testing import random_walk
from closecast.windows.index import (
    cutoffs_with_context,
    cutoffs_with_targets,
    last_cutoffs,
    short_symbols,
    touches,
)
from closecast.windows.spec import WindowSpec


def ragged(lengths):
    """A panel whose symbols have these lengths."""
    symbols = np.repeat([f"S{i}" for i in range(len(lengths))], lengths)
    days = np.concatenate([np.arange(n) for n in lengths]).astype("datetime64[D]")
    return from_columns(symbols, days, np.ones((len(days), 5)))


@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=4),
    context=st.integers(1, 8),
    horizon=st.integers(1, 6),
)
def test_cutoffs_agree_with_a_loop_over_symbols(lengths, context, horizon):
    """The index holds what a naive loop over starts finds, and nothing else."""
    bars, spec = ragged(lengths), WindowSpec(context_length=context, horizon=horizon)
    expected = [
        start + first + context - 1
        for _, start, end in bars
        for first in range(end - start)
        if first + context + horizon <= end - start
    ]

    if not expected:
        with pytest.raises(WindowError, match="for a window"):
            cutoffs_with_targets(bars, spec)
    else:
        assert cutoffs_with_targets(bars, spec).tolist() == expected
        assert len(expected) == sum(
            spec.count(n) for n in lengths if n >= context + horizon
        )


def test_a_forecast_needs_only_a_context():
    """The last bars of a series are cutoffs although their targets are unknown."""
    bars, spec = ragged([12, 11]), WindowSpec()

    assert cutoffs_with_context(bars, spec).tolist() == [9, 10, 11, 21, 22]
    assert last_cutoffs(bars, spec).tolist() == [11, 22]


def test_a_short_symbol_is_named_and_the_rest_goes_on():
    """A symbol with nine bars gives no cutoff."""
    bars = ragged([30, 9])

    assert last_cutoffs(bars, WindowSpec()).tolist() == [29]
    assert short_symbols(bars, 10) == ["S1"]


def test_a_symbol_as_long_as_a_context_has_one_cutoff():
    """Ten bars are not too short for ten."""
    bars = ragged([30, 10])

    assert last_cutoffs(bars, WindowSpec()).tolist() == [29, 39]
    assert short_symbols(bars, 10) == []


def test_a_panel_too_short_says_what_it_needs():
    """Twelve bars hold no window of 10 + 5."""
    with pytest.raises(WindowError, match=r"at least 15 bars .* got 12 \(symbol W00"):
        cutoffs_with_targets(random_walk(1, 12), WindowSpec())
    with pytest.raises(WindowError, match=r"got 13 \(symbol S0 and 2 others, last"):
        cutoffs_with_targets(ragged([7, 13, 11]), WindowSpec())


@given(
    lengths=st.lists(st.integers(6, 20), min_size=1, max_size=3),
    context=st.integers(2, 5),
    horizon=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_windows_over_a_broken_step_are_left_out(lengths, context, horizon, seed):
    """Those whose context or target holds the step; one that begins after it stays."""
    bars, spec = ragged(lengths), WindowSpec(context_length=context, horizon=horizon)
    broken = np.random.default_rng(seed).random(len(bars)) < 0.1
    broken[bars.offsets[:-1]] = False  # the first bar of a symbol has no step
    assume(max(lengths) >= context + horizon)
    every = cutoffs_with_targets(bars, spec)
    sound = [
        cutoff
        for cutoff in every
        if not broken[cutoff - context + 2 : cutoff + horizon + 1].any()
    ]
    assume(sound)

    assert cutoffs_with_targets(bars, spec, broken).tolist() == sound


@given(context=st.integers(1, 6), seed=st.integers(0, 99))
def test_a_context_is_broken_by_its_own_steps_alone(context, seed):
    """Not by the one that leads to its first bar, nor by any after the cutoff."""
    broken = np.random.default_rng(seed).random(30) < 0.3
    cutoffs = np.arange(context - 1, 30)
    expected = [any(broken[row - context + 2 : row + 1]) for row in cutoffs]

    assert touches(cutoffs, broken, context).tolist() == expected
