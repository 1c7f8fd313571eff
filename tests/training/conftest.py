"""Small models over a simulated market, trained once."""

from dataclasses import replace

import pytest

from closecast.testing import random_walk
from closecast.training.model import train_fleet
from closecast.training.settings import Settings
from closecast.windows.index import cutoffs_with_targets


@pytest.fixture(scope="session")
def bars():
    """Two symbols, 120 sessions each."""
    return random_walk(2, 120)


@pytest.fixture(scope="session")
def settings():
    """A model of a moment."""
    return Settings(context_length=8, horizon=3, hidden_size=6, epochs=3, batch_size=32)


@pytest.fixture(scope="session")
def rows(bars, settings):
    """Cutoffs to train on and to validate on."""
    every = cutoffs_with_targets(bars, settings.window_spec)
    dates = bars.dates[every]
    cut = dates[80]
    return every[dates < cut - 6], every[dates >= cut]


@pytest.fixture(scope="session")
def model(bars, settings, rows):
    """A trained model with the Student-t head."""
    return train_fleet(bars, [settings], *rows)[0]


@pytest.fixture(scope="session")
def ensemble(bars, settings, rows):
    """A model of three seeds."""
    return train_fleet(bars, [replace(settings, seeds=3)], *rows)[0]
