"""Loss and gradients, held against autograd in double precision."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from closecast.engine.native.kernels import load_kernels  # noqa: E402
from closecast.models.lstm import StackedLSTM, loss  # noqa: E402

SEED, EPOCH = 7, 3  # of conftest.Case.gradient
WEIGHT_TOLERANCE = 1e-4
FLOOR = 1e-7
"""Of a whole gradient: a bias that batch norm cancels has no digits of its own."""

quick = settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
BUDGET = 4e7
"""Multiplications of a step for each example: more is slow in double precision."""

KINDS = [
    ("point", "mse"),
    ("student_t", "nll"),
    ("student_t", "crps"),
    ("quantile", "crps"),
]


@st.composite
def shapes(draw):
    """Draw networks and batches of all sizes, large in a few ways at a time."""
    head, kind = draw(st.sampled_from(KINDS))
    shape = {
        "hidden_size": draw(st.integers(1, 130)),
        "num_layers": draw(st.integers(1, 4)),
        "context_length": draw(st.integers(1, 64)),
        "input_size": draw(st.integers(5, 12)),
        "horizon": draw(st.integers(1, 20)),
        "state_size": draw(st.integers(0, 3)),
        "head": head,
        "loss": kind,
        "batch_norm": draw(st.booleans()),
    }
    layers, units = shape["num_layers"], shape["hidden_size"]
    window = 8 * (units + 12) ** 2 * layers * shape["context_length"]
    least = 2 if shape["batch_norm"] else 1
    most = max(least, min(300, int(BUDGET / window)))
    return {**shape, "batch": draw(st.integers(least, most))}


def drawn_masks(case, kernels, layer, step):
    """Give what the kernels drop in each window of the batch."""
    chance, units = case.config.dropout, case.config.hidden_size
    return torch.tensor(
        np.array(
            [
                kernels.masks(SEED, EPOCH, int(row), layer, step, chance, units)
                for row in case.rows
            ]
        )
    )


def masked_forward(network, case, kernels, inputs, state):
    """Run the network layer by layer with the kernels' own dropout masks."""
    config, steps = case.config, inputs.shape[1]
    below = inputs
    for layer in range(config.num_layers):
        single = torch.nn.LSTM(below.shape[2], config.hidden_size, batch_first=True)
        single = single.to(inputs.dtype)
        names = [n for n, _ in single.named_parameters()]
        values = {
            n: getattr(network.lstm, n.replace("_l0", f"_l{layer}")) for n in names
        }
        hidden, _ = torch.func.functional_call(single, values, (below,))
        if config.dropout and layer + 1 < config.num_layers:
            masks = [drawn_masks(case, kernels, layer, t) for t in range(steps)]
            hidden = hidden * torch.stack(masks, dim=1)
        below = hidden
    summary = network.norm(below[:, -1])
    if config.dropout:
        summary = summary * drawn_masks(case, kernels, config.num_layers - 1, steps - 1)
    features = torch.cat([summary, state], dim=-1)
    flat = network.out(torch.relu(network.hidden(features)))
    return flat.view(-1, config.horizon, config.params_per_step)


def torch_gradient(case, instruction_set, dtype=torch.float64):
    """Give the loss and its gradient by autograd."""
    network = StackedLSTM(case.config)
    network.load_state_dict({n: torch.from_numpy(w) for n, w in case.weights.items()})
    network = network.to(dtype).train()
    data, rows = case.data, case.rows
    scale = torch.tensor(data.scale[rows]).to(dtype)
    inputs = torch.tensor(data.context(rows)).to(dtype)
    inputs[..., :4] /= scale[:, None, None]
    state = torch.tensor(data.state[rows]).to(dtype)
    z = torch.tensor(data.target(rows) / data.unit(rows)).to(dtype)
    kernels = load_kernels(instruction_set)
    value = loss(
        case.config.head,
        masked_forward(network, case, kernels, inputs, state),
        z,
        case.training.loss,
        centred=case.training.centred,
    )
    value.backward()
    slopes = {n: p.grad.double().numpy() for n, p in network.named_parameters()}
    return float(value.detach()), slopes


def distances(slopes, exact):
    """Give each array's distance from the exact one, as a share of its length."""
    whole = np.sqrt(sum(np.sum(g**2) for g in exact.values()))
    return {
        name: np.linalg.norm(slopes[name] - g)
        / max(np.linalg.norm(g), FLOOR / WEIGHT_TOLERANCE * whole, 1e-30)
        for name, g in exact.items()
    }


