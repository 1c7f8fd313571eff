"""The torch engine: exact windows, real optimisers, one member like many."""

import math
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from closecast.engine.fleet import Member, OptimizerConfig, batches
from closecast.engine.torch import TorchEngine
from closecast.engine.torch import engine as torch_engine
from closecast.engine.torch.optimizers import build_optimizer
from closecast.engine.torch.panel import ResidentPanel
from closecast.errors import ClosecastWarning, SettingError, TrainingError
from closecast.models.config import NetworkConfig, initial_weights
from closecast.models.lstm import StackedLSTM, loss
from closecast.testing import random_walk
from closecast.windows.index import cutoffs_with_targets
from closecast.windows.scaling import WindowData
from closecast.windows.spec import WindowSpec

SPEC = WindowSpec(context_length=6, horizon=3)
BARS = random_walk(2, 150)
DATA = WindowData.of(BARS, SPEC)
ROWS = cutoffs_with_targets(BARS, SPEC)
NETWORK = NetworkConfig(horizon=3, hidden_size=8, dropout=0.3)
CONFIG = OptimizerConfig(batch_size=32, epochs=4, learning_rate=0.01)


def member(name="one", network=NETWORK, **settings):
    """A small member over the first 200 windows."""
    return Member(
        name=name,
        network=network,
        optimizer=replace(CONFIG, **settings),
        train=ROWS[:200],
        validation=ROWS[200:],
    )


def assert_same_bits(left, right):
    """Two trained members are the same, bit for bit."""
    assert left.curve == right.curve
    assert list(left.weights) == list(right.weights)
    for name, weight in left.weights.items():
        assert weight.tobytes() == right.weights[name].tobytes(), name


class TestWindows:
    def test_the_device_gathers_what_numpy_gathers(self):
        """Context, scale and target are those of ``closecast.windows``."""
        panel = ResidentPanel(DATA, torch.device("cpu"))
        rows = panel.rows(ROWS)
        context, scale, state = panel.inputs(rows)

        np.testing.assert_array_equal(context, DATA.context(ROWS).astype(np.float32))
        np.testing.assert_array_equal(scale, DATA.scale[ROWS].astype(np.float32))
        assert state.shape == (len(ROWS), 0)
        np.testing.assert_allclose(
            panel.targets(rows), DATA.target(ROWS) / DATA.unit(ROWS), rtol=1e-6
        )

    def test_an_unknown_volume_is_zero(self):
        """Before a symbol's first trade the volume column is 0, the prices are not."""
        logs = DATA.logs.copy()
        logs[:10, 4] = np.nan
        data = WindowData(SPEC, logs, DATA.scale, DATA.state)
        panel = ResidentPanel(data, torch.device("cpu"))

        context, _, _ = panel.inputs(panel.rows(ROWS[:3]))
        np.testing.assert_array_equal(context, data.context(ROWS[:3]).astype("f4"))
        assert (context[..., 4] == 0).all()
        assert (context[:, 0, 3] != 0).all()


def stepped(steps, decay=0.1, **settings):
    """A parameter after some steps with the gradient [0.5, -3]."""
    start, gradient = torch.tensor([1.0, -2.0]), torch.tensor([0.5, -3.0])
    parameter = torch.nn.Parameter(start.clone())
    optimizer = build_optimizer(
        iter([parameter]),
        OptimizerConfig(learning_rate=0.01, weight_decay=decay, **settings),
    )
    for _ in range(steps):
        parameter.grad = gradient.clone()
        optimizer.step()
    return parameter.detach().numpy(), start.numpy(), gradient.numpy()


