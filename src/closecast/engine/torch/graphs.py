"""Steps that a GPU replays as a whole, instead of being told each instruction.

A step of a small network is a few hundred instructions, each over before Python has
asked for the next. Asked for once and kept as a graph, they follow each other on the
device alone.
"""

from collections import Counter
from collections.abc import Callable

import torch
from jaxtyping import Shaped

Step = Callable[..., Shaped[torch.Tensor, "..."]]
"""A function of tensors that changes others in place, always the same ones."""

Shapes = tuple[torch.Size, ...]

_BEFORE = 3
"""Runs before a graph is made: libraries set themselves up in the first ones."""


class Replayed:
    """A step that becomes a graph after its first few runs, one for each shape."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.runs: Counter[Shapes] = Counter()
        self.graphs: dict[Shapes, _Graph] = {}

    def __call__(
        self, *inputs: Shaped[torch.Tensor, "..."]
    ) -> Shaped[torch.Tensor, "..."]:
        """Make the step.

        Args:
            inputs: What changes from step to step, on the GPU.

        Returns:
            What the step gives.
        """
        shapes = tuple(one.shape for one in inputs)
        self.runs[shapes] += 1
        if self.runs[shapes] <= _BEFORE:
            return self.step(*inputs)
        if shapes not in self.graphs:
            self.graphs[shapes] = _Graph(self.step, inputs)
        return self.graphs[shapes](inputs)


class _Graph:
    def __init__(self, step: Step, inputs: tuple[torch.Tensor, ...]) -> None:
        self.inputs = [one.clone() for one in inputs]
        self.graph = torch.cuda.CUDAGraph()
        mode = "thread_local"  # other threads may use the GPU meanwhile
        with torch.cuda.graph(self.graph, capture_error_mode=mode):
            self.output = step(*self.inputs)

    def __call__(self, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
        for place, one in zip(self.inputs, inputs, strict=True):
            place.copy_(one)
        self.graph.replay()
        return self.output.clone()
