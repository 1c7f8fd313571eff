"""A step becomes a graph after a few runs; what a GPU does is in test_gpu.py."""

import gc
from contextlib import nullcontext

import pytest

torch = pytest.importorskip("torch")

from closecast.engine.torch import graphs  # noqa: E402


@pytest.fixture
def told(monkeypatch):
    """What is asked of CUDA, which only writes it down."""
    said = []

    class Graph:
        def replay(self):
            said.append("replayed")

    def begin(_graph, capture_error_mode):
        said.append(capture_error_mode)
        return nullcontext()

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", begin)
    return said


def test_a_graph_is_made_once_for_each_shape(told):
    """The first three runs of a shape are ordinary ones, and the step is not kept."""
    replays, made = graphs.Replays(), []

    def step(one):
        made.append(tuple(one.shape))
        return one + 1

    full, last = torch.zeros(2, 4), torch.zeros(2, 3)
    for one in (full, full, full, last, full, full, last):
        assert torch.equal(replays.run(step, one), one + 1)

    assert made == [(2, 4), (2, 4), (2, 4), (2, 3), (2, 4), (2, 3)]
    assert told == ["thread_local", "replayed", "replayed"]


def test_a_graph_reads_and_gives_places_of_its_own(told):
    """Inputs are copied to where it reads, and what it overwrites is not given."""
    replays, seen = graphs.Replays(), []

    def step(one):
        seen.append(one)
        return one

    for value in range(5):
        given = torch.tensor([float(value)])
        found = replays.run(step, given)
        assert found.item() == value

    assert len(seen) == 4
    assert seen[-1].item() == 4
    assert found.data_ptr() not in {seen[-1].data_ptr(), given.data_ptr()}
    assert told.count("replayed") == 2


def test_inputs_of_another_shape_are_another_graph(told):
    """Shapes of all inputs count, not those of the first alone."""
    replays = graphs.Replays()

    for other in (torch.zeros(2), torch.zeros(1)):
        for _ in range(4):
            replays.run(torch.add, torch.zeros(2), other)

    assert told == ["thread_local", "replayed"] * 2


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("looks", [True, False])
def test_no_garbage_is_looked_for_while_a_graph_is_made(monkeypatch, looks):
    """What Python does otherwise it does again afterwards, after an error too."""
    monkeypatch.setattr(gc, "isenabled", lambda: looks)
    said = []
    monkeypatch.setattr(gc, "disable", lambda: said.append("disable"))
    monkeypatch.setattr(gc, "enable", lambda: said.append("enable"))
    replays = graphs.Replays()

    def step(one):
        said.append("step")
        if len(said) == 5:
            raise ValueError
        return one

    for _ in range(3):
        replays.run(step, torch.zeros(1))
    with pytest.raises(ValueError, match=r"^$"):
        replays.run(step, torch.zeros(1))

    assert said == ["step"] * 3 + ["disable", "step"] + ["enable"] * looks