class TestOptimisers:
    def test_sgd_is_plain_gradient_descent(self):
        """One step of SGD is p - lr (g + decay p), without momentum."""
        found, p, g = stepped(1, optimizer="sgd")

        np.testing.assert_allclose(found, p - 0.01 * (g + 0.1 * p), rtol=1e-6)

    def test_sgd_has_no_memory(self):
        """The second step knows nothing of the first, unless momentum is set."""
        found, p, g = stepped(2, decay=0.0, optimizer="sgd")
        heavy, _, _ = stepped(2, decay=0.0, optimizer="sgd", momentum=0.9)

        np.testing.assert_allclose(found, p - 0.02 * g, rtol=1e-6)
        np.testing.assert_allclose(heavy, p - 0.01 * (g + 1.9 * g), rtol=1e-6)

    def test_rmsprop_divides_by_the_root_mean_square(self):
        """One step is lr g / (sqrt(0.01 g^2) + eps)."""
        found, p, g = stepped(1, optimizer="rmsprop")
        g = g + 0.1 * p

        expected = p - 0.01 * g / (np.sqrt(0.01 * g**2) + 1e-8)
        np.testing.assert_allclose(found, expected, rtol=1e-6)

    @pytest.mark.parametrize(("name", "decoupled"), [("adam", 0.0), ("adamw", 1.0)])
    def test_adam_corrects_its_moments(self, name, decoupled):
        """Two steps of Adam; AdamW decays the weight beside the gradient."""
        found, p, gradient = stepped(2, optimizer=name)

        m, v = np.zeros(2), np.zeros(2)
        for step in (1, 2):
            g = gradient + (1 - decoupled) * 0.1 * p
            p = p * (1 - decoupled * 0.01 * 0.1)
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            m_hat, v_hat = m / (1 - 0.9**step), v / (1 - 0.999**step)
            p = p - 0.01 * m_hat / (np.sqrt(v_hat) + 1e-8)
        np.testing.assert_allclose(found, p, rtol=1e-5)

    def test_each_is_the_class_it_says(self):
        """The name of the setting is the name of the class."""
        for name, kind in [
            ("sgd", torch.optim.SGD),
            ("rmsprop", torch.optim.RMSprop),
            ("adam", torch.optim.Adam),
            ("adamw", torch.optim.AdamW),
        ]:
            parameter = torch.nn.Parameter(torch.zeros(1))
            made = build_optimizer(iter([parameter]), OptimizerConfig(optimizer=name))
            assert type(made) is kind

    def test_an_epoch_of_sgd_is_the_gradient_by_hand(self):
        """One batch, one epoch: first weights minus lr times autograd's gradient."""
        network = NetworkConfig(horizon=3, hidden_size=8, dropout=0.0)
        one = member(network=network, optimizer="sgd", epochs=1, batch_size=200, seed=5)
        (trained,) = TorchEngine().train(DATA, [one])

        first = initial_weights(network, 5)
        module = StackedLSTM(network)
        module.load_state_dict({n: torch.from_numpy(w) for n, w in first.items()})
        panel = ResidentPanel(DATA, torch.device("cpu"))
        rows = panel.rows(batches(one.train, 200, 5, 1)[0])
        loss("student_t", module(*panel.inputs(rows)), panel.targets(rows)).backward()
        for name, parameter in module.named_parameters():
            np.testing.assert_allclose(
                trained.weights[name],
                first[name] - 0.01 * parameter.grad.numpy(),
                atol=1e-6,
            )


