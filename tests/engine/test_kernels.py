"""Kernels of a GPU compute what PyTorch does; interpreted where there is no GPU."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("triton")

from closecast.engine.fleet import Member, OptimizerConfig  # noqa: E402
from closecast.engine.torch import (  # noqa: E402
    TorchEngine,
    batched,
    dropout,
    graphs,
    kernels,
    single,
)
from closecast.engine.torch import network as torch_network  # noqa: E402
from closecast.models.config import NetworkConfig, initial_weights  # noqa: E402
from closecast.testing import random_walk  # noqa: E402
from closecast.windows.index import cutoffs_with_targets  # noqa: E402
from closecast.windows.scaling import WindowData  # noqa: E402
from closecast.windows.spec import WindowSpec  # noqa: E402

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.mark.parametrize(
    ("steps", "features", "units"), [(3, 5, 50), (3, 64, 7), (1, 5, 3)]
)
def test_a_layer_is_torchs(steps, features, units):
    """Outputs and every gradient of two members, against an LSTM in float64."""
    draw = torch.Generator().manual_seed(0)
    shapes = [
        (2, steps, 33, features), (2, 4 * units, features), (2, 4 * units, units),
        (2, 4 * units),
    ]  # fmt: skip
    arrays = [torch.randn(*shape, generator=draw) / 2 for shape in shapes]
    there = [one.to(DEVICE).requires_grad_() for one in arrays]
    outputs = kernels.run_layer(*there)
    weight = torch.randn(outputs.shape, generator=draw)

    found = torch.autograd.grad(outputs, there, weight.to(DEVICE))

    for place in range(2):
        lstm = torch.nn.LSTM(features, units).double()
        inputs, *weights = (one[place].detach().double() for one in arrays)
        zeros = torch.zeros(4 * units, dtype=torch.float64)
        names = lstm.state_dict()
        lstm.load_state_dict(dict(zip(names, [*weights, zeros], strict=True)))
        inputs.requires_grad_()
        expected = lstm(inputs)[0]
        expected.backward(weight[place].double())
        gradients = [inputs.grad, *(p.grad for p in lstm.parameters())][:4]
        for got, value in zip([outputs, *found], [expected, *gradients], strict=True):
            gap = got[place].double().cpu() - value
            assert gap.norm() <= 1e-6 * value.norm()


def test_inputs_that_need_no_gradient_get_none():
    """The first layer reads prices; its weights' gradients do not depend on that."""
    draw = torch.Generator().manual_seed(1)
    shapes = [(1, 2, 5, 3), (1, 8, 3), (1, 8, 2), (1, 8)]
    inputs, *weights = (
        torch.randn(*shape, generator=draw).to(DEVICE) for shape in shapes
    )
    for one in weights:
        one.requires_grad_()
    without = torch.autograd.grad(kernels.run_layer(inputs, *weights).sum(), weights)
    inputs.requires_grad_()

    _, *found = torch.autograd.grad(
        kernels.run_layer(inputs, *weights).sum(), [inputs, *weights]
    )

    for left, right in zip(without, found, strict=True):
        torch.testing.assert_close(left, right)


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """The path of a GPU by interpreted kernels; no step becomes a graph."""
    for module in (batched, dropout, single, torch_network):
        monkeypatch.setattr(module, "has_kernels", lambda _: True)
    monkeypatch.setattr(graphs, "_BEFORE", 10**9)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_training_by_kernels_is_one_without(share, request):
    """Losses and forecasts; what dropout drops is drawn by other means."""
    bars = random_walk(1, 60)
    data = WindowData.of(bars, WindowSpec(context_length=3, horizon=2))
    rows = cutoffs_with_targets(bars, data.spec)
    config = NetworkConfig(horizon=2, hidden_size=4, dropout=share)
    one = Member(
        name="one", network=config, train=rows[:30], validation=rows[30:],
        optimizer=OptimizerConfig(batch_size=16, epochs=1),
    )  # fmt: skip
    weights = initial_weights(config, 0)
    engine = TorchEngine(batched=True)
    (plain,) = engine.train(data, [one])
    outputs = engine.outputs(data, config, weights, rows)
    request.getfixturevalue("as_on_a_gpu")

    (trained,) = engine.train(data, [one])

    gap = np.abs(np.subtract(trained.curve.train_loss, plain.curve.train_loss))
    assert np.isfinite(trained.curve.train_loss).all()
    assert bool(gap.max() < 1e-5) is (share == 0)
    np.testing.assert_allclose(
        engine.outputs(data, config, weights, rows), outputs, rtol=0, atol=1e-6
    )


def test_masks_keep_their_share_and_never_repeat():
    """Members, steps and layers draw apart from each other, and the same again."""
    seeds = torch.tensor([0, 0, 7, 2**32 - 1], device=DEVICE)
    steps = torch.tensor([[0.0], [1.0], [1.0], [2.0]], device=DEVICE)

    def drawn(layer):
        return kernels.draw_mask((1001, 3, 5), 0.7, seeds, steps, layer)

    masks = torch.cat([drawn(0), drawn(1)])

    assert set(masks.unique().tolist()) == {0.0, float(np.float32(1 / 0.7))}
    kept = (masks > 0).double().flatten(1)
    assert (kept.mean(1) - 0.7).abs().max() < 0.02
    assert (torch.corrcoef(kept) - torch.eye(8, device=DEVICE)).abs().max() < 0.04
    assert torch.equal(drawn(1), masks[4:])


def test_masks_are_philox():
    """The bits are those of the paper's generator, written down here once more."""
    seed, step, layer = 2**31 + 5, 3, 1

    mask = kernels.draw_mask(
        (8,), 0.5, torch.tensor([seed], device=DEVICE),
        torch.tensor([[float(step)]], device=DEVICE), layer,
    )  # fmt: skip

    bits = [bit for block in (0, 1) for bit in philox([block, layer, 0, 0], step, seed)]
    assert (mask[0] > 0).tolist() == [bit < 2**31 for bit in bits]


def philox(counter, low, high):
    """Ten rounds of Philox4x32: Salmon et al. (2011), doi:10.1145/2063384.2063405."""
    a, b, c, d = counter
    for _ in range(10):
        left, right = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = (
            (right >> 32) ^ b ^ low,
            right % 2**32,
            (left >> 32) ^ d ^ high,
            left % 2**32,
        )
        low, high = (low + 0x9E3779B9) % 2**32, (high + 0xBB67AE85) % 2**32
    return a, b, c, d
