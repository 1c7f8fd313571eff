"""The torch engine on a GPU gives what it gives on a CPU; skipped where none is."""

import gc
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from closecast.engine.fleet import Checkpoints, Member, OptimizerConfig  # noqa: E402
from closecast.engine.torch import TorchEngine, batched, dropout  # noqa: E402
from closecast.engine.torch import network as torch_network  # noqa: E402
from closecast.engine.torch.graphs import Replays  # noqa: E402
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


def network(head: str = "point", dropout: float = 0.0) -> NetworkConfig:
    """Make a small network; draws of dropout differ between devices."""
    return NetworkConfig(horizon=3, hidden_size=8, dropout=dropout, head=head)


DRY = network()


def member(name: str = "one", network: NetworkConfig = DRY, **settings) -> Member:
    """Make a member whose epoch has six full batches and a shorter one."""
    config = OptimizerConfig(batch_size=32, epochs=4, clip_norm=0.5, schedule="cosine")
    return Member(
        name=name,
        network=network,
        optimizer=replace(config, **settings),
        train=ROWS[:200],
        validation=ROWS[200:],
    )


def assert_alike(left, right, rel=1e-4):
    """Two trainings had the same losses up to rounding."""
    assert left.curve.train_loss == pytest.approx(right.curve.train_loss, rel=rel)
    assert left.curve.validation_loss == pytest.approx(
        right.curve.validation_loss, rel=rel
    )


@pytest.mark.parametrize("head", ["point", "student_t", "quantile"])
def test_training_follows_the_cpu(head):
    """The same losses, epoch by epoch, clipped and scheduled."""
    one = member(network=network(head))

    (there,) = TorchEngine("cuda").train(DATA, [one])
    (here,) = TorchEngine("cpu").train(DATA, [one])

    assert_alike(there, here, rel=1e-3)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop"])
def test_kernels_and_graphs_change_nothing(monkeypatch, optimizer):
    """Replayed steps of our kernels are PyTorch's functions, one after the other."""
    fleet = [member(str(seed), seed=seed, optimizer=optimizer) for seed in range(3)]
    replayed = TorchEngine("cuda").train(DATA, fleet)
    for module in (batched, dropout, torch_network):
        monkeypatch.setattr(module, "has_kernels", lambda _: False)

    plain = TorchEngine("cuda").train(DATA, fleet)

    for one, other in zip(replayed, plain, strict=True):
        assert_alike(one, other)


def test_dropout_is_a_members_own():
    """It is drawn anew at every step, from the seed, whoever is trained beside it."""
    wet = network(dropout=0.4)
    fleet = [member(str(seed), wet, seed=seed) for seed in range(3)]

    together = TorchEngine("cuda").train(DATA, fleet)
    again = TorchEngine("cuda").train(DATA, fleet)
    (alone,) = TorchEngine("cuda").train(DATA, [fleet[2]])
    (dry,) = TorchEngine("cuda").train(DATA, [member("2", seed=2)])

    assert_alike(together[2], alone)
    for one, other in zip(together, again, strict=True):
        assert_alike(one, other, rel=1e-6)
    assert alone.curve.train_loss[0] != pytest.approx(dry.curve.train_loss[0], rel=1e-3)


def test_a_draft_is_close_to_float32_and_not_the_same():
    """Products multiply bfloat16."""
    full, rough = TorchEngine("cuda").train(
        DATA, [member(precision=one) for one in ("float32", "bfloat16")]
    )

    assert rough.curve.train_loss != full.curve.train_loss
    assert_alike(rough, full, rel=0.02)


def test_it_goes_on_from_a_checkpoint():
    """Members that rested after two epochs end as those that never did."""
    wet = network(dropout=0.4)
    fleet = [member(str(seed), wet, seed=seed) for seed in range(3)]
    states = {}
    rest = Checkpoints(until=2, keep=lambda name, state: states.update({name: state}))
    engine = TorchEngine("cuda")

    engine.train(DATA, fleet, checkpoints=rest)
    resumed = engine.train(DATA, fleet, checkpoints=Checkpoints(saved=states))

    for one, whole in zip(resumed, engine.train(DATA, fleet), strict=True):
        assert_alike(one, whole, rel=1e-6)


def test_windows_shuffled_by_blocks_are_trained(monkeypatch):
    """A member of more than a pool is a program by itself, pool after pool."""
    monkeypatch.setattr("closecast.engine.shuffle.POOL", 2**7)
    monkeypatch.setattr("closecast.engine.torch.engine.POOL", 2**7)
    fleet = [member(str(seed), seed=seed) for seed in range(2)]

    there = TorchEngine("cuda").train(DATA, fleet)

    for one, here in zip(there, TorchEngine("cpu").train(DATA, fleet), strict=True):
        assert_alike(one, here, rel=1e-3)


@pytest.fixture
def by_hand():
    """Python looks for garbage only when told to."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("by_hand")
def test_memory_is_given_back_at_once():
    """A training that is over holds nothing until Python looks for rings."""
    engine = TorchEngine("cuda")
    engine.train(DATA, [member()])  # libraries keep what they need for themselves
    before = torch.cuda.memory_allocated()

    engine.train(DATA, [member()])

    assert torch.cuda.memory_allocated() == before


@pytest.mark.usefixtures("by_hand")
def test_garbage_is_not_freed_amid_a_graph():
    """An older graph, let go of while a new one is made, waits until it is made."""

    def ring():
        replays = Replays()
        for _ in range(4):
            replays.run(torch.neg, torch.zeros(1, device="cuda"))
        held = [replays]
        held.append(held)
        return held

    rings, replays = [], Replays()

    def step(one):
        rings.clear()
        return one + len([[] for _ in range(20_000)])  # Python looks for garbage now

    for value in range(5):
        if value == 3:
            rings.append(ring())
            gc.enable()
        found = replays.run(step, torch.full((1,), float(value), device="cuda"))
        assert found.item() == 20_000 + value


def test_outputs_are_those_of_the_cpu():
    """Weights from one device forecast alike on the other, to float32."""
    config = network("student_t")
    weights = initial_weights(config, 0)

    there = TorchEngine("cuda").outputs(DATA, config, weights, ROWS)
    here = TorchEngine("cpu").outputs(DATA, config, weights, ROWS)

    assert np.allclose(there, here, rtol=0, atol=1e-6)


def test_a_window_gives_the_same_bits_alone():
    """Whatever it is asked for beside."""
    config = network("student_t")
    run = TorchEngine("cuda").prepare(DATA, config, initial_weights(config, 0))

    every = run(ROWS)

    for place in (0, 100, len(ROWS) - 1):
        assert run(ROWS[place : place + 1]).tobytes() == every[place].tobytes()


def test_a_training_larger_than_the_gpu_is_refused():
    """The memory that counts is the device's."""
    huge = member("huge", NetworkConfig(horizon=3, hidden_size=4096, num_layers=64))

    with pytest.raises(SettingError, match=r"needs \d+\.\d GB \(member huge"):
        TorchEngine("cuda").train(DATA, [huge])
