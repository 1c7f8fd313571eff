"""The network as an ONNX graph, written from its weights: for programs without Python.

Everything between the window and the head's parameters is in the graph, the division
of prices by the scale too. PyTorch is not needed. Cutting windows is not in it: that is
the business of ``closecast.windows`` or of whoever runs the graph.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import numpy as np
from jaxtyping import Shaped

from closecast.errors import MissingExtraError
from closecast.forecast import LEVELS
from closecast.market.bars import VOLUME
from closecast.models.config import NetworkConfig, Weights
from closecast.models.heads import LOG_SCALE_BOUND, MIDDLE, MIN_DF, START_DF, start_gaps

OPSET, IR_VERSION = 17, 9
"""Of 2022: old enough for the runtimes in use."""

NORM_EPSILON = 1e-5


def onnx_bytes(
    config: NetworkConfig,
    context_length: int,
    networks: Sequence[Weights],
    notes: Mapping[str, str],
) -> bytes:
    """Write networks of one shape as one ONNX model.

    Inputs, float32: ``context`` (window, context, feature), log ratios to the last bar;
    ``scale`` (window), volatility of one session; ``state`` (window, state) where the
    network has one.

    Outputs, in units of the window, with the network as first axis: ``raw`` (network,
    window, horizon, param); ``location`` (network, window, horizon) of the Student-t
    and the point head, ``width`` and ``df`` of the Student-t; ``quantiles`` (network,
    window, horizon, quantile) of the quantile head.

    Args:
        config: Shape of the networks.
        context_length: Bars of a context.
        networks: Weights of each.
        notes: Metadata to store.

    Returns:
        The model as a protocol buffer.

    Raises:
        MissingExtraError: ``onnx`` is not installed.
    """
    if find_spec("onnx") is None:
        raise MissingExtraError(
            "Expected onnx to write an ONNX model, got no installation of it. "
            'Install it with: pip install "closecast[onnx]"'
        )
    from onnx import checker, helper

    graph = _Graph()
    x = _normalised(graph, config)
    each = [_network(graph, config, x, w, f"n{k}.") for k, w in enumerate(networks)]
    _read_head(graph, config, each)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "closecast",
            _inputs(config, context_length),
            _outputs(config, len(networks)),
            graph.tensors,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="closecast",
    )
    helper.set_model_props(model, dict(notes))
    checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


@dataclass
class _Graph:
    nodes: list[Any] = field(default_factory=list)
    tensors: list[Any] = field(default_factory=list)

    def add(self, kind: str, inputs: Sequence[str], out: str, **attributes: Any) -> str:  # noqa: ANN401
        from onnx import helper

        self.nodes.append(helper.make_node(kind, list(inputs), [out], **attributes))
        return out

    def hold(self, name: str, values: Shaped[np.ndarray, "..."]) -> str:
        from onnx import numpy_helper

        self.tensors.append(
            numpy_helper.from_array(np.asarray(values, order="C"), name)
        )
        return name

    def number(self, name: str, value: float) -> str:
        return self.hold(name, np.array(value, np.float32))

    def place(self, name: str, value: int) -> str:
        return self.hold(name, np.array(value, np.int64))

    def whole(self, name: str, *values: int) -> str:
        return self.hold(name, np.array(values, np.int64))


def _normalised(graph: _Graph, config: NetworkConfig) -> str:
    # prices in units of the scale, the rest as it is, and the time axis first
    add = graph.add
    unit = add("Unsqueeze", ["scale", graph.whole("one_two", 1, 2)], "unit")
    ends = [graph.whole("from_0", 0), graph.whole("from_4", VOLUME)]
    last = graph.whole("last_axis", 2)
    prices = add("Slice", ["context", *ends, last], "prices")
    parts = [add("Div", [prices, unit], "scaled")]
    if config.input_size > VOLUME:
        whole = graph.whole("to_end", config.input_size)
        parts.append(add("Slice", ["context", ends[1], whole, last], "others"))
    inputs = add("Concat", parts, "inputs", axis=2)
    return add("Transpose", [inputs], "steps", perm=[1, 0, 2])


def _network(
    graph: _Graph, config: NetworkConfig, x: str, weights: Weights, name: str
) -> str:
    # raw outputs of one network, (1, N, H, P)
    add, hold = graph.add, graph.hold
    summary = _lstm(graph, config, x, weights, name)
    if config.batch_norm:
        kinds = ("weight", "bias", "running_mean", "running_var")
        held = [hold(name + f"norm.{kind}", weights[f"norm.{kind}"]) for kind in kinds]
        summary = add(
            "BatchNormalization",
            [summary, *held],
            name + "normal",
            epsilon=NORM_EPSILON,
        )
    if config.state_size:
        summary = add("Concat", [summary, "state"], name + "features", axis=1)
    for layer in ("hidden", "out"):
        linear = [
            hold(name + f"{layer}.{kind}", weights[f"{layer}.{kind}"])
            for kind in ("weight", "bias")
        ]
        summary = add("Gemm", [summary, *linear], name + layer, transB=1)
        if layer == "hidden":
            summary = add("Relu", [summary], name + "relu")
    shape = (1, -1, config.horizon, config.params_per_step)
    return add("Reshape", [summary, graph.whole(name + "shape", *shape)], name + "raw")


def _lstm(
    graph: _Graph, config: NetworkConfig, x: str, weights: Weights, name: str
) -> str:
    from onnx import helper

    last = ""
    for layer in range(config.num_layers):
        matrices = [
            _gates(weights[f"lstm.{kind}_l{layer}"])
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        ]
        both = np.concatenate(matrices[2:])
        held = [
            graph.hold(name + f"{kind}{layer}", values[None])
            for kind, values in zip("WRB", (*matrices[:2], both), strict=True)
        ]
        every, last = name + f"every{layer}", name + f"last{layer}"
        graph.nodes.append(
            helper.make_node(
                "LSTM", [x, *held], [every, last], hidden_size=config.hidden_size
            )
        )
        if layer + 1 < config.num_layers:  # (T, direction, N, D) -> (T, N, D)
            one = graph.whole(name + f"direction{layer}", 1)
            x = graph.add("Squeeze", [every, one], name + f"hidden{layer}")
    zero = graph.whole(name + "zero", 0)
    return graph.add("Squeeze", [last, zero], name + "summary")


def _gates(stacked: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
    # torch has input, forget, cell, output; ONNX input, output, forget, cell
    i, f, g, o = np.split(stacked, 4)
    return np.concatenate([i, o, f, g])


def _read_head(graph: _Graph, config: NetworkConfig, each: Sequence[str]) -> None:
    # what closecast.models.heads reads from the raw outputs
    graph.add("Concat", each, "raw", axis=0)
    if config.head == "quantile":
        _read_quantiles(graph)
    else:
        graph.add("Gather", ["raw", graph.place("first", 0)], "location", axis=3)
    if config.head == "student_t":
        _read_student_t(graph)


def _read_student_t(graph: _Graph) -> None:
    add, number = graph.add, graph.number
    second = add("Gather", ["raw", graph.place("second", 1)], "raw_scale", axis=3)
    third = add("Gather", ["raw", graph.place("third", 2)], "raw_df", axis=3)
    bound = number("bound", LOG_SCALE_BOUND)
    squashed = add("Tanh", [add("Div", [second, bound], "shrunk")], "squashed")
    add("Exp", [add("Mul", [squashed, bound], "log_width")], "width")
    shift = number("df_shift", float(np.log(np.expm1(START_DF - MIN_DF))))
    soft = add("Softplus", [add("Add", [third, shift], "df_shifted")], "df_soft")
    add("Add", [soft, number("least_df", MIN_DF)], "df")


def _read_quantiles(graph: _Graph) -> None:
    add = graph.add
    median = add("Gather", ["raw", graph.whole("middle", 0)], "median", axis=3)
    start = graph.hold("start_gaps", start_gaps().astype(np.float32))
    unit = graph.number("unit_gap", float(np.log(np.expm1(1.0))))
    axis = graph.place("params", 3)
    sides = []
    for side, places in (
        ("above", np.arange(1, MIDDLE + 1)),
        ("below", np.arange(MIDDLE + 1, 2 * MIDDLE + 1)),
    ):
        own = add("Gather", ["raw", graph.hold(f"{side}_at", places)], side, axis=3)
        soft = add(
            "Softplus", [add("Add", [own, unit], f"{side}_moved")], f"{side}_gap"
        )
        gaps = add("Mul", [soft, start], f"{side}_gaps")
        sides.append(add("CumSum", [gaps, axis], f"{side}_reach"))
    outwards = graph.hold("outwards", np.arange(MIDDLE)[::-1])
    flipped = add("Gather", [sides[1], outwards], "below_flipped", axis=3)
    low = add("Sub", ["median", flipped], "low")
    add(
        "Concat",
        [low, median, add("Add", [median, sides[0]], "high")],
        "quantiles",
        axis=3,
    )


def _inputs(config: NetworkConfig, context_length: int) -> list[Any]:
    from onnx import TensorProto, helper

    shapes: dict[str, list[Any]] = {
        "context": ["window", context_length, config.input_size],
        "scale": ["window"],
    }
    if config.state_size:
        shapes["state"] = ["window", config.state_size]
    return [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    ]


def _outputs(config: NetworkConfig, networks: int) -> list[Any]:
    from onnx import TensorProto, helper

    step: list[Any] = [networks, "window", config.horizon]
    shapes = {"raw": [*step, config.params_per_step]}
    if config.head == "quantile":
        shapes["quantiles"] = [*step, len(LEVELS)]
    else:
        shapes["location"] = step
    if config.head == "student_t":
        shapes |= {"width": step, "df": step}
    return [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    ]
