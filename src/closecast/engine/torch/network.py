"""The network of ``closecast.models.lstm`` for many members at once.

Every array has the members on its leading axis, weights too, so that one product serves
all of them.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec

import torch
from jaxtyping import Float

from closecast.market.bars import VOLUME
from closecast.models.config import NetworkConfig

BatchedWeights = Mapping[str, Float[torch.Tensor, "member ..."]]
"""Weights of all members by their name in torch, running statistics among them."""

Masks = Sequence[Float[torch.Tensor, "member window ... unit"]]
"""What dropout multiplies: outputs of each layer, at last the summary of a window."""

_NORM_EPS, _NORM_MOMENTUM = 1e-5, 0.1  # as in torch.nn.BatchNorm1d


@cache
def has_kernels(device: str) -> bool:
    """Tell whether ``closecast.engine.torch.kernels`` can run.

    Args:
        device: The kind of device.

    Returns:
        True on a GPU beside Triton, which PyTorch's CUDA build for Linux brings.
    """
    return device == "cuda" and find_spec("triton") is not None


def run_members(
    config: NetworkConfig,
    weights: BatchedWeights,
    context: Float[torch.Tensor, "member window context feature"],
    scale: Float[torch.Tensor, "member window"],
    state: Float[torch.Tensor, "member window state"],
    masks: Masks | None = None,
) -> Float[torch.Tensor, "member window horizon param"]:
    """Give the outputs of every member for its windows.

    Args:
        config: Shape of the networks.
        weights: Their weights; in training the running statistics are moved on.
        context: Log ratios to the last bar, as ``StackedLSTM`` takes them.
        scale: Volatility of one session known at the cutoff.
        state: Further features known at the cutoff; may have none.
        masks: Draws of dropout, for a step of training; none where nothing is dropped.
            None runs without dropout and with the running statistics.

    Returns:
        Outputs in units of the window; see ``closecast.models.heads``.
    """
    prices = context[..., :VOLUME] / scale[..., None, None]
    inputs = torch.cat([prices, context[..., VOLUME:]], dim=-1)  # (K, N, T, F)
    outputs = inputs.transpose(1, 2).contiguous()  # a bar of all windows is one piece
    for layer in range(config.num_layers):
        if layer and masks:
            outputs = outputs * masks[layer - 1]
        outputs = _run_layer(weights, layer, outputs)
    summary = outputs[:, -1]
    if config.batch_norm:
        summary = _normalise(weights, summary, training=masks is not None)
    if masks:
        summary = summary * masks[-1]
    features = torch.cat([summary, state], dim=-1)  # (K, N, D + S)
    hidden = torch.relu(_linear(weights, "hidden", features))
    flat = _linear(weights, "out", hidden)
    return flat.view(*flat.shape[:2], config.horizon, config.params_per_step)


def _run_layer(
    weights: BatchedWeights,
    layer: int,
    inputs: Float[torch.Tensor, "member context window feature"],
) -> Float[torch.Tensor, "member context window unit"]:
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    input_weight, hidden_weight, *bias = (
        weights[f"lstm.{name}_l{layer}"] for name in names
    )
    if has_kernels(inputs.device.type):
        from closecast.engine.torch.kernels import run_layer

        return run_layer(inputs, input_weight, hidden_weight, bias[0] + bias[1])
    members, steps, windows, _ = inputs.shape
    flat = inputs.flatten(1, 2) @ input_weight.mT + (bias[0] + bias[1])[:, None]
    from_inputs = flat.view(members, steps, windows, -1)  # (K, T, N, 4 D)
    hidden = from_inputs.new_zeros(members, windows, hidden_weight.shape[-1])
    cell = torch.zeros_like(hidden)
    outputs = []
    for step in range(steps):
        gates = torch.baddbmm(from_inputs[:, step], hidden, hidden_weight.mT)
        enter, forget, new, leave = gates.chunk(4, dim=-1)
        cell = forget.sigmoid() * cell + enter.sigmoid() * new.tanh()
        hidden = leave.sigmoid() * cell.tanh()
        outputs.append(hidden)
    return torch.stack(outputs, dim=1)


def _normalise(
    weights: BatchedWeights,
    summary: Float[torch.Tensor, "member window unit"],
    *,
    training: bool,
) -> Float[torch.Tensor, "member window unit"]:
    mean, variance = weights["norm.running_mean"], weights["norm.running_var"]
    if training:
        of_batch = torch.var_mean(summary.float(), dim=1, correction=0)
        windows = summary.shape[1]
        with torch.no_grad():
            unbiased = of_batch[0] * windows / (windows - 1)
            variance.lerp_(unbiased, _NORM_MOMENTUM)
            mean.lerp_(of_batch[1], _NORM_MOMENTUM)
        variance, mean = of_batch
    factor = weights["norm.weight"] * (variance + _NORM_EPS).rsqrt()
    centred = summary - mean[:, None]
    return centred * factor[:, None] + weights["norm.bias"][:, None]


def _linear(
    weights: BatchedWeights, name: str, inputs: Float[torch.Tensor, "member window _"]
) -> Float[torch.Tensor, "member window out"]:
    weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    return torch.baddbmm(bias[:, None], inputs, weight.mT)
