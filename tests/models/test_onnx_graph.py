"""An ONNX graph gives what PyTorch's network and our reading of the heads give."""

import importlib.util

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from closecast.errors import MissingExtraError
from closecast.models.config import NetworkConfig, initial_weights
from closecast.models.heads import head_quantiles, student_t_parameters
from closecast.models.lstm import StackedLSTM
from closecast.models.onnx_graph import onnx_bytes

T = 9


def run(content, **inputs):
    """Run a model in ONNX Runtime; give its outputs by name."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def windows(config, count, seed=0):
    """Make windows as the market makes them: small ratios, a scale of a few percent."""
    rng = np.random.default_rng(seed)
    arrays = {
        "context": rng.normal(0, 0.05, (count, T, config.input_size)),
        "scale": rng.uniform(0.01, 0.04, count),
        "state": rng.normal(size=(count, config.state_size)),
    }
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def settled_weights(config, seed):
    """Draw weights whose batch normalisation is not the identity."""
    weights, rng = initial_weights(config, seed), np.random.default_rng(seed)
    for name in weights:
        if name.startswith("norm."):
            weights[name] = rng.uniform(0.5, 1.5, weights[name].shape).astype(
                np.float32
            )
    return weights


def torch_raw(config, weights, inputs):
    network = StackedLSTM(config)
    network.load_state_dict(
        {n: torch.tensor(w) for n, w in weights.items()}, strict=False
    )
    network.eval()
    with torch.no_grad():
        tensors = (torch.tensor(inputs[n]) for n in ("context", "scale", "state"))
        return network(*tensors).numpy()


@pytest.mark.parametrize("head", ["student_t", "quantile", "point"])
@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"num_layers": 1, "batch_norm": False, "hidden_size": 7},
        {"num_layers": 3, "state_size": 4, "horizon": 2, "hidden_size": 12},
        {"input_size": 4, "hidden_size": 6},
        {"input_size": 9, "hidden_size": 6, "state_size": 1},
    ],
)
def test_raw_outputs_are_those_of_pytorch(head, shape):
    """Any shape, with the division by the scale inside the graph, to 1e-5."""
    config = NetworkConfig(head=head, **shape)
    weights, inputs = settled_weights(config, 1), windows(config, 33)
    given = {n: x for n, x in inputs.items() if n != "state" or config.state_size}

    found = run(onnx_bytes(config, T, [weights], {}), **given)

    expected = torch_raw(config, weights, inputs)
    assert found["raw"].shape == (1, *expected.shape)
    np.testing.assert_allclose(found["raw"][0], expected, rtol=0, atol=1e-5)


def test_student_t_parameters_are_read():
    """Location, width and degrees of freedom are those of `models.heads`."""
    config = NetworkConfig(hidden_size=8)
    found = run(
        onnx_bytes(config, T, [settled_weights(config, 3)], {}),
        **{n: x for n, x in windows(config, 5).items() if n != "state"},
    )
    location, width, df = student_t_parameters(found["raw"].astype(np.float64))

    np.testing.assert_allclose(found["location"], location, atol=1e-5)
    np.testing.assert_allclose(found["width"], width, rtol=1e-5)
    np.testing.assert_allclose(found["df"], df, rtol=1e-5)


def test_quantiles_are_read():
    """Quantiles in ascending order are those of `models.heads`."""
    config = NetworkConfig(hidden_size=8, head="quantile")
    found = run(
        onnx_bytes(config, T, [settled_weights(config, 3)], {}),
        **{n: x for n, x in windows(config, 5).items() if n != "state"},
    )

    expected = head_quantiles(found["raw"].astype(np.float64))
    np.testing.assert_allclose(found["quantiles"], expected, atol=1e-5)
    assert (np.diff(found["quantiles"], axis=-1) > 0).all()


def test_networks_of_a_model_stand_side_by_side():
    """Each network of an ensemble has its own place on the first axis."""
    config = NetworkConfig(hidden_size=8, head="point")
    networks = [settled_weights(config, seed) for seed in range(3)]
    inputs = {n: x for n, x in windows(config, 4).items() if n != "state"}
    together = run(onnx_bytes(config, T, networks, {}), **inputs)["location"]

    for own, weights in zip(together, networks, strict=True):
        alone = run(onnx_bytes(config, T, [weights], {}), **inputs)["location"][0]
        np.testing.assert_allclose(own, alone, atol=1e-6)
    assert not np.allclose(together[0], together[1])


def test_notes_are_stored_and_windows_may_be_any_number():
    """Whoever finds the file can read what it is; one window is enough."""
    config = NetworkConfig(hidden_size=8)
    content = onnx_bytes(config, T, [initial_weights(config, 0)], {"head": "student_t"})
    inputs = {n: x for n, x in windows(config, 1).items() if n != "state"}

    (note,) = onnx.load_from_string(content).metadata_props
    assert (note.key, note.value) == ("head", "student_t")
    assert run(content, **inputs)["df"].shape == (1, 1, config.horizon)


def test_without_onnx_the_extra_is_named(monkeypatch):
    """The message says what to install."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "closecast.models.onnx_graph.find_spec",
        lambda name: None if name == "onnx" else find(name),
    )
    config = NetworkConfig(hidden_size=4)
    with pytest.raises(MissingExtraError, match=r"closecast\[onnx\]"):
        onnx_bytes(config, T, [initial_weights(config, 0)], {})
