"""Trainings under way as files, so that a kill costs seconds and changes no bit.

One file a network: its state between two epochs. A file that is damaged is worth
nothing, and its network begins anew: the end is the same.
"""

import hashlib
import json
import time
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from closecast.durable import flush_folder, stage
from closecast.engine.fleet import Checkpoints, TrainingState
from closecast.errors import ClosecastWarning

SUFFIX = ".safetensors"
BEST, TRAINEE = "best.", "trainee."


class Unfinished:
    """The states of the networks of an experiment.

    Args:
        folder: Where they lie; made when the first is written.
        every_s: Seconds between two times that they are written.
    """

    def __init__(self, folder: Path, every_s: float) -> None:
        self.folder, self.every_s = folder, every_s
        self._pending: dict[str, TrainingState] = {}
        self._written = time.monotonic()

    def checkpoints(self, names: Iterable[str]) -> Checkpoints:
        """Say where trainings go on, and keep them on their way.

        Args:
            names: Names of the networks that are going to be trained.

        Returns:
            What an engine takes.
        """
        self._pending.clear()
        paths = {name: self._path(name) for name in names}
        saved = {name: _read(path) for name, path in paths.items() if path.exists()}
        return Checkpoints(
            saved={name: state for name, state in saved.items() if state is not None},
            keep=self._keep,
            every_s=self.every_s,
        )

    def forget_all_but(self, names: Iterable[str]) -> None:
        """Delete the states of networks that are not trained any more.

        Args:
            names: Names of those that are still to be trained.
        """
        kept = {self._path(name) for name in names}
        for path in self.folder.glob(f"*{SUFFIX}"):
            if path not in kept:
                path.unlink()
        self._drop_if_empty()

    def forget(self, names: Iterable[str]) -> None:
        """Delete the states of networks that are done.

        Args:
            names: Their names.
        """
        for name in names:
            self._pending.pop(name, None)
            self._path(name).unlink(missing_ok=True)
        self._drop_if_empty()

    def _drop_if_empty(self) -> None:
        if self.folder.exists() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _keep(self, name: str, state: TrainingState) -> None:
        self._pending[name] = state
        if time.monotonic() - self._written < self.every_s:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        for pending, newest in self._pending.items():
            stage(self._path(pending), _to_bytes(newest))
        flush_folder(self.folder)
        self._pending.clear()
        self._written = time.monotonic()

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{SUFFIX}"


def _to_bytes(state: TrainingState) -> bytes:
    from safetensors.numpy import save

    arrays = {
        **{BEST + name: array for name, array in state.best.items()},
        **{TRAINEE + name: array for name, array in state.trainee.items()},
    }
    record = {
        "train_loss": state.train_loss,
        "validation_loss": state.validation_loss,
        "best_epoch": state.best_epoch,
        "engine": state.engine,
    }
    text = json.dumps(record)  # floats come back to the bit
    body = save(arrays)
    digest = hashlib.sha256(text.encode() + body).hexdigest()
    return f"{digest} {text}\n".encode() + body


def _read(path: Path) -> TrainingState | None:
    from safetensors.numpy import load

    head, _, body = path.read_bytes().partition(b"\n")
    digest, _, text = head.partition(b" ")
    if digest.decode("ascii", "replace") != hashlib.sha256(text + body).hexdigest():
        warnings.warn(
            f"Expected a training under way as it was written, got another content "
            f"({path}): this member begins anew.",
            ClosecastWarning,
            stacklevel=3,
        )
        return None
    record, arrays = json.loads(text), load(body)
    return TrainingState(
        train_loss=tuple(record["train_loss"]),
        validation_loss=tuple(record["validation_loss"]),
        best_epoch=record["best_epoch"],
        engine=record["engine"],
        best=_part(arrays, BEST),
        trainee=_part(arrays, TRAINEE),
    )


def _part(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
