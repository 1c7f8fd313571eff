"""Datasets that are small enough to train on in a blink."""

from argparse import Namespace

import pytest

from closecast.lab import StockDataset
from closecast.testing import autoregression


@pytest.fixture(scope="session")
def partition() -> dict[str, StockDataset]:
    """A market whose returns go on in part, cut into three spans of days."""
    bars = autoregression(1, 1800, coefficient=0.6)
    days = {
        "train": (None, "2014-06-30"),
        "val": ("2014-07-01", "2015-06-30"),
        "test": ("2015-07-01", None),
    }
    return {
        name: StockDataset(bars, 10, 5, start, end)
        for name, (start, end) in days.items()
    }


@pytest.fixture
def args() -> Namespace:
    """The arguments of a short experiment, under the lecture's names."""
    return Namespace(
        exp_name="exp1", input_dim=5, hid_dim=8, n_layers=1, dropout=0.0, use_bn=True,
        optim="Adam", lr=0.005, l2=0.0, batch_size=32, epoch=8, x_frames=10, y_frames=5,
    )  # fmt: skip
