"""What members lost is measured by date, kept, and read again."""

import numpy as np
import pytest

from closecast.errors import ModelError
from closecast.evaluation.scores import crps
from closecast.experiments.selection import (
    DateLosses,
    ask_luck,
    read_losses,
    read_validation,
    write_losses,
    write_validation,
)
from closecast.models.baselines import Zero
from closecast.testing import random_walk
from closecast.windows import WindowData, WindowSpec
from closecast.windows.scaling import volatility


def test_losses_are_means_of_each_date():
    """By hand, for the baseline of no return."""
    bars, rows = random_walk(3, 200), np.r_[100:120, 300:320, 500:520]
    spec = WindowSpec(context_length=4, horizon=3)
    zero = Zero(horizon=3, calendar="auto").forecast(bars, rows)

    found = DateLosses.of(zero, WindowData.of(bars, spec), rows)

    moves = np.log(bars.close[rows[:, None] + [1, 2, 3]] / bars.close[rows][:, None])
    unit = volatility(bars)[rows][:, None]
    density = (crps(zero, moves) / unit).mean(axis=1).reshape(3, 20).mean(axis=0)
    squares = (moves**2 / unit**2 / [1, 2, 3]).mean(axis=1).reshape(3, 20).mean(axis=0)
    np.testing.assert_allclose(found.crps, density)
    np.testing.assert_allclose(found.squared_error, squares)


def losses(seed):
    """Some losses of thirty dates."""
    crps, squares = np.random.default_rng(seed).exponential(size=(2, 30))
    return DateLosses(crps=crps, squared_error=squares)


def same(one, other):
    """Tell whether two losses are the same to the bit."""
    return (one.crps == other.crps).all() and (
        one.squared_error == other.squared_error
    ).all()


def test_losses_are_read_as_they_were_written(tmp_path):
    """Of one member, and the table of all."""
    write_losses(tmp_path, losses(0))
    assert same(read_losses(tmp_path), losses(0))

    dates = np.arange("2020-01-01", "2020-01-31", dtype="datetime64[D]")
    members = {"b,seed=0": losses(1), "a,seed=0": losses(2), "zero": losses(5)}
    baselines = {"zero": losses(3), "drift": losses(4)}
    write_validation(tmp_path, dates, members, baselines)
    found = read_validation(tmp_path)

    assert [list(part) for part in found] == [list(members), list(baselines)]
    for part, expected in zip(found, (members, baselines), strict=True):
        assert all(same(part[name], one) for name, one in expected.items())


def test_what_is_damaged_is_refused(tmp_path):
    """With the file and what to do."""
    for read, name, sentence in (
        (read_losses, "validation.safetensors", "what a member lost"),
        (read_validation, "validation.parquet", "what all members lost"),
    ):
        for content in (None, b"nothing"):
            if content is not None:
                (tmp_path / name).write_bytes(content)
            with pytest.raises(ModelError, match=rf"{sentence}.*{name}"):
                read(tmp_path)


def test_one_trial_has_no_choice_to_doubt():
    """Nothing was chosen, so nothing is asked."""
    assert ask_luck({"m": losses(0)}, {}, winner="m", trials=1, horizon=1) == ()
