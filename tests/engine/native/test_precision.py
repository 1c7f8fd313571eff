"""Drafts in bfloat16: what is rounded, what is not, and what that costs."""

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from closecast.engine.fleet import Member, OptimizerConfig  # noqa: E402
from closecast.engine.native import NativeEngine, supported  # noqa: E402
from closecast.engine.torch import TorchEngine  # noqa: E402
from closecast.errors import SettingError, TrainingError  # noqa: E402
from closecast.models.config import NetworkConfig  # noqa: E402
from closecast.models.lstm import StackedLSTM, loss  # noqa: E402

DRAFTS = "avx512bf16"
NO_BFLOAT16 = "this processor has no kernels with bfloat16"
ROUNDING = 2.0**-8
"""Greatest relative error of a product: bfloat16 has 8 significant bits."""

PLAIN = {"batch_norm": False}

needs_drafts = pytest.mark.skipif(DRAFTS not in supported(), reason=NO_BFLOAT16)


def rounded(x):
    """Round to bfloat16; gradients pass as they are."""
    return x + (x.detach().bfloat16().to(x.dtype) - x.detach())


def layer_outputs(x, weights, steps):
    """Run a layer whose products multiply rounded numbers, forward and back."""
    into, again, *biases = weights
    hidden = cell = torch.zeros(len(x), again.shape[1], dtype=x.dtype)
    outputs = []
    for t in range(steps):
        gates = rounded(x[:, t]) @ rounded(into).T + sum(biases)
        gates = gates + rounded(hidden) @ rounded(again).T
        gates.register_hook(lambda g: g.bfloat16().to(g.dtype))
        i, f, g, o = gates.chunk(4, dim=1)
        cell = i.sigmoid() * g.tanh() + f.sigmoid() * cell
        hidden = o.sigmoid() * cell.tanh()
        outputs.append(hidden)
    return torch.stack(outputs, dim=1)


def rounded_gradient(case):
    """Give loss and gradient in double precision, rounded where a draft rounds."""
    network = StackedLSTM(case.config)
    network.load_state_dict({n: torch.from_numpy(w) for n, w in case.weights.items()})
    network = network.double().train()
    data, rows = case.data, case.rows
    x = torch.tensor(data.context(rows))
    x[..., :4] /= torch.tensor(data.scale[rows])[:, None, None]
    for weights in network.lstm.all_weights:
        x = layer_outputs(x, weights, x.shape[1])
    state = torch.tensor(data.state[rows])
    features = torch.cat([network.norm(x[:, -1]), state], dim=-1)
    flat = network.out(torch.relu(network.hidden(features)))
    raw = flat.view(len(rows), case.config.horizon, -1)
    z = torch.tensor(data.target(rows) / data.unit(rows))
    value = loss(case.config.head, raw, z, case.training.loss)
    value.backward()
    return value.item(), {n: p.grad.numpy() for n, p in network.named_parameters()}


def length(slopes):
    """Give the Euclidean norm of a whole gradient."""
    return np.sqrt(sum(np.sum(np.square(g)) for g in slopes.values()))


def distances(slopes, exact):
    """Give each array's distance, as a share of its length or of a tenth of all."""
    least = length(exact) / 10
    return {
        name: np.linalg.norm(slopes[name] - g) / max(np.linalg.norm(g), least)
        for name, g in exact.items()
    }


@needs_drafts
@pytest.mark.parametrize(
    "shape",
    [
        {"batch": 128},
        {"batch": 128, "head": "quantile", "loss": "crps"},
        {"hidden_size": 13, "num_layers": 3, "batch": 19, "input_size": 7, **PLAIN},
        {"hidden_size": 1, "context_length": 1, "batch": 2, "horizon": 1, **PLAIN},
        {"hidden_size": 64, "num_layers": 1, "batch": 33, **PLAIN},
        {"hidden_size": 25, "batch": 1, "state_size": 2, **PLAIN},
        {"context_length": 30, "hidden_size": 130, "input_size": 12, "batch": 40,
         **PLAIN},
    ],
)  # fmt: skip
def test_only_the_factors_of_the_lstm_are_rounded(case, shape):
    """With the same roundings double precision gives the same gradient.

    A number within single precision of the middle between two of bfloat16 may be
    rounded the other way: one in 10,000, and each moves by 1 in 256. Batch norm makes
    that more where a unit hardly moves.
    """
    draft = case(**shape, precision="bfloat16")

    value, slopes = draft.gradient(DRAFTS)
    exact_value, exact = rounded_gradient(draft)

    assert value == pytest.approx(exact_value, rel=1e-4)
    worst = distances(slopes, exact)
    assert {n: d for n, d in worst.items() if d > 1e-3} == {}


@needs_drafts
@pytest.mark.parametrize("head", ["point", "student_t", "quantile"])
def test_a_gradient_is_off_by_no_more_than_a_rounding(case, head):
    """Errors of a sum's products are independent: the sum is as exact as one of them.

    Batch norm is left out: it divides by a unit's spread over the batch, which can be
    as small as the errors.
    """
    shape = {"batch": 128, "head": head, **PLAIN}

    _, rough = case(**shape, precision="bfloat16").gradient(DRAFTS)
    _, exact = case(**shape).gradient(DRAFTS)

    error = length({name: rough[name] - g for name, g in exact.items()})
    assert ROUNDING / 100 < error / length(exact) < ROUNDING


