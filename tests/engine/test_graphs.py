"""A step becomes a graph after a few runs; what a GPU does is in test_gpu.py."""

import pytest

torch = pytest.importorskip("torch")

from closecast.engine.torch import graphs  # noqa: E402


@pytest.fixture
def told(monkeypatch):
    """What was made and asked, with graphs that only write it down."""
    said = []

    class Graph:
        def __init__(self, _step, inputs):
            said.append(("made", *(tuple(one.shape) for one in inputs)))

        def __call__(self, inputs):
            said.append("replayed")
            return -inputs[0]

    monkeypatch.setattr(graphs, "_Graph", Graph)
    return said


def test_a_graph_is_made_once_for_each_shape(told):
    """The first three runs of a shape are ordinary ones."""
    steps = graphs.Replayed(lambda one: one + 1)
    full, last = torch.zeros(2, 4), torch.zeros(2, 3)

    found = [steps(one)[0, 0].item() for one in (full, full, full, last, full, full)]

    assert found == [1, 1, 1, 1, 0, 0]
    assert told == [("made", (2, 4)), "replayed", "replayed"]


def test_inputs_of_another_number_are_another_graph(told):
    """Shapes of all inputs count, not those of the first alone."""
    steps = graphs.Replayed(lambda one, other: one + other)
    one = torch.zeros(2)

    for other in (torch.zeros(2), torch.zeros(1)):
        for _ in range(4):
            steps(one, other)

    assert told == [
        ("made", (2,), (2,)), "replayed", ("made", (2,), (1,)), "replayed",
    ]  # fmt: skip
