"""Optimisers as torch defines them: for one network, and for many at once."""

from collections.abc import Iterator, Mapping

import torch
from jaxtyping import Float
from torch import nn

from closecast.engine.fleet import OptimizerConfig


def build_optimizer(
    parameters: Iterator[nn.Parameter], config: OptimizerConfig
) -> torch.optim.Optimizer:
    """Make the optimiser that the config names.

    Args:
        parameters: What it steps.
        config: Its settings.

    Returns:
        The optimiser, with torch's defaults where there is no setting.
    """
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimizer == "sgd":
        return torch.optim.SGD(
            parameters, lr=rate, weight_decay=decay, momentum=config.momentum
        )
    if config.optimizer == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=rate, weight_decay=decay)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(parameters, lr=rate, weight_decay=decay)
    return torch.optim.Adam(parameters, lr=rate, weight_decay=decay)


@torch.no_grad()
def step_members(
    optimizer: str,
    rows: Mapping[str, Float[torch.Tensor, "member _"]],
    gradient: Float[torch.Tensor, "member weight"],
    rate: Float[torch.Tensor, "member 1"],
) -> None:
    """Make one step of many members, each with its own settings, in place.

    The same steps as those of ``build_optimizer``, whose classes have one learning rate
    for a whole tensor.

    Args:
        optimizer: One of ``closecast.engine.fleet.OPTIMIZERS``.
        rows: A row for each member: ``weights``, the moments ``first`` and ``second``,
            and the settings ``decay``, ``momentum`` and ``clip``, the last infinite
            where nothing is clipped; ``steps`` made so far.
        gradient: Gradients of the weights.
        rate: Learning rates.
    """
    weights, first, second = rows["weights"], rows["first"], rows["second"]
    steps = rows["steps"].add_(1)
    norm = gradient.norm(dim=1, keepdim=True)
    gradient = gradient * (rows["clip"] / (norm + 1e-6)).clamp(max=1.0)
    if optimizer == "adamw":
        weights.mul_(1 - rate * rows["decay"])
    else:
        gradient.addcmul_(rows["decay"], weights)
    if optimizer == "sgd":
        first.mul_(rows["momentum"]).add_(gradient)
        weights.sub_(rate * first)
    elif optimizer == "rmsprop":
        second.mul_(0.99).addcmul_(gradient, gradient, value=0.01)
        weights.sub_(rate * gradient / (second.sqrt() + 1e-8))
    else:
        first.lerp_(gradient, 0.1)
        second.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        root = second.sqrt() / (1 - 0.999**steps).sqrt()
        weights.sub_(rate / (1 - 0.9**steps) * first / (root + 1e-8))
