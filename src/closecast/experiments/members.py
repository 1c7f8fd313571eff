"""The members of an experiment: models trained as fleets, each on the disk once done.

Members that share their windows are trained together, and each is written as soon as
its fleet is done. An experiment that was killed goes on with the members that are
missing, in this process from where each of them was, and ends with the same bytes.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from closecast.engine import choose_engine
from closecast.engine.fleet import Checkpoints, Progress, TrainingState
from closecast.errors import TrainingError
from closecast.evaluation.scores import crps
from closecast.experiments.index import Index
from closecast.experiments.progress import ProgressFile
from closecast.experiments.run import read_json, write_json
from closecast.experiments.rungs import who_goes_on
from closecast.experiments.selection import DateLosses, write_losses
from closecast.experiments.workers import IN_PROCESS, InProcess, Workers
from closecast.forecast import Forecast
from closecast.market.bars import Bars
from closecast.training.checkpoint import load, save
from closecast.training.model import Job, TrainedModel, train_each
from closecast.training.settings import Settings
from closecast.training.unfinished import Unfinished
from closecast.windows import Split, WindowData

MEMBERS, MEMBER = "members", "member.json"

UNFINISHED = "unfinished"
"""Trainings under way, in the run's folder."""

WRITTEN_EVERY_S = 5.0
"""Seconds between two times that they are written: what a kill costs at most, but for
an epoch that is longer."""

FLEET_SIZE = 16
"""Members trained together: enough to fill an engine, few enough to lose by a kill."""

MAX_SCORED = 4096
"""Training windows that a member's error is measured on, evenly spaced."""

BEST = 8
"""Members that a progress names, the best so far."""

