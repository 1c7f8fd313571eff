"""The best third goes on, and nobody else; the same losses decide the same again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from closecast.errors import SettingError
from closecast.experiments.rungs import rungs_of, who_goes_on

LOSSES = st.lists(st.floats(0, 9), min_size=6, max_size=6)


class TestRungsOf:
    @pytest.mark.parametrize(
        ("epochs", "rungs"),
        [(3, (1,)), (9, (1, 3)), (30, (1, 3, 10)), (81, (3, 9, 27))],
    )
    def test_each_rung_is_three_times_the_one_below(self, epochs, rungs):
        """From a 27th of the epochs up, as far as there are whole epochs."""
        assert rungs_of("halving", epochs, 0) == rungs

    def test_halving_thins_out_each_batch_alike(self):
        """The number of a batch does not matter."""
        assert rungs_of("halving", 30, 7) == rungs_of("halving", 30, 0)

    def test_hyperband_begins_each_batch_at_a_later_rung(self):
        """In turn, a batch that is not thinned out at all among them."""
        batches = [rungs_of("hyperband", 30, batch) for batch in range(5)]

        assert batches == [(1, 3, 10), (3, 10), (10,), (), (1, 3, 10)]

    def test_without_pruning_there_is_none(self):
        """Every member has all its epochs."""
        assert rungs_of("none", 2, 0) == ()

    def test_too_few_epochs_are_refused(self):
        """Two epochs cannot be thinned out."""
        with pytest.raises(
            SettingError, match="at least 3 epochs to thin members out, got 2"
        ):
            rungs_of("hyperband", 2, 0)


class TestWhoGoesOn:
    def test_the_best_third_by_its_mean_over_seeds(self):
        """A lucky seed does not carry its proposal on."""
        rivals = {"a": [[1.0], [9.0]], "b": [[3.0], [3.0]], "c": [[4.0], [4.0]]}

        assert who_goes_on(rivals, 1, early_stopping=True) == ["b"]

    @pytest.mark.parametrize(("early", "best"), [(True, ["a"]), (False, ["b"])])
    def test_early_stopping_looks_at_the_best_epoch(self, early, best):
        """Without it the last epoch's weights are kept, and their loss counts."""
        rivals = {"a": [[1.0, 5.0]], "b": [[3.0, 2.0]]}

        assert who_goes_on(rivals, 2, early_stopping=early) == best

    def test_what_diverged_stays_behind(self):
        """One diverged seed is enough."""
        rivals = {"a": [[0.1], []], "b": [[3.0], [3.0]]}

        assert who_goes_on(rivals, 1, early_stopping=True) == ["b"]

    @given(curves=st.lists(LOSSES, min_size=1, max_size=12), rung=st.integers(1, 6))
    def test_losses_beyond_the_rung_do_not_matter(self, curves, rung):
        """A member that has gone on already is judged as if it had not."""
        rivals = {place: [curve] for place, curve in enumerate(curves)}
        later = {place: [[*curve[:rung], 0.0]] for place, curve in enumerate(curves)}
        kept = who_goes_on(rivals, rung, early_stopping=True)

        assert kept == who_goes_on(later, rung, early_stopping=True)
        assert len(kept) == max(1, len(curves) // 3)
