"""Trainings under way lie on the disk whole, and are believed only as written."""

import errno

import numpy as np
import pytest

from closecast import durable
from closecast.engine.fleet import TrainingState
from closecast.errors import ClosecastWarning
from closecast.training.unfinished import Unfinished


def state(seed=0):
    """A state of odd numbers."""
    random = np.random.default_rng(seed)
    return TrainingState(
        train_loss=tuple(random.normal(size=3).tolist()),
        validation_loss=(0.1, 1 / 3, float(np.nextafter(1, 2))),
        best_epoch=1,
        engine="abacus",
        best={"head.weight": random.normal(size=(2, 3)).astype(np.float32)},
        trainee={
            "weights": random.normal(size=7).astype(np.float32),
            "steps": np.array([7], np.int64),
            "chance": random.integers(0, 255, 9).astype(np.uint8),
        },
    )


def keep(folder, states, every_s=0.0):
    """Keep some states as a training would."""
    unfinished = Unfinished(folder, every_s)
    checkpoints = unfinished.checkpoints(states)
    for name, one in states.items():
        checkpoints.keep(name, one)
    return unfinished


def assert_same(one, other):
    """Two states are the same, bit for bit."""
    assert one.train_loss == other.train_loss
    assert one.validation_loss == other.validation_loss
    assert (one.best_epoch, one.engine) == (other.best_epoch, other.engine)
    for part in ("best", "trainee"):
        here, there = getattr(one, part), getattr(other, part)
        assert here.keys() == there.keys()
        for name, array in here.items():
            assert array.dtype == there[name].dtype
            np.testing.assert_array_equal(array, there[name])


def test_a_state_is_read_as_it_was_kept(tmp_path):
    """To the bit, each under its member's name."""
    states = {"a,seed=0": state(0), "a,seed=1, seed 2": state(1)}
    keep(tmp_path / "u", states)

    found = Unfinished(tmp_path / "u", 9.0).checkpoints([*states, "new"])

    assert found.saved.keys() == states.keys()
    for name, one in states.items():
        assert_same(found.saved[name], one)


def test_states_are_written_seldom_and_together(tmp_path):
    """Until the time has come they cost no write; then each is the newest."""
    unfinished = Unfinished(tmp_path / "u", 3600.0)
    checkpoints = unfinished.checkpoints(["a", "b"])
    checkpoints.keep("a", state(0))
    checkpoints.keep("a", state(1))
    assert not (tmp_path / "u").exists()

    unfinished.every_s = 0.0
    checkpoints.keep("b", state(2))

    found = Unfinished(tmp_path / "u", 1.0).checkpoints(["a", "b"]).saved
    assert_same(found["a"], state(1))
    assert_same(found["b"], state(2))


def test_what_is_done_is_forgotten(tmp_path):
    """One by one, or all that is not trained any more; an empty folder goes too."""
    unfinished = keep(tmp_path / "u", {name: state() for name in "abc"})
    unfinished.forget(["a"])
    assert {path.stem for path in (tmp_path / "u").iterdir()} == {"b", "c"}
    unfinished.forget_all_but(["c", "d"])
    assert {path.stem for path in (tmp_path / "u").iterdir()} == {"c"}
    unfinished.forget_all_but([])
    assert not (tmp_path / "u").exists()


@pytest.mark.parametrize("place", [0, 70, 300, -1])
def test_a_damaged_file_is_said_and_not_believed(tmp_path, place):
    """One flipped bit anywhere: the member begins anew."""
    keep(tmp_path, {"a": state()})
    path = tmp_path / "a.safetensors"
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)

    with pytest.warns(ClosecastWarning, match=r"a\.safetensors\): this member begins"):
        assert Unfinished(tmp_path, 1.0).checkpoints(["a"]).saved == {}


@pytest.mark.parametrize("written", [0, 100])
def test_a_full_disk_leaves_the_last_one_whole(tmp_path, monkeypatch, written):
    """The write that fails is told; what was there before can still be gone on from."""
    keep(tmp_path, {"a": state(0)})
    whole = durable.os.fsync

    def full(handle):
        durable.os.ftruncate(handle, written)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(durable.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        keep(tmp_path, {"a": state(1)})
    monkeypatch.setattr(durable.os, "fsync", whole)

    assert_same(Unfinished(tmp_path, 1.0).checkpoints(["a"]).saved["a"], state(0))
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]
