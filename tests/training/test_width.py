"""A width is stretched by what many dates support, and by nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtri

from closecast.forecast import LEVELS
from closecast.training.checkpoint import load, save
from closecast.training.model import train_fleet
from closecast.training.width import MAX_LOG_STRETCH, stretched, supported_stretch
from closecast.windows.peers import KOREA, NEW_YORK, NUM_MARKETS, OTHER

RANDOM = np.random.default_rng(0)
Z = RANDOM.normal(size=(6000, 2))
DATES = np.arange(6000) // 5
MEAN = np.zeros((6000, 2))
NARROW = np.broadcast_to(ndtri(LEVELS) / 1.1, (6000, 2, len(LEVELS)))
MARKET = np.where(np.arange(6000) % 5 < 3, NEW_YORK, KOREA)


class TestSupportedStretch:
    def test_a_narrow_width_is_stretched_to_the_true_one(self):
        """A Gaussian of which a tenth is missing gets it back."""
        stretch = supported_stretch(MEAN, NARROW, Z, DATES, MARKET)

        assert stretch.shape == (NUM_MARKETS, 2)
        assert stretch[[NEW_YORK, KOREA]] == pytest.approx(1.1, abs=0.03)
        assert stretch[OTHER].tolist() == [1.0, 1.0]

    def test_a_true_width_stays(self):
        """What is right is not moved by luck."""
        stretch = supported_stretch(MEAN, NARROW * 1.1, Z, DATES, MARKET)

        assert stretch == pytest.approx(1.0, abs=0.02)

    def test_one_wild_day_is_no_support(self):
        """Errors of one date, however many symbols, are one piece of evidence."""
        true = NARROW * 1.1
        wild = np.where(DATES[:, None] == 0, 60.0, Z)
        stretch = supported_stretch(MEAN, true, wild, DATES, MARKET)

        assert stretch == pytest.approx(1.0, abs=0.03)

    def test_few_dates_support_nothing(self):
        """A market of two months keeps its width."""
        few = DATES < 40
        stretch = supported_stretch(
            MEAN[few], NARROW[few], Z[few], DATES[few], MARKET[few]
        )

        assert (stretch == 1).all()

    def test_no_stretch_is_larger_than_a_fifth(self):
        """Beyond that it would be another forecast."""
        stretch = supported_stretch(MEAN, NARROW / 3, Z, DATES, MARKET)

        assert stretch.max() <= np.exp(MAX_LOG_STRETCH)
        assert stretch[KOREA].min() > 1.2


def test_quantiles_are_stretched_around_the_mean():
    """Twice the distance on both sides."""
    mean, quantiles = np.array([[0.01]]), np.array([[[-0.01, 0.01, 0.04]]])

    np.testing.assert_allclose(
        stretched(mean, quantiles, np.array([[2.0]])), [[[-0.03, 0.01, 0.07]]]
    )


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_model_keeps_its_stretch(bars, settings, rows, seeds, tmp_path):
    """It is fitted after training, changes the width alone and survives a folder."""
    train, validation = rows
    chosen = replace(settings, mean="zero", width="fitted", seeds=seeds)
    plain, model = train_fleet(
        bars, [replace(chosen, width="free"), chosen], train, validation
    )
    ours, theirs = (one.forecast(bars, validation) for one in (model, plain))

    assert plain.stretch is None
    assert all(one.stretch.shape == (NUM_MARKETS, 3) for one in model.members)
    np.testing.assert_array_equal(ours.mean, theirs.mean)
    assert (np.diff(ours.quantiles, axis=-1) >= 0).all()
    again = load(save(model, tmp_path / "model")).forecast(bars, validation)
    np.testing.assert_array_equal(again.quantiles, ours.quantiles)