def assert_exact(case, instruction_set):
    """Hold the kernels' gradient against autograd in double precision."""
    value, slopes = case.gradient(instruction_set)
    exact_value, exact = torch_gradient(case, instruction_set)

    worst = distances(slopes, exact)
    allowed = WEIGHT_TOLERANCE
    if max(worst.values()) > allowed:  # a batch of 2 normalised leaves no digits
        _, single = torch_gradient(case, instruction_set, torch.float32)
        allowed = max(allowed, 3 * max(distances(single, exact).values()))

    assert value == pytest.approx(exact_value, rel=1e-5)
    assert {n: d for n, d in worst.items() if d > allowed} == {}


@pytest.mark.parametrize(("head", "kind"), KINDS)
def test_gradients_are_those_of_double_precision(case, instruction_set, head, kind):
    """Every array of the default network is within 1e-4 of the exact gradient."""
    assert_exact(case(batch=128, head=head, loss=kind), instruction_set)


@pytest.mark.parametrize("kind", ["nll", "crps"])
def test_centred_gradients_are_those_of_double_precision(case, instruction_set, kind):
    """Around 0 the gradient of the spread is exact, and that of the location 0."""
    centred = case(batch=128, loss=kind, centred=True)

    assert_exact(centred, instruction_set)
    slopes = centred.gradient(instruction_set)[1]["out.bias"].reshape(-1, 3)
    assert (slopes[:, 0] == 0).all()
    assert (slopes[:, 1:] != 0).all()


@quick
@given(shape=shapes())
def test_any_shape_has_exact_gradients(case, shape):
    """Layers, units, steps, features and batches of any number are exact."""
    from closecast.engine.native import supported

    assert_exact(case(**shape), supported()[0])


def test_a_large_shape_has_exact_gradients(case, instruction_set):
    """Long contexts and deep stacks lose no digits."""
    large = case(
        context_length=64,
        hidden_size=130,
        num_layers=4,
        input_size=12,
        horizon=20,
        batch=17,
    )

    assert_exact(large, instruction_set)


@pytest.mark.parametrize(
    "shape",
    [
        {"hidden_size": 1, "context_length": 1, "batch": 2, "horizon": 1},
        {"hidden_size": 13, "num_layers": 3, "batch": 19, "input_size": 7},
        {"hidden_size": 64, "num_layers": 1, "batch": 33, "batch_norm": False},
        {"hidden_size": 50, "batch": 1, "batch_norm": False, "state_size": 2},
        {"hidden_size": 9, "batch": 300, "horizon": 20, "head": "quantile"},
    ],
)
def test_tails_are_exact_on_every_instruction_set(case, instruction_set, shape):
    """Sizes that fill no vector lose and add nothing."""
    assert_exact(case(**shape), instruction_set)


def test_dropout_masks_are_the_same_on_the_way_back(case, instruction_set):
    """With the drawn masks written into autograd the gradients agree."""
    dropped = case(dropout=0.4, num_layers=3, hidden_size=21, batch=40)

    assert_exact(dropped, instruction_set)


def test_biases_are_no_worse_than_single_precision_torch(case, instruction_set):
    """Batch norm nearly cancels them: they are as exact as torch's, or better."""
    large = case(batch=128, batch_norm=True)
    _, slopes = large.gradient(instruction_set)
    _, exact = torch_gradient(large, instruction_set)
    _, single = torch_gradient(large, instruction_set, torch.float32)

    ours, torchs = distances(slopes, exact), distances(single, exact)

    biases = [n for n in exact if "bias" in n]
    assert max(ours[n] for n in biases) <= 2 * max(torchs[n] for n in biases)


def test_the_batch_moves_the_running_statistics_as_in_torch(case, instruction_set):
    """Running mean and variance follow the batch with momentum 0.1."""
    normed = case(batch=50)
    network, panel = normed.native(instruction_set)
    reference = StackedLSTM(normed.config).train()
    reference.load_state_dict(
        {n: torch.from_numpy(w.copy()) for n, w in normed.weights.items()}
    )
    rows = normed.rows
    inputs = (normed.data.context(rows), normed.data.scale[rows])
    reference(
        *(torch.tensor(i, dtype=torch.float32) for i in inputs), torch.empty(50, 0)
    )

    network.gradient(panel, rows, SEED, EPOCH)

    from closecast.engine.native.engine import _named

    weights = _named(normed.config, network.save())
    norm = reference.norm
    assert weights["norm.running_mean"] == pytest.approx(
        norm.running_mean.numpy(), abs=1e-6
    )
    assert weights["norm.running_var"] == pytest.approx(
        norm.running_var.numpy(), rel=1e-5
    )
