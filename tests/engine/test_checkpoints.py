"""A training that goes on from a state ends with the bits of one never stopped."""

import math
from dataclasses import replace

import numpy as np
import pytest

from closecast.engine import choose_engine
from closecast.engine.fleet import Checkpoints, Member, OptimizerConfig, TrainingState
from closecast.engine.native import is_built
from closecast.errors import TrainingError
from closecast.models.config import NetworkConfig
from closecast.testing import random_walk
from closecast.windows.index import cutoffs_with_targets
from closecast.windows.scaling import WindowData
from closecast.windows.spec import WindowSpec

SPEC = WindowSpec(context_length=6, horizon=3)
BARS = random_walk(2, 150)
DATA = WindowData.of(BARS, SPEC)
ROWS = cutoffs_with_targets(BARS, SPEC)
NETWORK = NetworkConfig(horizon=3, hidden_size=9, dropout=0.3)
EPOCHS = 5
CONFIG = OptimizerConfig(batch_size=32, epochs=EPOCHS, learning_rate=0.01, patience=99)

TRAININGS = {
    "adam": {},
    "adamw, decay, clipped": {
        "optimizer": "adamw", "weight_decay": 0.1, "clip_norm": 0.5,
    },
    "rmsprop, cosine": {"optimizer": "rmsprop", "schedule": "cosine", "warmup": 0.2},
    "sgd, momentum, one cycle": {
        "optimizer": "sgd", "momentum": 0.9, "schedule": "one_cycle",
    },
    "last weights": {"early_stopping": False, "schedule": "step"},
    "stops early": {"learning_rate": 0.2, "patience": 1},
}  # fmt: skip
NETWORKS = {
    "normalised": NETWORK,
    "plain": replace(NETWORK, batch_norm=False, dropout=0.0, num_layers=1),
    "quantiles": replace(NETWORK, head="quantile", num_layers=3),
}


@pytest.fixture(params=["native", "torch"])
def engine(request):
    """Each engine."""
    if request.param == "native" and not is_built():
        pytest.skip("The native engine was not built here.")
    return choose_engine(request.param)


def member(name="one", network=NETWORK, **settings):
    """A small member."""
    return Member(
        name=name,
        network=network,
        optimizer=replace(CONFIG, **settings),
        train=ROWS[:200],
        validation=ROWS[200:],
    )


def watched(engine, members):
    """Train to the end and keep every state on the way."""
    states: dict[str, list[TrainingState]] = {one.name: [] for one in members}
    checkpoints = Checkpoints(keep=lambda name, state: states[name].append(state))
    return engine.train(DATA, members, None, checkpoints), states


def assert_same_bits(left, right):
    """Two trained members are the same, bit for bit."""
    assert left.curve == right.curve
    for name, weight in left.weights.items():
        assert weight.tobytes() == right.weights[name].tobytes(), name


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("training", TRAININGS)
def test_from_every_epoch_it_ends_with_the_same_bits(engine, training, network):
    """Weights, moments, dropout, schedule, best weights and losses, of each epoch."""
    one = member(network=NETWORKS[network], **TRAININGS[training])
    (plain,) = engine.train(DATA, [one])

    (whole,), states = watched(engine, [one])

    assert_same_bits(whole, plain)  # to be watched changes nothing
    assert len(states["one"]) == len(plain.curve.train_loss)
    for state in states["one"]:
        going_on = Checkpoints(saved={"one": state})
        (resumed,) = engine.train(DATA, [one], None, going_on)
        assert_same_bits(resumed, plain)


def test_states_are_kept_as_often_as_asked(engine):
    """Within a minute only the last one."""
    kept = []
    seldom = Checkpoints(keep=lambda _, state: kept.append(state.epochs), every_s=60.0)

    engine.train(DATA, [member()], None, seldom)

    assert kept == [EPOCHS]


def test_a_training_that_stopped_early_stays_stopped(engine):
    """Its last state is over, though epochs are left."""
    one = member(learning_rate=0.2, patience=1)
    (whole,), states = watched(engine, [one])
    assert len(whole.curve.train_loss) < EPOCHS
    assert states["one"][-1].is_over(one.optimizer)
    seen = []

    (again,) = engine.train(
        DATA, [one], seen.append, Checkpoints(saved={"one": states["one"][-1]})
    )

    assert seen == []
    assert_same_bits(again, whole)


def test_all_rest_at_a_rung_and_some_go_on(engine):
    """What rests has the curve so far; a survivor goes on as if it never had rested."""
    members = [member("a"), member("b", seed=1), member("c", seed=2)]
    whole = engine.train(DATA, members)
    states = {}
    rung = Checkpoints(keep=states.__setitem__, until=2)

    resting = engine.train(DATA, members, None, rung)

    for one, full in zip(resting, whole, strict=True):
        assert one.curve.train_loss == full.curve.train_loss[:2]
    (survivor,) = engine.train(DATA, [members[1]], None, Checkpoints(saved=states))
    assert_same_bits(survivor, whole[1])


def test_a_member_that_diverges_diverges_again(engine):
    """At the same step with the same words, from any state before."""
    growing = {"optimizer": "sgd", "learning_rate": 1.0, "weight_decay": 10.0}
    lost = member("lost", network=NETWORKS["plain"], epochs=30, **growing)
    (error,), states = watched(engine, [lost])
    assert isinstance(error, TrainingError)
    assert states["lost"]

    saved = {"lost": states["lost"][-1]}
    again, calm = engine.train(DATA, [lost, member()], None, Checkpoints(saved=saved))

    assert str(again) == str(error)
    assert_same_bits(calm, engine.train(DATA, [member()])[0])


def test_a_state_of_another_engine_is_left_alone(engine):
    """It cannot be gone on from, so the member begins anew."""
    one = member()
    (whole,), states = watched(engine, [one])
    foreign = replace(states["one"][2], engine="abacus", train_loss=(math.pi,) * 3)

    (anew,) = engine.train(DATA, [one], None, Checkpoints(saved={"one": foreign}))

    assert_same_bits(anew, whole)


def test_states_are_copies(engine):
    """A training that goes on does not change what was kept."""
    (_,), states = watched(engine, [member()])
    first = states["one"][0]
    weights = [array for name, array in first.trainee.items() if "weight" in name]
    last = [
        states["one"][-1].trainee[name] for name in first.trainee if "weight" in name
    ]

    assert any(not np.array_equal(a, b) for a, b in zip(weights, last, strict=True))
