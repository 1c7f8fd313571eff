"""A sweep on a disk that is really full: a small one in memory, of a process's own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import closecast as cc
from closecast.testing import random_walk

ALONE = (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"])
"""Ways to mount something that nobody else sees: as root, and as anybody else."""

SMALL_DISK = 'mount -t tmpfs -o size=4m tmpfs "$0" && exec "$@"'

GRID = {"num_layers": [1, 2]}
QUICK = {"hidden_size": 16, "epochs": 6, "batch_size": 64, "early_stopping": False}


@pytest.fixture
def small_disk(tmp_path):
    """Give the words before a command that give it a disk of 4 MB, and where it is."""
    if shutil.which("unshare") is None or shutil.which("mount") is None:
        pytest.skip("unshare and mount are not installed")
    disk = tmp_path / "disk"
    disk.mkdir()
    for words in ALONE:
        command = [*words, "sh", "-c", SMALL_DISK, str(disk)]
        tried = subprocess.run([*command, "true"], check=False, capture_output=True)
        if tried.returncode == 0:
            return command, disk
    pytest.skip("this system lets no process mount a disk of its own")


def test_a_full_disk_leaves_the_last_checkpoint_whole(small_disk, tmp_path):
    """One sentence; every training goes on from where it was, to the same bytes."""
    command, disk = small_disk
    script = [sys.executable, str(Path(__file__)), str(disk), str(tmp_path)]
    done = subprocess.run(
        [*command, *script],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # one network after the other
    )
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads((tmp_path / "told.json").read_text())
    sweep(tmp_path / "sound")

    assert told["kind"] == "DiskError"
    assert "bytes on the disk, got: No space left on device" in told["text"]
    assert "what was written before is whole" in told["text"]
    assert told["epochs kept"] == [6, 2]
    assert told["half-written"] == []
    assert told["epochs after"] == [3, 4, 5, 6]
    assert tree(tmp_path / "after") == tree(tmp_path / "sound" / "run")


def tree(run):
    """Read every file of a run."""
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in run.rglob("*")
        if path.is_file()
    }


def sweep(home, on_progress=None):
    """Train two small networks."""
    cc.sweep(
        random_walk(2, 260), GRID, seeds=1, out=home / "run",
        index=home / "index.sqlite", on_progress=on_progress, **QUICK,
    )  # fmt: skip


def fill(disk):
    """Write until nothing more fits."""
    with (disk / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def scene(disk, home):
    """Fill the disk while the second network trains, make room, go on."""
    from closecast.errors import DiskError
    from closecast.experiments import members
    from closecast.training.unfinished import Unfinished

    members.WRITTEN_EVERY_S = 0.0  # each epoch of each network

    def fill_at_last(progress):
        running = progress.running
        if running is not None and (running.number, running.epoch) == (2, 2):
            fill(disk)

    told, epochs = {}, []
    try:
        sweep(disk, fill_at_last)
    except DiskError as error:
        told = {"kind": type(error).__name__, "text": str(error)}
    unfinished = disk / "run" / "unfinished"
    names = [path.stem for path in sorted(unfinished.glob("*.safetensors"))]
    saved = Unfinished(unfinished, 0.0).checkpoints(names).saved
    half = [path.name for path in (disk / "run").rglob(".*")]
    (disk / "filler").unlink()
    sweep(disk, lambda one: one.running and epochs.append(one.running.epoch))
    shutil.copytree(disk / "run", home / "after")
    told |= {
        "epochs kept": [len(state.train_loss) for state in saved.values()],
        "half-written": half,
        "epochs after": epochs,
    }
    (home / "told.json").write_text(json.dumps(told))


if __name__ == "__main__":
    scene(Path(sys.argv[1]), Path(sys.argv[2]))