Value = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One model that is to be trained.

    Attributes:
        name: What files and tables call it.
        values: A value of each varied setting.
        settings: All its settings.
        fold: Its fold, from 1 for the oldest; None where there is one alone.
    """

    name: str
    values: dict[str, Value]
    settings: Settings
    fold: int | None = None


Folds = Sequence[Split]
"""The blocks of each fold, the oldest first; the last one's test block is the test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Members that are trained together.

    Attributes:
        members: Those that are to be trained.
        rungs: Epochs after which only the best proposals go on; see ``rungs``.
        rivals: All members that take part where there are rungs, in order.
        known: Validation losses by epoch of the rivals that are done.
    """

    members: tuple[Candidate, ...]
    rungs: tuple[int, ...] = ()
    rivals: tuple[Candidate, ...] = ()
    known: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberResult:
    """What became of one member.

    Attributes:
        name: Its name.
        values: Its value of each varied setting.
        seed: Its seed.
        diverged: Why it was retired; None if it was trained.
        validation_loss: Its loss on validation, of the weights that were kept.
        best_epoch: Epoch of the least validation loss.
        epochs: Epochs that were run: fewer than asked for where it stopped early or
            was left behind at a rung.
        train_crps: CRPS on evenly spaced training windows, in units of volatility.
        validation_crps: The same on all validation windows.
        fold: Its fold, from 1 for the oldest; None where there is one alone.
    """

    name: str
    values: Mapping[str, Value]
    seed: int
    diverged: str | None = None
    validation_loss: float | None = None
    best_epoch: int | None = None
    epochs: int | None = None
    train_crps: float | None = None
    validation_crps: float | None = None
    fold: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepProgress:
    """Where an experiment stands.

    Attributes:
        size: Members in all.
        results: Members that are done, earlier runs of the command included.
        reused: How many of them were done before this command began.
        running: The epoch that has just passed.
        windows_per_s: Training windows stepped in a second, by this command.
        left_s: Seconds left, were all members to run all their epochs.
    """

    size: int
    results: tuple[MemberResult, ...]
    reused: int
    running: Progress | None
    windows_per_s: float
    left_s: float | None

    def to_dict(self) -> dict[str, Any]:
        """Lay it out as ``progress.json`` holds it.

        Returns:
            Plain values: ``at``, ``size``, ``done``, ``retired``, ``windows_per_s``,
            ``left_s``, ``best`` and ``running``, which is None between two fleets.
        """
        trained = [one for one in self.results if one.validation_loss is not None]
        trained.sort(key=lambda one: one.validation_loss or 0.0)
        return {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "size": self.size,
            "done": len(self.results),
            "retired": sum(one.diverged is not None for one in self.results),
            "windows_per_s": self.windows_per_s,
            "left_s": self.left_s,
            "best": [
                {
                    "name": one.name,
                    "values": dict(one.values),
                    "validation_loss": one.validation_loss,
                }
                for one in trained[:BEST]
            ],
            "running": None if self.running is None else _running(self.running),
        }


def _running(running: Progress) -> dict[str, Any]:
    return {
        "member": running.member,
        "epoch": running.epoch,
        "epochs": running.epochs,
        "share": running.done,
        "train_loss": _finite(running.train_loss),
        "validation_loss": _finite(running.validation_loss),
    }


def _finite(loss: float) -> float | None:
    return loss if math.isfinite(loss) else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scored:
    """A model that was trained, and its errors.

    Attributes:
        model: The model.
        train_crps: CRPS on evenly spaced training windows, in units of volatility.
        validation_crps: The same on all validation windows.
        losses: What it lost on each validation date.
    """

    model: TrainedModel
    train_crps: float
    validation_crps: float
    losses: DateLosses

    def result(self, member: Candidate) -> MemberResult:
        """Sum up what became of a member.

        Args:
            member: What was trained.

        Returns:
            Its result.
        """
        curve = self.model.curve
        kept = curve.best_epoch if member.settings.early_stopping else 0
        return MemberResult(
            name=member.name,
            values=member.values,
            seed=member.settings.seed,
            validation_loss=curve.validation_loss[kept - 1],
            best_epoch=curve.best_epoch,
            epochs=len(curve.train_loss),
            train_crps=self.train_crps,
            validation_crps=self.validation_crps,
            fold=member.fold,
        )


class Workshop:
    """What the members of an experiment have in common while they are trained."""

    def __init__(
        self,
        bars: Bars,
        splits: Folds,
        folder: Path,
        ledger: Index,
        on_progress: Callable[[SweepProgress], None] | None,
        *,
        workers: Workers = IN_PROCESS,
    ) -> None:
        self.bars, self.splits, self.folder, self.ledger = bars, splits, folder, ledger
        self.on_progress, self.workers = on_progress, workers
        self.progress_file = ProgressFile(folder)
        self.done: dict[str, MemberResult] = {}
        self.reused = self.size = self.epochs_run = 0
        self.epochs_left: dict[str, int] = {}
        self.mean_windows = sum(len(one.train) for one in splits) / len(splits)
        self.started = time.perf_counter()
        self.unfinished = Unfinished(folder / UNFINISHED, WRITTEN_EVERY_S)
        # elsewhere there may be no such folder, and only a worker's fleet is at stake
        here = self.unfinished if isinstance(workers, InProcess) else None
        self.shared = (bars, splits, here)  # one object: workers are brought it once

    def train(
        self, members: Sequence[Candidate], rungs: tuple[int, ...] = ()
    ) -> list[MemberResult]:
        """Train the members that are not on the disk yet.

        Args:
            members: All members.
            rungs: Epochs after which only the best of them go on.

        Returns:
            What became of each, in the same order.
        """
        unknown = [member for member in members if member.name not in self.done]
        for member in unknown:
            path = self._home(member) / MEMBER
            if path.exists():
                self.done[member.name] = MemberResult(**read_json(path))
                self.reused += 1
        missing = [member for member in unknown if member.name not in self.done]
        jobs = [_job(member, self.splits) for member in missing]
        self.unfinished.forget_all_but(name for job in jobs for name in job.networks)
        self.size = max(self.size, len(members))
        self.epochs_left |= {one.name: one.settings.epochs for one in missing}
        self._report(None)
        fleets = (
            self._race(members, missing, rungs)
            if rungs
            else _fleets(missing, self.workers)
        )
        for place, outcomes in self.workers.run(
            train_and_score, self.shared, self._counted(fleets), self._on_epoch
        ):
            for member, outcome in zip(fleets[place].members, outcomes, strict=True):
                self._keep(member, outcome)
        return [self.done[member.name] for member in members]

    def _race(
        self,
        members: Sequence[Candidate],
        missing: Sequence[Candidate],
        rungs: tuple[int, ...],
    ) -> list[Fleet]:
        # all of them in one fleet: who goes on is decided among all
        if not missing:
            return []
        left = {member.name for member in missing}
        known = {one.name: self._losses(one) for one in members if one.name not in left}
        return [
            Fleet(
                members=tuple(missing),
                rungs=rungs,
                rivals=tuple(members),
                known=known,
            )
        ]

    def _losses(self, member: Candidate) -> Sequence[float]:
        if self.done[member.name].diverged is not None:
            return ()
        return load(self._home(member)).curve.validation_loss

    def _counted(self, fleets: Sequence[Fleet]) -> Iterator[Fleet]:
        for fleet in fleets:
            hashes = [member.settings.hash for member in fleet.members]
            self.ledger.add_trials(self.bars.fingerprint, hashes)  # also if killed now
            yield fleet

    def _keep(self, member: Candidate, outcome: Scored | TrainingError) -> None:
        seed, home = member.settings.seed, self._home(member)
        if isinstance(outcome, TrainingError):
            home.mkdir(parents=True, exist_ok=True)
            result = MemberResult(
                name=member.name,
                values=member.values,
                seed=seed,
                diverged=str(outcome),
                fold=member.fold,
            )
        else:
            save(outcome.model, home)
            write_losses(home, outcome.losses)
            result = outcome.result(member)
        write_json(home / MEMBER, asdict(result))  # last: now the member is done
        self.unfinished.forget(_job(member, self.splits).networks)
        self.done[member.name] = result
        del self.epochs_left[member.name]
        self._report(None)

    def _home(self, member: Candidate) -> Path:
        return self.folder / MEMBERS / member.name

    def _on_epoch(self, progress: Progress) -> None:
        self.epochs_run += 1
        if progress.member in self.epochs_left:
            self.epochs_left[progress.member] = progress.epochs - progress.epoch
        self._report(progress)

    def _report(self, running: Progress | None) -> None:
        elapsed = time.perf_counter() - self.started
        rate = self.epochs_run / elapsed
        progress = SweepProgress(
            size=self.size,
            results=tuple(self.done.values()),
            reused=self.reused,
            running=running,
            windows_per_s=rate * self.mean_windows,
            left_s=sum(self.epochs_left.values()) / rate if rate else None,
        )
        self.progress_file.write(progress.to_dict)
        if self.on_progress is not None:
            self.on_progress(progress)


def train_surviving(
    bars: Bars,
    members: Sequence[Candidate],
    splits: Folds,
    on_epoch: Callable[[Progress], None] | None = None,
    checkpoints: Checkpoints | None = None,
) -> list[TrainedModel | TrainingError]:
    """Train members together, of which some may diverge.

    Args:
        bars: The panel.
        members: What to train.
        splits: The blocks of each fold, oldest first.
        on_epoch: Called after each epoch of each network.
        checkpoints: Where trainings go on, and are kept on their way.

    Returns:
        For each candidate its model, or why there is none.
    """
    jobs = [_job(member, splits) for member in members]
    return train_each(bars, jobs, on_epoch, checkpoints)


def _split_of(member: Candidate, splits: Folds) -> Split:
    return splits[-1 if member.fold is None else member.fold - 1]


def _job(member: Candidate, splits: Folds) -> Job:
    split = _split_of(member, splits)
    return Job(
        name=member.name,
        settings=member.settings,
        train=split.train,
        validation=split.validation,
    )


def train_and_score(
    data: tuple[Bars, Folds, Unfinished | None],
    fleet: Fleet,
    on_epoch: Callable[[Progress], None] | None = None,
) -> list[Scored | TrainingError]:
    """Train a fleet and measure the errors of its models.

    Args:
        data: The panel, the blocks of its folds, and where trainings go on from; None
            from nowhere.
        fleet: What to train.
        on_epoch: Called after each epoch of each network.

    Returns:
        For each candidate its model with errors, or why there is none.
    """
    bars, splits, unfinished = data
    outcomes = _raced(fleet, bars, splits, on_epoch, unfinished)
    tables = WindowData.of(bars, fleet.members[0].settings.window_spec)
    return [
        outcome
        if isinstance(outcome := outcomes[member.name], TrainingError)
        else _scored(outcome, bars, _split_of(member, splits), tables)
        for member in fleet.members
    ]


def _raced(
    fleet: Fleet,
    bars: Bars,
    splits: Folds,
    on_epoch: Callable[[Progress], None] | None,
    unfinished: Unfinished | None,
) -> dict[str, TrainedModel | TrainingError]:
    # from rung to rung, each time with those that go on, to the last epoch
    outcomes: dict[str, TrainedModel | TrainingError] = {}
    states: dict[str, TrainingState] = {}
    going_on = fleet.rivals or fleet.members
    for rung in (*fleet.rungs, None):
        running = [one for one in fleet.members if one in going_on]
        checkpoints = _resting(running, splits, unfinished, states, rung)
        trained = train_surviving(bars, running, splits, on_epoch, checkpoints)
        outcomes |= zip((one.name for one in running), trained, strict=True)
        if rung is not None:
            going_on = _best_at(rung, going_on, {**fleet.known, **_curves(outcomes)})
    return outcomes


def _resting(
    members: Sequence[Candidate],
    splits: Folds,
    unfinished: Unfinished | None,
    states: dict[str, TrainingState],
    rung: int | None,
) -> Checkpoints | None:
    # states are kept in memory from rung to rung, and on the disk as ever
    networks = [name for one in members for name in _job(one, splits).networks]
    disk = None if unfinished is None else unfinished.checkpoints(networks)
    if rung is None and not states:
        return disk
    disk = disk or Checkpoints(every_s=WRITTEN_EVERY_S)

    def keep(name: str, state: TrainingState) -> None:
        states[name] = state
        if disk.keep is not None:
            disk.keep(name, state)

    return replace(disk, saved={**disk.saved, **states}, keep=keep, until=rung)


def _curves(
    outcomes: Mapping[str, TrainedModel | TrainingError],
) -> dict[str, Sequence[float]]:
    return {
        name: () if isinstance(one, TrainingError) else one.curve.validation_loss
        for name, one in outcomes.items()
    }


def _best_at(
    rung: int, rivals: Sequence[Candidate], curves: Mapping[str, Sequence[float]]
) -> tuple[Candidate, ...]:
    proposals: dict[object, list[Sequence[float]]] = {}
    for one in rivals:
        proposals.setdefault(_proposal(one), []).append(curves[one.name])
    early = rivals[0].settings.early_stopping
    best = who_goes_on(proposals, rung, early_stopping=early)
    return tuple(one for one in rivals if _proposal(one) in best)


def _proposal(member: Candidate) -> tuple[Value, ...]:
    return tuple(member.values.values())


def _scored(
    model: TrainedModel, bars: Bars, split: Split, tables: WindowData
) -> Scored:
    count, rows = min(MAX_SCORED, len(split.train)), split.validation
    spaced = np.linspace(0, len(split.train) - 1, count).astype(np.int64)
    seen, validation = split.train[spaced], model.forecast(bars, rows)
    return Scored(
        model=model,
        train_crps=mean_crps(model.forecast(bars, seen), tables, seen),
        validation_crps=mean_crps(validation, tables, rows),
        losses=DateLosses.of(validation, tables, rows),
    )


def _fleets(members: Sequence[Candidate], workers: Workers) -> list[Fleet]:
    groups: dict[object, list[Candidate]] = {}
    for member in members:
        settings = member.settings
        key = (settings.window_spec, settings.engine, settings.device)
        groups.setdefault(key, []).append(member)
    fleets: list[Fleet] = []
    for group in groups.values():
        engine = choose_engine(group[0].settings.engine, group[0].settings.device)
        # trained one after the other anyway, each is safe sooner by itself
        most = FLEET_SIZE if engine.trains_together else 1
        size = workers.fleet_size(len(members), most)
        fleets += [
            Fleet(members=tuple(group[at : at + size]))
            for at in range(0, len(group), size)
        ]
    return fleets


def mean_crps(
    forecast: Forecast, data: WindowData, rows: Int[np.ndarray, " window"]
) -> float:
    """Score a forecast.

    Args:
        forecast: The forecast.
        data: The panel.
        rows: Its cutoffs, whose targets have come.

    Returns:
        Mean CRPS over windows and steps, in units of volatility.
    """
    losses = crps(forecast, data.target(rows)) / data.scale[rows][:, None]
    return float(losses.mean())
