"""A range test finds the rate at which a loss falls fastest, and counts its models."""

import numpy as np
import pytest

from closecast.errors import SettingError, TrainingError
from closecast.experiments.index import Index
from closecast.experiments.range_test import RangeTest, range_test, suggest
from closecast.reports.range_test import write_picture
from closecast.testing import random_walk

QUICK = {"hidden_size": 4, "batch_size": 32, "points": 4}
RATES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


def test_each_rate_is_trained_alone_and_counted(tmp_path):
    """As many losses as rates, and as many trials."""
    bars = random_walk(2, 260)
    test = range_test(bars, low=1e-4, high=1e-1, index=tmp_path / "i", **QUICK)

    assert test.rates == (1e-4, 1e-3, 1e-2, 1e-1)
    assert len(set(test.losses)) == 4
    assert test.suggested in test.rates
    assert Index(tmp_path / "i").trials(bars.fingerprint) == 4
    again = range_test(bars, low=1e-4, high=1e-1, index=tmp_path / "i", **QUICK)
    assert again == test


def test_the_steepest_fall_is_suggested():
    """Not the least loss: there a long training would already be too fast."""
    rates = tuple(np.geomspace(1e-5, 1e1, 7))
    losses = (1.50, 1.49, 1.40, 1.10, 1.05, 1.04, 1.50)

    assert suggest(rates, losses) == rates[2]


def test_a_fall_beyond_the_least_loss_is_luck():
    """After a rise nothing is suggested, however fast the loss falls there."""
    rates = np.geomspace(1e-5, 1, 8)
    losses = (1.50, 1.40, 1.30, 1.30, 1.9, 1.9, 1.4, 1.4)

    assert suggest(rates, losses) < rates[3]


def test_rates_that_diverged_are_left_out():
    """They have no loss to fall."""
    losses = (1.50, 1.30, 1.25, None, None)

    assert suggest(RATES, losses) in RATES[:3]


def test_too_few_losses_suggest_nothing():
    """Two points have a slope, but none worth a name."""
    with pytest.raises(TrainingError, match=r"at least 3 rates .* got 2 of 5"):
        suggest(RATES, (1.5, 1.4, None, None, None))


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"low": 0.0}, "Expected low to be a number"),
        ({"low": 0.1, "high": 0.01}, "Expected high to be a number"),
        ({"points": 2}, "Expected points to be a whole number"),
        ({"learning_rate": 0.1}, "Expected no learning_rate in a range test"),
        ({"dropuot": 0.1}, "Did you mean 'dropout'"),
    ],
)
def test_what_cannot_be_tested_is_refused(tmp_path, how, words):
    """Before anything is trained."""
    with pytest.raises(SettingError, match=words):
        range_test(random_walk(2, 260), index=tmp_path / "i", **{**QUICK, **how})


@pytest.mark.parametrize(
    ("name", "starts"), [("a.svg", b"<?xml"), ("a.png", b"\x89PNG")]
)
def test_it_is_drawn_the_same_twice(tmp_path, name, starts):
    """Also where a rate diverged."""
    test = RangeTest(
        rates=RATES, losses=(1.5, 1.49, 1.3, 1.6, None), suggested=1e-2, epochs=1
    )
    write_picture(test, tmp_path / name)
    first = (tmp_path / name).read_bytes()
    write_picture(test, tmp_path / name)

    assert first.startswith(starts)
    assert (tmp_path / name).read_bytes() == first


@pytest.mark.parametrize(
    ("name", "words"),
    [("a.pdf", r"named \.svg or \.png"), ("no/a.svg", "that can be written")],
)
def test_a_picture_that_cannot_be_written_is_refused(tmp_path, name, words):
    """With a name that could."""
    test = RangeTest(rates=RATES, losses=(1.5,) * 5, suggested=1e-2, epochs=1)
    with pytest.raises(SettingError, match=words):
        write_picture(test, tmp_path / name)
