"""The runs of this machine, as the dashboard shows them: read from their folders alone.

A run is known by an identity that is made from its folder; no name that a caller gives
ever becomes a path.
"""

import hashlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from closecast.experiments.comparison import run_state
from closecast.experiments.index import Index, IndexedRun
from closecast.experiments.members import MEMBER, MEMBERS, MemberResult
from closecast.experiments.progress import PROGRESS
from closecast.experiments.run import CONFIG, DATA, read_config, read_json
from closecast.experiments.winner import SWEEP, combine
from closecast.training.checkpoint import METRICS

QUIET_S = 60.0
"""A run whose progress is older is not under way any more."""

ID_LENGTH = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRun:
    """A run in short.

    Attributes:
        id: What it is asked for by.
        name: Name of its folder.
        folder: Where it lies; for this server alone.
        state: ``done``, ``unfinished`` or ``gone``.
        started: When it was first started, UTC, ISO 8601.
        members: Models that it trains.
        done: Models that are trained.
        running: Whether a process works on it now.
    """

    id: str
    name: str
    folder: Path
    state: str
    started: str
    members: int
    done: int
    running: bool


class RunBook:
    """The runs that an index knows.

    Args:
        index: The index.
    """

    def __init__(self, index: Index) -> None:
        self.index = index

    def runs(self) -> list[KnownRun]:
        """List the runs.

        Returns:
            All that the index knows, newest first.

        Raises:
            SettingError: The index cannot be read.
        """
        return [_known(run) for run in reversed(self.index.runs())]

    def find(self, identity: str) -> KnownRun | None:
        """Find a run.

        Args:
            identity: What ``runs`` calls it.

        Returns:
            It; None where there is none.

        Raises:
            SettingError: The index cannot be read.
        """
        for run in self.index.runs():
            if id_of(run.folder) == identity:
                return _known(run)
        return None


def id_of(folder: Path) -> str:
    """Name a run for callers.

    Args:
        folder: Where it lies.

    Returns:
        The first letters of its path's SHA-256.
    """
    return hashlib.sha256(str(folder).encode()).hexdigest()[:ID_LENGTH]


def describe(run: KnownRun) -> dict[str, Any]:
    """Say what a run is made of and what it found so far.

    Args:
        run: The run, its folder still there.

    Returns:
        ``config``, ``data``, ``axes``, ``combinations``, ``results``, ``winner``,
        ``trials``, ``verdict`` and ``why``; of an unfinished run what is there.

    Raises:
        ModelError: A file is damaged.
    """
    config = read_config(run.folder / CONFIG)
    common = {"config": config, "data": read_json(run.folder / DATA)}
    if (run.folder / SWEEP).exists():
        found = read_json(run.folder / SWEEP)
        return common | {
            "axes": found["axes"],
            "combinations": found["combinations"],
            "results": found["members"],
            "winner": found["winner"]["name"],
            "trials": found["trials"],
            "verdict": found["verdict"],
            "why": found["why"],
        }
    results = _results(run.folder)
    return common | {
        "axes": config.get("grid", {}),
        "combinations": [asdict(one) for one in combine(results)],
        "results": [asdict(one) for one in results],
        "winner": None,
        "trials": None,
        "verdict": None,
        "why": [],
    }


def curves(run: KnownRun, most: int) -> list[dict[str, Any]]:
    """Read learning curves.

    Args:
        run: The run, its folder still there.
        most: Members at most.

    Returns:
        ``member``, ``train_loss`` and ``validation_loss`` of each, that of the least
        validation loss first.

    Raises:
        ModelError: A file is damaged.
    """
    trained = [one for one in _results(run.folder) if one.validation_loss is not None]
    trained.sort(key=lambda one: one.validation_loss or 0.0)
    return [_curve(run.folder, one.name) for one in trained[:most]]


def progress_of(run: KnownRun) -> dict[str, Any] | None:
    """Read where a running experiment stands.

    Args:
        run: The run.

    Returns:
        What ``closecast.experiments.progress`` wrote; None where there is nothing.
    """
    try:
        return dict(json.loads((run.folder / PROGRESS).read_bytes()))
    except (OSError, ValueError):  # removed when the run ended
        return None


def _known(run: IndexedRun) -> KnownRun:
    state = run_state(run.folder)
    done = run.members if state == "done" else _count_done(run.folder)
    return KnownRun(
        id=id_of(run.folder),
        name=run.folder.name,
        folder=run.folder,
        state=state,
        started=run.started,
        members=run.members,
        done=done,
        running=state == "unfinished" and _is_alive(run.folder / PROGRESS),
    )


def _is_alive(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime < QUIET_S
    except OSError:
        return False


def _count_done(folder: Path) -> int:
    return sum(1 for _ in (folder / MEMBERS).glob(f"*/{MEMBER}"))


def _results(folder: Path) -> list[MemberResult]:
    paths = sorted((folder / MEMBERS).glob(f"*/{MEMBER}"))
    return [MemberResult(**read_json(path)) for path in paths]


def _curve(folder: Path, name: str) -> dict[str, Any]:
    lines = (folder / MEMBERS / name / METRICS).read_text("utf-8").splitlines()
    epochs: Sequence[dict[str, float]] = [json.loads(line) for line in lines]
    return {
        "member": name,
        "train_loss": [_finite(epoch["train_loss"]) for epoch in epochs],
        "validation_loss": [_finite(epoch["validation_loss"]) for epoch in epochs],
    }


def _finite(loss: float) -> float | None:
    return loss if math.isfinite(loss) else None
