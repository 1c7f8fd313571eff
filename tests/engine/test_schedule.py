"""The learning rate of a step depends on the step alone, and is torch's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from closecast.engine.fleet import OptimizerConfig
from closecast.engine.schedule import SCHEDULES, epoch_rates

EPOCHS, STEPS, RATE = 5, 8, 0.3


def rates(schedule, warmup=0.0, epochs=EPOCHS, steps=STEPS):
    """Give the rates of a whole training."""
    return np.concatenate(
        [
            epoch_rates(schedule, RATE, warmup, epoch, epochs, steps)
            for epoch in range(1, epochs + 1)
        ]
    )


def torch_rates(make):
    """Give the rates of torch's own scheduler."""
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=RATE)
    scheduler = make(torch.optim.lr_scheduler, optimizer)
    found = []
    for _ in range(EPOCHS * STEPS):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_cosine_is_torchs():
    """From the full rate towards 0 at the end of the training."""
    expected = torch_rates(lambda of, sgd: of.CosineAnnealingLR(sgd, EPOCHS * STEPS))

    assert rates("cosine") == pytest.approx(expected, rel=1e-9)


def test_one_cycle_is_torchs():
    """Up for three tenths of the training, then down to almost nothing."""
    expected = torch_rates(
        lambda of, sgd: of.OneCycleLR(
            sgd, RATE, total_steps=EPOCHS * STEPS, cycle_momentum=False
        )
    )

    assert rates("one_cycle") == pytest.approx(expected, rel=1e-9)


def test_step_is_torchs():
    """A tenth after half of the training, a hundredth after three quarters."""
    expected = torch_rates(lambda of, sgd: of.MultiStepLR(sgd, [20, 30]))

    assert rates("step") == pytest.approx(expected, rel=1e-9)


def test_constant_is_the_default():
    """Without a word every step is of one size."""
    assert set(OptimizerConfig(learning_rate=RATE).rates(3, STEPS)) == {RATE}


@pytest.mark.parametrize("schedule", ["constant", "cosine", "step"])
def test_a_warmup_rises_evenly_and_leaves_the_rest(schedule):
    """The first steps rise to the rate; the schedule has the others to itself."""
    found = rates(schedule, warmup=0.25)

    assert np.diff(found[:11]) == pytest.approx(np.full(10, RATE / 11))
    assert found[10] == pytest.approx(RATE)
    assert found[10:] == pytest.approx(rates(schedule, epochs=1, steps=30))


@given(
    schedule=st.sampled_from(SCHEDULES),
    warmup=st.floats(0, 0.99),
    epochs=st.integers(1, 30),
    steps=st.integers(1, 30),
)
def test_every_step_has_a_rate(schedule, warmup, epochs, steps):
    """However short a training, no rate is negative or above the given one."""
    found = rates(schedule, 0.0 if schedule == "one_cycle" else warmup, epochs, steps)

    assert len(found) == epochs * steps
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert found.max() <= RATE * (1 + 1e-12)
