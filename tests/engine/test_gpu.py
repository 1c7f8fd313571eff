"""The torch engine on a GPU gives what it gives on a CPU; skipped where none is."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from closecast.engine.fleet import Member, OptimizerConfig  # noqa: E402
from closecast.engine.torch import TorchEngine  # noqa: E402
from closecast.errors import SettingError  # noqa: E402
from closecast.models.config import NetworkConfig, initial_weights  # noqa: E402
from closecast.testing import random_walk  # noqa: E402
from closecast.windows.index import cutoffs_with_targets  # noqa: E402
from closecast.windows.scaling import WindowData  # noqa: E402
from closecast.windows.spec import WindowSpec  # noqa: E402

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
]
SPEC = WindowSpec(context_length=6, horizon=3)
BARS = random_walk(2, 150)
DATA = WindowData.of(BARS, SPEC)
ROWS = cutoffs_with_targets(BARS, SPEC)


def network(head: str) -> NetworkConfig:
    """Make a small network without dropout, whose draws differ between devices."""
    return NetworkConfig(horizon=3, hidden_size=8, dropout=0.0, head=head)


@pytest.mark.parametrize("head", ["point", "student_t", "quantile"])
def test_training_follows_the_cpu(head):
    """The same losses, epoch by epoch, clipped and scheduled."""
    one = Member(
        name="one",
        network=network(head),
        optimizer=OptimizerConfig(
            batch_size=32, epochs=4, clip_norm=0.5, schedule="cosine"
        ),
        train=ROWS[:200],
        validation=ROWS[200:],
    )

    (there,) = TorchEngine("cuda").train(DATA, [one])
    (here,) = TorchEngine("cpu").train(DATA, [one])

    assert there.curve.train_loss == pytest.approx(here.curve.train_loss, rel=1e-3)
    assert there.curve.validation_loss == pytest.approx(
        here.curve.validation_loss, rel=1e-3
    )


def test_outputs_are_those_of_the_cpu():
    """Weights from one device forecast alike on the other."""
    config = network("student_t")
    weights = initial_weights(config, 0)

    there = TorchEngine("cuda").outputs(DATA, config, weights, ROWS)
    here = TorchEngine("cpu").outputs(DATA, config, weights, ROWS)

    assert np.allclose(there, here, rtol=0, atol=1e-4)


def test_a_training_larger_than_the_gpu_is_refused():
    """The memory that counts is the device's."""
    huge = Member(
        name="huge",
        network=NetworkConfig(horizon=3, hidden_size=4096, num_layers=64),
        optimizer=OptimizerConfig(),
        train=ROWS[:200],
        validation=ROWS[200:],
    )

    with pytest.raises(SettingError, match=r"needs \d+\.\d GB \(member huge"):
        TorchEngine("cuda").train(DATA, [huge])