class TestTraining:
    def test_a_fleet_of_three_equals_each_alone(self):
        """Seeds, shapes and heads side by side change no bit of a member."""
        members = [
            member("a"),
            member("b", seed=1, optimizer="rmsprop"),
            member("c", network=replace(NETWORK, head="point", num_layers=1)),
        ]
        engine = TorchEngine()

        for one, together in zip(members, engine.train(DATA, members), strict=True):
            (alone,) = engine.train(DATA, [one])
            assert_same_bits(alone, together)

    def test_the_seed_decides(self):
        """Same seed, same bytes, whatever torch drew before; another seed differs."""
        (first,) = TorchEngine().train(DATA, [member()])
        torch.rand(17)
        (again,) = TorchEngine().train(DATA, [member()])
        (other,) = TorchEngine().train(DATA, [member(seed=1)])

        assert_same_bits(first, again)
        assert first.curve != other.curve

    def test_torch_is_left_as_it_was_found(self):
        """The random state and the number of threads of the caller are kept."""
        threads, state = torch.get_num_threads(), torch.get_rng_state()
        TorchEngine(threads=3).train(DATA, [member(epochs=1)])

        assert torch.get_num_threads() == threads
        assert torch.equal(torch.get_rng_state(), state)

    def test_early_stopping_returns_the_best_epoch(self):
        """The weights are those of a run that ended at the best epoch."""
        wild = member(learning_rate=0.05, epochs=30, patience=2)
        (stopped,) = TorchEngine().train(DATA, [wild])
        curve = stopped.curve
        best = curve.best_epoch
        (short,) = TorchEngine().train(
            DATA, [member(learning_rate=0.05, epochs=best, early_stopping=False)]
        )

        assert curve.validation_loss[best - 1] == min(curve.validation_loss)
        assert len(curve.train_loss) == len(curve.validation_loss) == best + 2 < 30
        assert short.curve.train_loss == curve.train_loss[:best]
        for name, weight in short.weights.items():
            assert weight.tobytes() == stopped.weights[name].tobytes()

    def test_without_early_stopping_the_last_epoch_is_kept(self):
        """Every epoch is run, and the weights are those after the last."""
        config = {"learning_rate": 0.05, "epochs": 8, "early_stopping": False}
        (last,) = TorchEngine().train(DATA, [member(**config)])
        raw = TorchEngine().outputs(DATA, NETWORK, last.weights, ROWS[200:])
        z = torch.as_tensor(DATA.target(ROWS[200:]) / DATA.unit(ROWS[200:])).float()

        assert len(last.curve.train_loss) == 8
        assert last.curve.best_epoch < 8
        assert float(loss("student_t", torch.from_numpy(raw), z)) == pytest.approx(
            last.curve.validation_loss[-1], rel=1e-6
        )

    def test_a_draft_is_close_to_float32_and_not_the_same(self):
        """Steps are rounded to bfloat16; the last validation is that of the weights."""
        full, rough = TorchEngine().train(
            DATA,
            [
                member(precision=precision, early_stopping=False)
                for precision in ("float32", "bfloat16")
            ],
        )
        raw = TorchEngine().outputs(DATA, NETWORK, rough.weights, ROWS[200:])
        z = torch.as_tensor(DATA.target(ROWS[200:]) / DATA.unit(ROWS[200:])).float()

        assert rough.curve.train_loss != full.curve.train_loss
        assert rough.curve.train_loss == pytest.approx(full.curve.train_loss, rel=0.01)
        assert {weight.dtype for weight in rough.weights.values()} == {np.dtype("f4")}
        assert float(loss("student_t", torch.from_numpy(raw), z)) == pytest.approx(
            rough.curve.validation_loss[-1], rel=1e-6
        )

    def test_progress_is_told_after_each_epoch(self):
        """A report for each epoch of each member, with its losses."""
        seen = []
        members = [member("a", epochs=2), member("b", epochs=1)]
        trained = TorchEngine().train(DATA, members, seen.append)

        places = [(p.member, p.number, p.members, p.epoch, p.epochs) for p in seen]
        assert places == [("a", 1, 2, 1, 2), ("a", 1, 2, 2, 2), ("b", 2, 2, 1, 1)]
        assert seen[1].train_loss == trained[0].curve.train_loss[1]
        assert seen[2].validation_loss == trained[1].curve.validation_loss[0]
        assert all(one.elapsed_s > 0 for one in trained)

    def test_divergence_retires_the_member_alone(self):
        """It is named with its step and settings; the others train as if alone."""
        point = replace(NETWORK, head="point", batch_norm=False)
        wild = member("wild", network=point, optimizer="sgd", learning_rate=1000.0)

        lost, calm = TorchEngine().train(DATA, [wild, member()])

        assert isinstance(lost, TrainingError)
        assert re.search(
            r"member wild, epoch \d, step \d, optimizer=sgd, learning_rate=1000.*Lower",
            str(lost),
        )
        assert_same_bits(calm, TorchEngine().train(DATA, [member()])[0])

    def test_a_training_larger_than_the_memory_is_refused(self):
        """The message says what it would need, before any training."""
        huge = replace(NETWORK, hidden_size=4096, num_layers=64)

        with pytest.raises(SettingError, match=r"needs \d+\.\d GB \(member huge"):
            TorchEngine().train(DATA, [member("huge", huge)])

    def test_a_network_of_other_data_is_refused(self):
        """Nothing is trained when a member does not fit."""
        with pytest.raises(SettingError, match="Make both from the same settings"):
            TorchEngine().train(DATA, [member(network=NetworkConfig(horizon=4))])

    def test_a_learnable_series_is_learned(self):
        """A sine wave's next closes are fitted far below their own variance."""
        bars = random_walk(1, 150)
        wave = 100 * np.exp(0.1 * np.sin(np.arange(150) / 3))
        values = np.column_stack([wave, wave, wave, wave, np.ones(150)])
        data = WindowData.of(replace(bars, values=values), SPEC)
        rows = cutoffs_with_targets(bars, SPEC)
        network = NetworkConfig(horizon=3, hidden_size=16, dropout=0.0, head="point")
        one = Member(
            name="sine",
            network=network,
            optimizer=OptimizerConfig(learning_rate=0.02, batch_size=32, epochs=60),
            train=rows[20:],
            validation=rows[20:],
        )
        (trained,) = TorchEngine().train(data, [one])
        z = data.target(rows[20:]) / data.unit(rows[20:])

        assert min(trained.curve.validation_loss) < 0.02 * np.mean(z**2)


