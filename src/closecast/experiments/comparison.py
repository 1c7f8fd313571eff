"""Runs beside each other, and what one run is: read from their folders alone.

It compares scores of the same test block only, and says so when runs have others.
"""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from closecast.errors import ModelError
from closecast.experiments.index import Index
from closecast.experiments.run import CONFIG, DATA, read_config, read_json
from closecast.experiments.winner import SWEEP

SCOREBOARD = "scoreboard.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRun:
    """One run beside others.

    Attributes:
        folder: Where it lies.
        verdict: Its verdict.
        model: Name of the judged member, or of the model.
        trials: Models that its verdict is corrected for; 1 for a single model.
        data: Fingerprint of its prices.
        test: First and last cutoff of its test block, and its number of windows.
        crps: CRPS by step, in units of volatility.
        rmse: RMSE by step, in log return.
    """

    folder: str
    verdict: str
    model: str
    trials: int
    data: str
    test: tuple[str, str, int]
    crps: tuple[float, ...]
    rmse: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Runs beside each other.

    Attributes:
        rows: One for each run, in the order asked for.
        notes: What keeps them from being compared.
    """

    rows: tuple[ComparedRun, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Lay it out as plain values."""
        return {"runs": [asdict(row) for row in self.rows], "notes": list(self.notes)}


def compare_runs(folders: Sequence[Path]) -> Comparison:
    """Lay runs beside each other.

    Args:
        folders: Runs with a scoreboard: of a sweep, or of one model.

    Returns:
        Their scores, and notes where they are not of the same windows.

    Raises:
        ModelError: A folder has no scoreboard that can be read.
    """
    rows = tuple(_compared(folder) for folder in folders)
    notes = []
    if len({row.data for row in rows}) > 1:
        notes.append(
            "These runs are of different prices; their scores cannot be compared."
        )
    elif len({row.test for row in rows}) > 1:
        notes.append(
            "These runs have different test blocks; their scores cannot be compared."
        )
    if len(rows) > 1:
        notes.append(
            "To take the run with the best test score is to choose on the test block: "
            "then that score is no longer an honest one."
        )
    return Comparison(rows=rows, notes=tuple(notes))


def _compared(folder: Path) -> ComparedRun:
    board = read_json(folder / SCOREBOARD)
    try:
        own = [
            row for row in board["rows"] if row["model"] == board["rows"][0]["model"]
        ]
        test, model = board["split"]["test"], own[0]["model"]
        if (folder / SWEEP).exists():
            model = read_json(folder / SWEEP)["winner"]["name"]
        return ComparedRun(
            folder=str(folder),
            verdict=board["verdict"],
            model=model,
            trials=board.get("trials", 1),
            data=board["data"]["fingerprint"],
            test=(test["first"], test["last"], test["windows"]),
            crps=tuple(row["crps"] for row in own),
            rmse=tuple(row["rmse"] for row in own),
        )
    except (KeyError, IndexError, TypeError) as error:
        raise ModelError(
            f"Expected a scoreboard with scores, got one without {error} "
            f"({folder / SCOREBOARD}). Evaluate the model again."
        ) from error


def run_state(folder: Path) -> str:
    """Tell how far a sweep's run came.

    Args:
        folder: Its folder.

    Returns:
        "done", "unfinished" or "gone".
    """
    if not (folder / CONFIG).exists():
        return "gone"
    return "done" if (folder / SWEEP).exists() else "unfinished"


def describe_run(folder: Path) -> dict[str, Any]:
    """Say what a sweep's run is made of and what it found.

    Args:
        folder: Its folder.

    Returns:
        ``state``, ``config``, ``data``, and ``winner`` and ``verdict``, which are
        None while it is unfinished.

    Raises:
        ModelError: It is no run of a sweep, or a file is damaged.
    """
    _require_run(folder)
    config = read_config(folder / CONFIG)
    found = read_json(folder / SWEEP) if (folder / SWEEP).exists() else None
    return {
        "folder": str(folder),
        "state": run_state(folder),
        "config": config,
        "data": read_json(folder / DATA),
        "winner": found["winner"]["name"] if found else None,
        "verdict": found["verdict"] if found else None,
    }


def delete_run(folder: Path, index: Index) -> None:
    """Delete a run and drop it from the index; its trials stay counted.

    A run whose folder is gone is dropped from the index alone.

    Args:
        folder: The run.
        index: The index.

    Raises:
        ModelError: The folder is no run of a sweep: nothing is deleted.
    """
    known = {run.folder for run in index.runs()}
    if folder.exists() or folder.resolve() not in known:
        _require_run(folder)
        shutil.rmtree(folder)
    index.forget_run(folder)


def _require_run(folder: Path) -> None:
    if not ((folder / CONFIG).is_file() and (folder / DATA).is_file()):
        raise ModelError(
            f"Expected a sweep's run folder with {CONFIG} and {DATA}, got another "
            f"({folder}). See: closecast runs list."
        )
