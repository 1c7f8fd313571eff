"""Steps that a GPU replays as a whole, instead of being told each instruction.

A step of a small network is a few hundred instructions, each over before Python has
asked for the next. Asked for once and kept as a graph, they follow each other on the
device alone.
"""

import gc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Shaped

Step = Callable[..., Shaped[torch.Tensor, "..."]]
"""A function of tensors that changes others in place, always the same ones."""

Shapes = tuple[torch.Size, ...]

_BEFORE = 3
"""Runs before a graph is made: libraries set themselves up in the first ones."""


class Replays:
    """The graphs of one step, one for each shape of its inputs.

    The step itself is not kept: whoever owns the graphs is mostly what the step belongs
    to, and a ring of both would hold the device's memory until Python looks for rings.
    """

    def __init__(self) -> None:
        self.runs: Counter[Shapes] = Counter()
        self.graphs: dict[Shapes, _Graph] = {}

    def run(
        self, step: Step, *inputs: Shaped[torch.Tensor, "..."]
    ) -> Shaped[torch.Tensor, "..."]:
        """Make a step: the first few times as it is, then by a graph.

        Args:
            step: The step, always the same.
            inputs: What changes from step to step, on the GPU.

        Returns:
            What the step gives.
        """
        shapes = tuple(one.shape for one in inputs)
        self.runs[shapes] += 1
        if self.runs[shapes] <= _BEFORE:
            return step(*inputs)
        if shapes not in self.graphs:
            self.graphs[shapes] = _Graph(step, inputs)
        return self.graphs[shapes].replay(inputs)


class _Graph:
    def __init__(self, step: Step, inputs: tuple[torch.Tensor, ...]) -> None:
        self.inputs = [one.clone() for one in inputs]
        self.graph = torch.cuda.CUDAGraph()
        mode = "thread_local"  # other threads may use the GPU meanwhile
        with _nothing_freed(), torch.cuda.graph(self.graph, capture_error_mode=mode):
            self.output = step(*self.inputs)  # written down, not run

    def replay(self, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
        for place, one in zip(self.inputs, inputs, strict=True):
            place.copy_(one)
        self.graph.replay()
        return self.output.clone()


@contextmanager
def _nothing_freed() -> Iterator[None]:
    # an older graph that is found to be garbage would be freed amid the new one's
    # instructions, which CUDA does not allow
    looks = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if looks:
            gc.enable()