class TestOutputs:
    WEIGHTS = initial_weights(NETWORK, 0)

    def test_a_window_gives_the_same_bits_alone(self):
        """Alone, in any order and across the edge of a pass, a window is the same."""
        bars = random_walk(3, 150, seed=1)
        data, rows = WindowData.of(bars, SPEC), cutoffs_with_targets(bars, SPEC)
        engine = TorchEngine()
        every = engine.outputs(data, NETWORK, self.WEIGHTS, rows)
        back = engine.outputs(data, NETWORK, self.WEIGHTS, rows[::-1])

        assert every.shape == (len(rows), 3, 3)
        assert every.dtype == np.float32
        assert every.tobytes() == back[::-1].tobytes()
        for place in (0, 100, 255, 256, len(rows) - 1):
            alone = engine.outputs(data, NETWORK, self.WEIGHTS, rows[place : place + 1])
            assert alone[0].tobytes() == every[place].tobytes()

    def test_arrays_that_cannot_be_written_are_read(self):
        """Frozen prices, weights and reversed cutoffs train and run as others do."""
        logs, scale = DATA.logs.copy(), DATA.scale.copy()
        weights = {name: weight.copy() for name, weight in self.WEIGHTS.items()}
        for array in (logs, scale, *weights.values()):
            array.flags.writeable = False
        data, back = WindowData(SPEC, logs, scale, DATA.state), ROWS[:40][::-1]
        back.flags.writeable = False

        frozen = TorchEngine().outputs(data, NETWORK, weights, back)
        one = replace(member(epochs=1), train=back, validation=back)

        assert np.array_equal(
            frozen, TorchEngine().outputs(DATA, NETWORK, self.WEIGHTS, back)
        )
        assert_same_bits(
            *(TorchEngine().train(panel, [one])[0] for panel in (data, DATA))
        )

    def test_no_cutoff_gives_no_output(self):
        """An empty question has an empty answer of the right shape."""
        found = TorchEngine().outputs(DATA, NETWORK, self.WEIGHTS, ROWS[:0])

        assert found.shape == (0, 3, 3)

    def test_it_uses_the_running_statistics(self):
        """Another running mean gives other outputs: the batch's own is not used."""
        moved = {**self.WEIGHTS, "norm.running_mean": np.ones(8, np.float32)}
        base, other = (
            TorchEngine().outputs(DATA, NETWORK, weights, ROWS)
            for weights in (self.WEIGHTS, moved)
        )

        assert np.abs(base - other).max() > 1e-3
        assert math.isfinite(float(other.sum()))


class TestOnAGpu:
    """What a GPU is asked for, with a driver that only writes it down."""

    @pytest.fixture
    def engine(self, monkeypatch):
        """An engine that believes in a GPU."""
        made = TorchEngine()
        monkeypatch.setattr(made, "device", SimpleNamespace(type="cuda"))
        return made

    def test_the_memory_that_counts_is_the_devices(self, engine, monkeypatch):
        """And not the machine's."""
        device = SimpleNamespace(total_memory=12)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: device)

        assert engine._memory() == 12.0

    def test_a_gpu_without_triton_is_told(self, monkeypatch):
        """It works, and why it is slow is said."""
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        monkeypatch.setattr(torch_engine, "has_kernels", lambda _: False)

        with pytest.warns(ClosecastWarning, match="Expected Triton beside PyTorch"):
            assert TorchEngine("cuda").trains_together

    @pytest.mark.parametrize(("libc", "told"), [("glibc", True), ("", False)])
    def test_malloc_is_told_where_there_is_glibc(self, monkeypatch, libc, told):
        """Another C library has other words."""
        asked = []
        library = SimpleNamespace(mallopt=lambda *words: asked.append(words))
        monkeypatch.setattr(torch_engine.platform, "libc_ver", lambda: (libc, ""))
        monkeypatch.setattr(torch_engine.ctypes, "CDLL", lambda _: library)

        torch_engine._tune_malloc.__wrapped__()

        assert bool(asked) is told
