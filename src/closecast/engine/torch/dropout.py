"""Dropout as a function of seed and step.

Nothing is kept from one step to the next: a member draws the same whoever is trained
beside it and wherever its training goes on. Devices draw differently from each other.
"""

import numpy as np
import torch
from jaxtyping import Float, Int

from closecast.engine.torch.network import has_kernels
from closecast.models.config import NetworkConfig


def draw_masks(
    config: NetworkConfig,
    shape: tuple[int, int],
    seeds: Int[torch.Tensor, " member"],
    steps: Float[torch.Tensor, "member 1"],
) -> list[Float[torch.Tensor, "member ... unit"]]:
    """Draw what dropout multiplies in a step.

    Args:
        config: Shape of the networks.
        shape: Bars and windows.
        seeds: Seed of each member.
        steps: Steps that each has made before.

    Returns:
        0 or 1 / (1 - dropout) for the outputs of each layer but the last, and for the
        summary of a window; nothing where nothing is dropped.
    """
    if not config.dropout:
        return []
    layer = (*shape, config.hidden_size)
    shapes = [layer] * (config.num_layers - 1) + [layer[1:]]
    draw = _draw
    if has_kernels(seeds.device.type):
        from closecast.engine.torch.kernels import draw_mask as draw
    kept = 1 - config.dropout
    return [draw(one, kept, seeds, steps, place) for place, one in enumerate(shapes)]


def _draw(
    shape: tuple[int, ...],
    kept: float,
    seeds: Int[torch.Tensor, " member"],
    steps: Float[torch.Tensor, "member 1"],
    layer: int,
) -> Float[torch.Tensor, "member ..."]:
    mask = torch.empty(len(seeds), *shape, device=seeds.device)
    draw = torch.Generator(seeds.device)
    known = zip(seeds.tolist(), steps.flatten().tolist(), strict=True)
    for row, (seed, step) in enumerate(known):
        chance = np.random.SeedSequence([seed, int(step), layer])
        draw.manual_seed(int(chance.generate_state(1)[0]))
        mask[row].bernoulli_(kept, generator=draw)
    return mask.div_(kept)
