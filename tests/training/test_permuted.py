"""The same network on targets dealt out anew foresees nothing, unless it reads them."""

import pytest

from closecast.engine.torch.panel import ResidentPanel
from closecast.experiments.fitted import labels_shuffled
from closecast.testing import autoregression, random_walk
from closecast.training.permuted import BUDGET, Permuted, train_permuted
from closecast.training.settings import Settings
from closecast.windows.split import split_by_date

SMALL = {
    "hidden_size": 6,
    "num_layers": 1,
    "batch_size": 32,
    "dropout": 0.0,
    "learning_rate": 0.01,
    "engine": "torch",
}


@pytest.fixture(scope="module")
def bars():
    """Returns that go on: there is something to learn, until they are exchanged."""
    return autoregression(3, 500, coefficient=0.9)


def train(bars, **settings) -> Permuted:
    """Train on the split by date."""
    settings = Settings(**{**SMALL, **settings})
    return train_permuted(bars, settings, split_by_date(bars, settings.window_spec))


@pytest.mark.parametrize(
    ("head", "mean"), [("student_t", "free"), ("point", "zero"), ("quantile", "shrunk")]
)
def test_nothing_is_foreseen(bars, head, mean):
    """Where a return tells the next one, one from another time does not."""
    found = train(bars, head=head, mean=mean, epochs=4)
    result = labels_shuffled(found, bars)

    assert result.passed is True
    assert "R2 against drift" in result.detail
    assert found.model.settings.mean == "free"
    forecast = found.forecast(
        bars, split_by_date(bars, found.model.settings.window_spec).test
    )
    assert forecast.horizon == 5


def test_a_network_that_reads_one_bar_late_is_caught(bars, monkeypatch):
    """The first close to come among its inputs is skill that cannot be."""
    honest = ResidentPanel.__init__

    def late(self, *arguments):
        honest(self, *arguments)
        self.back = self.back + 1

    monkeypatch.setattr(ResidentPanel, "__init__", late)
    result = labels_shuffled(train(bars, epochs=20, horizon=1), bars)

    assert result.passed is False


def test_its_training_is_short(bars):
    """Epochs fit into the budget, one seed, and it does not stop early."""
    settings = train(bars, epochs=1000, seeds=2, calibrate="conformal").model.settings

    assert settings.epochs * 900 <= BUDGET < (settings.epochs + 1) * 1100
    assert (settings.seeds, settings.calibrate) == (1, "none")
    assert not settings.early_stopping


def test_too_few_windows_are_said():
    """Without a network nothing was checked, and that is no pass."""
    bars = random_walk(1, 80)

    assert train(bars) is None
    assert labels_shuffled(None, bars).passed is None