@needs_drafts
def test_dropout_masks_are_the_same_in_a_draft(case):
    """The draft drops the units that float32 drops: losses stay together."""
    shape = {"dropout": 0.5, "num_layers": 3, "batch": 60, "batch_norm": False}

    rough, _ = case(**shape, precision="bfloat16").gradient(DRAFTS)
    exact, _ = case(**shape).gradient(DRAFTS)
    other, _ = case(**{**shape, "dropout": 0.0}).gradient(DRAFTS)

    assert abs(rough - exact) < 0.05 * abs(other - exact)


TRAIN, VALIDATION = np.arange(9, 300), np.arange(300, 390)


def make_member(name="m", precision="bfloat16", network=None, **settings):
    """Make a member of a small network."""
    return Member(
        name=name,
        network=NetworkConfig(**{"hidden_size": 12, "dropout": 0.2, **(network or {})}),
        optimizer=OptimizerConfig(
            **{"epochs": 3, "batch_size": 50, "precision": precision, **settings}
        ),
        train=TRAIN,
        validation=VALIDATION,
    )


def bits(trained):
    """Give all that a training gave, to the last bit."""
    weights = {name: array.tobytes() for name, array in trained.weights.items()}
    return weights, trained.curve


@needs_drafts
def test_drafts_beside_others_give_what_they_give_alone(panel):
    """Members of both precisions in one fleet, on one thread or more."""
    data = panel(10, 5)
    members = [
        make_member("a"),
        make_member("b", "float32"),
        make_member("c", network={"hidden_size": 31}, batch_size=7),
    ]

    alone = [bits(NativeEngine(1).train(data, [one])[0]) for one in members]

    for threads in (1, 2, 4):
        engine = NativeEngine(threads)
        assert [bits(one) for one in engine.train(data, members)] == alone
        assert bits(engine.train(data, members[:1])[0]) == alone[0]


@needs_drafts
def test_float32_is_not_touched(panel):
    """The kernels that can draft train float32 as those that cannot, bit for bit."""
    data, member = panel(10, 5), make_member(precision="float32")

    results = [
        bits(NativeEngine(1, name).train(data, [member])[0])
        for name in (DRAFTS, "avx512")
    ]

    assert results[0] == results[1]


def smooth_panel(panel):
    """Give a panel whose next returns follow from the last ones."""
    data = panel(10, 5)
    logs = data.logs.copy()
    t = np.arange(len(logs))
    logs[:, :4] = 3 + 0.05 * np.sin(t / 6)[:, None] + logs[:, :4] / 100
    return dataclasses.replace(data, logs=logs)


@needs_drafts
@pytest.mark.parametrize("head", ["point", "student_t"])
def test_a_draft_learns_what_float32_learns(panel, head):
    """Where much can be learned, what rounding costs is lost among the seeds."""
    data = smooth_panel(panel)

    def last(precision, seed):
        network = {"hidden_size": 24, "dropout": 0.1, "head": head}
        member = make_member(
            "m", precision, network, seed=seed, epochs=20, early_stopping=False
        )
        curve = NativeEngine(1).train(data, [member])[0].curve
        return curve.validation_loss[0], curve.validation_loss[-1]

    full = np.array([last("float32", seed) for seed in range(8)])
    rough = np.array([last("bfloat16", seed) for seed in range(8)])

    learned = (full[:, 0] - full[:, 1]).mean()
    spread = full[:, 1].std(ddof=1)
    assert learned > 5 * spread
    assert abs((rough - full)[:, 1].mean()) < spread / 4


@needs_drafts
def test_validation_and_forecasts_are_float32(panel):
    """The last validation loss is that of the weights, without any rounding."""
    data = panel(10, 5)
    member = make_member(network={"head": "point"}, early_stopping=False)

    trained = NativeEngine(1).train(data, [member])[0]

    raw = TorchEngine().outputs(data, member.network, trained.weights, VALIDATION)
    error = raw[..., 0] - data.target(VALIDATION) / data.unit(VALIDATION)
    last = trained.curve.validation_loss[-1]
    assert last == pytest.approx(np.mean(error**2), rel=1e-5)


@needs_drafts
def test_a_draft_that_diverges_is_retired(panel):
    """An infinity or NaN is not rounded away."""
    wild = make_member(
        "wild", network={"head": "point"}, optimizer="sgd", learning_rate=1e3
    )

    (lost,) = NativeEngine(1).train(panel(10, 5), [wild])

    assert isinstance(lost, TrainingError)
    assert "member wild" in str(lost)


@pytest.mark.parametrize("name", [n for n in supported() if n != DRAFTS])
def test_kernels_without_bfloat16_refuse_drafts(panel, name):
    """The message names the member and what to choose, before any training."""
    with pytest.raises(
        SettingError, match=rf"no bfloat16, got 'bfloat16' \(member m.*{name}.*torch"
    ):
        NativeEngine(1, name).train(panel(10, 5), [make_member()])
