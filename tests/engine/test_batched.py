"""Members trained as one program become what each becomes by itself."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from closecast.engine.fleet import Checkpoints, Member, OptimizerConfig
from closecast.engine.memory import MOST_MEMBERS, count_that_fit
from closecast.engine.torch import TorchEngine
from closecast.engine.torch import engine as torch_engine
from closecast.engine.torch.batched import alike
from closecast.engine.torch.network import run_members
from closecast.engine.torch.optimizers import build_optimizer, step_members
from closecast.errors import TrainingError
from closecast.models.config import NetworkConfig, initial_weights
from closecast.models.heads import LOSSES_OF_HEAD
from closecast.models.lstm import StackedLSTM
from closecast.testing import random_walk
from closecast.windows.index import cutoffs_with_targets
from closecast.windows.scaling import WindowData
from closecast.windows.spec import WindowSpec

SPEC = WindowSpec(context_length=6, horizon=3)
BARS = random_walk(2, 150)
DATA = WindowData.of(BARS, SPEC)
ROWS = cutoffs_with_targets(BARS, SPEC)
NETWORK = NetworkConfig(horizon=3, hidden_size=8, dropout=0.0)
CONFIG = OptimizerConfig(batch_size=32, epochs=4, learning_rate=0.01)
ENGINE = TorchEngine("cuda" if torch.cuda.is_available() else "cpu", batched=True)


def member(name="one", network=NETWORK, first=0, **settings):
    """A small member over 200 windows; 200 leave a last batch of 8."""
    return Member(
        name=name,
        network=network,
        optimizer=replace(CONFIG, **settings),
        train=ROWS[first : first + 200],
        validation=ROWS[220:],
    )


def assert_alike(left, right, rel=1e-4):
    """Two trained members are the same up to rounding."""
    assert left.curve.best_epoch == right.curve.best_epoch
    assert left.curve.train_loss == pytest.approx(right.curve.train_loss, rel=rel)
    assert left.curve.validation_loss == pytest.approx(
        right.curve.validation_loss, rel=rel
    )
    assert list(left.weights) == list(right.weights)
    for name, weight in left.weights.items():
        np.testing.assert_allclose(weight, right.weights[name], rtol=1e-2, atol=1e-3)


class TestNetwork:
    @pytest.mark.parametrize("batch_norm", [True, False])
    def test_each_member_is_its_own_network(self, batch_norm):
        """Outputs and running statistics are those of the modules, one by one."""
        config = replace(NETWORK, batch_norm=batch_norm, state_size=2, num_layers=3)
        draw = torch.Generator().manual_seed(0)
        context = 0.01 * torch.randn(2, 16, 6, 5, generator=draw)
        scale = torch.rand(2, 16, generator=draw) + 0.01
        state = torch.randn(2, 16, 2, generator=draw)
        modules = [StackedLSTM(config) for _ in range(2)]
        names = list(initial_weights(config, 0))
        weights = {
            name: torch.stack([m.state_dict()[name].clone() for m in modules])
            for name in names
        }
        kept = [torch.ones(2, 6, 16, 8)] * 2 + [torch.ones(2, 16, 8)]

        for masks in (kept, None):
            found = run_members(config, weights, context, scale, state, masks)
            for place, module in enumerate(modules):
                module.train(masks is not None)
                expected = module(context[place], scale[place], state[place])
                torch.testing.assert_close(found[place], expected)
        for name in names:
            expected = torch.stack([m.state_dict()[name] for m in modules])
            torch.testing.assert_close(weights[name], expected)


class TestSteps:
    @pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop"])
    def test_twenty_steps_are_those_of_torch(self, optimizer):
        """Each member has its own rate, decay, momentum and clipping."""
        sgd = optimizer == "sgd"
        settings = [
            OptimizerConfig(
                optimizer=optimizer, learning_rate=rate, weight_decay=decay,
                clip_norm=clip, momentum=0.9 * sgd * (clip > 0),
            )
            for rate, decay, clip in [(0.01, 0.1, 0.0), (0.003, 0.0, 0.5)]
        ]  # fmt: skip
        draw = torch.Generator().manual_seed(1)
        start = torch.randn(2, 7, generator=draw)
        gradients = torch.randn(20, 2, 7, generator=draw)
        rows = {
            "weights": start.clone(),
            "first": torch.zeros(2, 7),
            "second": torch.zeros(2, 7),
            "steps": torch.zeros(2, 1),
            "decay": torch.tensor([[one.weight_decay] for one in settings]),
            "momentum": torch.tensor([[one.momentum] for one in settings]),
            "clip": torch.tensor([[one.clip_norm or torch.inf] for one in settings]),
        }
        rate = torch.tensor([[one.learning_rate] for one in settings])
        for gradient in gradients:
            step_members(optimizer, rows, gradient.clone(), rate)

        for place, config in enumerate(settings):
            weight = torch.nn.Parameter(start[place].clone())
            alone = build_optimizer(iter([weight]), config)
            for gradient in gradients[:, place]:
                weight.grad = gradient.clone()
                if config.clip_norm:
                    torch.nn.utils.clip_grad_norm_([weight], config.clip_norm)
                alone.step()
            torch.testing.assert_close(rows["weights"][place], weight.detach())


class TestTraining:
    @pytest.mark.parametrize(
        ("head", "loss"),
        [(head, loss) for head, some in LOSSES_OF_HEAD.items() for loss in some],
    )
    def test_a_fleet_follows_the_members_alone(self, head, loss):
        """Other seeds, rates and schedules side by side, whatever the head."""
        network = replace(NETWORK, head=head)
        members = [
            member("a", network, loss=loss),
            member("b", network, loss=loss, seed=1, learning_rate=0.003),
            member("c", network, first=20, loss=loss, clip_norm=0.1, schedule="cosine"),
        ]

        together = ENGINE.train(DATA, members)

        for one, alone in zip(
            together, TorchEngine().train(DATA, members), strict=True
        ):
            assert_alike(one, alone)

    @pytest.mark.parametrize("loss", ["nll", "crps"])
    def test_a_centred_loss_follows_too(self, loss):
        """The location is held at 0, and what comes of it is something else."""
        one = member(loss=loss, centred=True)

        (found,) = ENGINE.train(DATA, [one])

        assert_alike(found, TorchEngine().train(DATA, [one])[0])
        (free,) = ENGINE.train(DATA, [member(loss=loss)])
        assert free.curve.train_loss != pytest.approx(found.curve.train_loss, rel=1e-3)

    @pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop"])
    def test_every_optimiser_follows_torch(self, optimizer):
        """With weight decay, over four epochs."""
        one = member(optimizer=optimizer, weight_decay=0.01, learning_rate=0.003)

        (found,) = ENGINE.train(DATA, [one])

        assert_alike(found, TorchEngine().train(DATA, [one])[0])

    def test_a_member_does_not_depend_on_the_others(self):
        """Dropout is drawn from its own seed; neighbours change the rounding only."""
        network = replace(NETWORK, dropout=0.4)
        members = [member(str(seed), network, seed=seed) for seed in range(5)]

        together = ENGINE.train(DATA, members)
        (alone,) = ENGINE.train(DATA, [members[3]])
        (dry,) = ENGINE.train(DATA, [member("3", NETWORK, seed=3)])

        assert_alike(together[3], alone)
        assert alone.curve.train_loss[0] != pytest.approx(dry.curve.train_loss[0], 1e-3)

    def test_who_stops_early_leaves_the_others_alone(self):
        """Members end at epochs of their own, with the weights of their best."""
        members = [
            member("short", epochs=1),
            member("wild", learning_rate=0.05, epochs=12, patience=1),
            member("long", epochs=6, early_stopping=False),
        ]

        together = ENGINE.train(DATA, members)

        lengths = [len(one.curve.train_loss) for one in together]
        assert lengths[0] == 1
        assert lengths[2] == 6
        assert 1 < lengths[1] < 12
        for one, alone in zip(
            together, TorchEngine().train(DATA, members), strict=True
        ):
            assert_alike(one, alone)

    def test_divergence_retires_the_member_alone(self):
        """It is named with its step; the other goes on as if it had not been there."""
        point = replace(NETWORK, head="point", batch_norm=False)
        wild = member("wild", point, optimizer="sgd", learning_rate=1000.0)
        calm = member("calm", point, optimizer="sgd")

        lost, kept = ENGINE.train(DATA, [wild, calm])

        assert isinstance(lost, TrainingError)
        assert "member wild, epoch" in str(lost)
        assert_alike(kept, TorchEngine().train(DATA, [calm])[0])

    def test_a_draft_is_close_to_float32_and_not_the_same(self):
        """Steps are rounded to bfloat16."""
        full, rough = ENGINE.train(
            DATA, [member(precision=one) for one in ("float32", "bfloat16")]
        )

        assert rough.curve.train_loss != full.curve.train_loss
        assert rough.curve.train_loss == pytest.approx(full.curve.train_loss, rel=0.01)

    def test_it_goes_on_from_a_checkpoint(self):
        """A member that rested after two epochs ends as one that never did."""
        network = replace(NETWORK, dropout=0.4)
        members = [member(str(seed), network, seed=seed) for seed in range(3)]
        states = {}
        rest = Checkpoints(
            until=2, keep=lambda name, state: states.update({name: state})
        )

        ENGINE.train(DATA, members, checkpoints=rest)
        again = ENGINE.train(DATA, members, checkpoints=Checkpoints(saved=states))

        assert all(state.epochs == 2 for state in states.values())
        for one, whole in zip(again, ENGINE.train(DATA, members), strict=True):
            assert_alike(one, whole, rel=1e-6)

    def test_progress_is_told_of_every_member(self):
        """Epoch by epoch, side by side."""
        seen = []

        ENGINE.train(DATA, [member("a", epochs=2), member("b", epochs=2)], seen.append)

        assert [(p.member, p.epoch) for p in seen] == [
            ("a", 1), ("b", 1), ("a", 2), ("b", 2),
        ]  # fmt: skip


class TestGroups:
    def test_only_what_is_alike_is_one_program(self):
        """Shapes, kinds of step and counts of windows part; seeds and rates do not."""
        members = [
            member(),
            member(seed=3, learning_rate=0.1, weight_decay=0.1, epochs=9),
            member(optimizer="sgd"),
            member(batch_size=16),
            member(centred=True),
            member(network=replace(NETWORK, num_layers=1)),
            replace(member(), train=ROWS[:100]),
            member(first=10),
        ]

        assert alike(members) == [[0, 1, 7], [2], [3], [4], [5], [6]]

    def test_a_program_fits_the_memory(self):
        """As many as a quarter of it holds, one at least, and never too many."""
        one = member()

        assert count_that_fit(6, one, 1e12) == MOST_MEMBERS
        assert 1 < count_that_fit(6, one, 3e6) < MOST_MEMBERS
        assert count_that_fit(6, one, 1.0) == 1

    def test_the_memory_that_counts_is_the_devices(self, monkeypatch):
        """A GPU's own; what a CPU has is asked of the system."""
        properties = SimpleNamespace(total_memory=80 * 10**9)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: properties)
        engine = TorchEngine()
        assert engine._memory() is None

        engine.device = torch.device("cuda")

        assert engine._memory() == 80e9

    def test_who_is_shuffled_by_blocks_is_a_program_alone(self, monkeypatch):
        """Members of one order a pool would not step in step."""
        members, panel = [member("a"), member("b")], SimpleNamespace(context_length=6)
        assert ENGINE._programs(panel, members) == [[0, 1]]

        monkeypatch.setattr(torch_engine, "POOL", 199)

        assert ENGINE._programs(panel, members) == [[0], [1]]

    def test_programs_give_outcomes_in_the_order_asked(self):
        """Groups are trained one after the other; the outcomes keep their places."""
        members = [
            member("a", epochs=1),
            member("b", epochs=1, batch_size=16),
            member("c", epochs=1, seed=1),
        ]

        trained = ENGINE.train(DATA, members)

        assert [one.member.name for one in trained] == ["a", "b", "c"]
