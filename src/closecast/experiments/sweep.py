"""A sweep: every combination of some settings, each with some seeds, and one winner.

Members that share their windows are trained as fleets, and each is on the disk as
soon as its fleet is done: a sweep that was killed goes on with the members that are
missing, and ends with the same bytes. The winner is chosen on validation alone, only
the winner is scored on the test block, and its verdict counts every trial.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from closecast.engine import choose_engine
from closecast.engine.fleet import Progress
from closecast.errors import TrainingError
from closecast.evaluation.scores import crps
from closecast.evaluation.trials import correct_for_trials
from closecast.experiments.forecaster import Forecaster
from closecast.experiments.grid import SEEDS, Grid, GridMember, Value
from closecast.experiments.index import Index
from closecast.experiments.run import (
    data_record,
    open_run,
    read_json,
    write_forecast,
    write_json,
)
from closecast.market.bars import Bars
from closecast.market.panels import bars_of
from closecast.market.readers import frame_of
from closecast.training.checkpoint import METRICS, load, save, versions, write_durably
from closecast.training.model import Job, TrainedModel, train_each
from closecast.windows import Split, WindowData, WindowSpec, split_by_date
from closecast.windows.scaling import volatility

SWEEP, MEMBERS, MEMBER = "sweep.json", "members", "member.json"

FORMAT = 1

FLEET_SIZE = 16
"""Members trained together: enough to fill an engine, few enough to lose by a kill."""

MAX_SCORED = 4096
"""Training windows that a member's error is measured on, evenly spaced."""


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
        epochs: Epochs that were run.
        train_crps: CRPS on evenly spaced training windows, in units of volatility.
        validation_crps: The same on all validation windows.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """The seeds of one combination of settings, together.

    Attributes:
        values: Value of each varied setting.
        seeds: Seeds that were trained.
        diverged: Seeds that diverged; then it cannot win.
        mean_loss: Mean validation loss over the seeds; None without any.
        sd_loss: Its standard deviation; None with fewer than two.
        worst_loss: The greatest.
    """

    values: Mapping[str, Value]
    seeds: int
    diverged: int
    mean_loss: float | None
    sd_loss: float | None
    worst_loss: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepProgress:
    """Where a sweep stands.

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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sweep:
    """A sweep that is done.

    Attributes:
        axes: Values of each varied setting.
        members: What became of each member, in the order of the grid.
        combinations: The same by combination, the best first.
        winner: Name of the chosen member.
        forecaster: The chosen member, ready to forecast.
        trials: Models ever trained on these prices when the sweep ended.
        verdict: What may be said of the winner, corrected for the trials.
        why: Sentences with the figures behind it.
        test_crps: CRPS of the winner on the test block, in units of volatility.
    """

    axes: Mapping[str, tuple[Value, ...]]
    members: tuple[MemberResult, ...]
    combinations: tuple[Combination, ...]
    winner: str
    forecaster: Forecaster
    trials: int
    verdict: str
    why: tuple[str, ...]
    test_crps: float

    def to_frame(self, kind: str = "pandas") -> Any:  # noqa: ANN401
        """Give the members as a dataframe.

        Args:
            kind: ``pandas``, ``polars`` or ``pyarrow``.

        Returns:
            One row a member: varied settings, seed and results.

        Raises:
            SettingError: There is no such kind.
        """
        rows = [{**one.values, **asdict(one)} for one in self.members]
        names = [name for name in rows[0] if name != "values"]
        return frame_of({name: [row[name] for row in rows] for name in names}, kind)


def sweep(  # noqa: PLR0913  each is a choice of its own
    prices: object,
    grid: Mapping[str, Any],
    *,
    seeds: int = SEEDS,
    out: str | Path | None = None,
    index: str | Path | None = None,
    yes: bool = False,
    source: str = "prices",
    on_progress: Callable[[SweepProgress], None] | None = None,
    **settings: object,
) -> Sweep:
    """Train every combination of some settings and judge the best one honestly.

    Called again with the same arguments after it was cut off, it goes on with the
    members that are missing.

    Args:
        prices: A frame, a path or a panel; see ``closecast.read_prices``.
        grid: A list of values for each setting to vary.
        seeds: Seeds of each combination.
        out: Run folder to keep everything in; None keeps nothing on the disk.
        index: The index that counts trials; see ``closecast.experiments.index``.
        yes: Whether more than 10,000 members are meant.
        source: What the prices are called in the run.
        on_progress: Called after each epoch and each member.
        **settings: Settings that all members share.

    Returns:
        All members, and the winner with its verdict.

    Raises:
        BarsError: The prices break a rule.
        SettingError: The grid or a setting cannot be used, or the index cannot.
        ModelError: The folder is of another run, or a file in it is damaged.
        WindowError: The prices are too short for the blocks.
        TrainingError: No combination was trained without divergence.
        LeakageError: A forecast of the winner could have seen its own answer.
    """
    plan, bars = Grid.of(grid, seeds, settings, yes=yes), bars_of(prices)
    spec = WindowSpec(context_length=plan.longest_context, horizon=plan.base.horizon)
    split = split_by_date(
        bars, spec, plan.base.validation_start, plan.base.test_start
    )  # of the longest context, so that all members have the same windows
    dates = {
        "validation_start": str(split.validation_start),
        "test_start": str(split.test_start),
    }
    plan = replace(plan, base=replace(plan.base, **dates))  # type: ignore[arg-type]
    config, ledger = plan.to_config(versions()), Index(index)
    with _folder(out) as folder, open_run(folder, config, data_record(bars, source)):
        if out is not None:
            ledger.add_run(folder, config["hash"], bars.fingerprint, plan.size)
        if not (folder / SWEEP).exists():
            work = _Work(bars, split, folder, ledger, on_progress)
            _conclude(work, plan, work.train(plan.members()))
        return load_sweep(folder)


def load_sweep(folder: Path) -> Sweep:
    """Read a sweep that is done.

    Args:
        folder: Its run folder.

    Returns:
        What ``sweep`` returned.

    Raises:
        ModelError: A file is missing or damaged.
    """
    document = read_json(folder / SWEEP)
    winner = document["winner"]["name"]
    return Sweep(
        axes={name: tuple(values) for name, values in document["axes"].items()},
        members=tuple(MemberResult(**one) for one in document["members"]),
        combinations=tuple(Combination(**one) for one in document["combinations"]),
        winner=winner,
        forecaster=Forecaster.load(folder / MEMBERS / winner),
        trials=document["trials"],
        verdict=document["verdict"],
        why=tuple(document["why"]),
        test_crps=document["winner"]["test_crps"],
    )


@contextmanager
def _folder(out: str | Path | None) -> Iterator[Path]:
    if out is not None:
        yield Path(out)
        return
    with tempfile.TemporaryDirectory(prefix="closecast-sweep-") as folder:
        yield Path(folder)


class _Work:
    """What the members of a sweep have in common while they are trained."""

    def __init__(
        self,
        bars: Bars,
        split: Split,
        folder: Path,
        ledger: Index,
        on_progress: Callable[[SweepProgress], None] | None,
    ) -> None:
        self.bars, self.split, self.folder, self.ledger = bars, split, folder, ledger
        self.on_progress = on_progress
        self.done: dict[str, MemberResult] = {}
        self.reused = self.size = self.epochs_run = self.epochs_left = 0
        self.started = time.perf_counter()
        count = min(MAX_SCORED, len(split.train))
        spaced = np.linspace(0, len(split.train) - 1, count).astype(np.int64)
        self.scored = split.train[spaced]

    def train(self, members: Sequence[GridMember]) -> list[MemberResult]:
        """Train the members that are not on the disk yet.

        Args:
            members: All members.

        Returns:
            What became of each, in the same order.
        """
        for member in members:
            path = self._home(member) / MEMBER
            if path.exists():
                self.done[member.name] = MemberResult(**read_json(path))
        missing = [member for member in members if member.name not in self.done]
        self.reused, self.size = len(self.done), len(members)
        self.epochs_left = sum(member.settings.epochs for member in missing)
        self._report(None)
        for fleet in _fleets(missing):
            hashes = [member.settings.hash for member in fleet]
            self.ledger.add_trials(self.bars.fingerprint, hashes)  # also if killed now
            for member, outcome in zip(fleet, self._train_fleet(fleet), strict=True):
                self._keep(member, outcome)
        return [self.done[member.name] for member in members]

    def _train_fleet(
        self, fleet: Sequence[GridMember]
    ) -> list[TrainedModel | TrainingError]:
        jobs = [
            Job(
                name=member.name,
                settings=member.settings,
                train=self.split.train,
                validation=self.split.validation,
            )
            for member in fleet
        ]
        return train_each(self.bars, jobs, self._on_epoch)

    def _keep(self, member: GridMember, outcome: TrainedModel | TrainingError) -> None:
        seed, home = member.settings.seed, self._home(member)
        if isinstance(outcome, TrainingError):
            home.mkdir(parents=True, exist_ok=True)
            result = MemberResult(
                name=member.name, values=member.values, seed=seed, diverged=str(outcome)
            )
            ran = 0
        else:
            save(outcome, home)
            result = self._result(member, outcome)
            ran = len(outcome.curve.train_loss)
        write_json(home / MEMBER, asdict(result))  # last: now the member is done
        self.done[member.name] = result
        self.epochs_left -= member.settings.epochs - ran
        self._report(None)

    def _result(self, member: GridMember, model: TrainedModel) -> MemberResult:
        curve = model.curve
        kept = curve.best_epoch if model.settings.early_stopping else 0
        return MemberResult(
            name=member.name,
            values=member.values,
            seed=member.settings.seed,
            validation_loss=curve.validation_loss[kept - 1],
            best_epoch=curve.best_epoch,
            epochs=len(curve.train_loss),
            train_crps=_mean_crps(model, self.bars, self.scored),
            validation_crps=_mean_crps(model, self.bars, self.split.validation),
        )

    def _home(self, member: GridMember) -> Path:
        return self.folder / MEMBERS / member.name

    def _on_epoch(self, progress: Progress) -> None:
        self.epochs_run += 1
        self.epochs_left -= 1
        self._report(progress)

    def _report(self, running: Progress | None) -> None:
        if self.on_progress is None:
            return
        elapsed = time.perf_counter() - self.started
        rate = self.epochs_run / elapsed
        self.on_progress(
            SweepProgress(
                size=self.size,
                results=tuple(self.done.values()),
                reused=self.reused,
                running=running,
                windows_per_s=rate * len(self.split.train),
                left_s=max(0, self.epochs_left) / rate if rate else None,
            )
        )


def _fleets(members: Sequence[GridMember]) -> list[list[GridMember]]:
    groups: dict[object, list[GridMember]] = {}
    for member in members:
        settings = member.settings
        key = (settings.window_spec, settings.engine, settings.device)
        groups.setdefault(key, []).append(member)
    fleets = []
    for group in groups.values():
        engine = choose_engine(group[0].settings.engine, group[0].settings.device)
        # the torch engine trains one after the other: alone, each is safe sooner
        size = 1 if engine.name == "torch" else FLEET_SIZE
        fleets += [group[at : at + size] for at in range(0, len(group), size)]
    return fleets


def _mean_crps(
    model: TrainedModel, bars: Bars, rows: Int[np.ndarray, " window"]
) -> float:
    truth = WindowData.of(bars, model.settings.window_spec).target(rows)
    losses = crps(model.forecast(bars, rows), truth) / volatility(bars)[rows][:, None]
    return float(losses.mean())


def combine(results: Sequence[MemberResult]) -> list[Combination]:
    """Put the seeds of each combination together.

    Args:
        results: What became of the members.

    Returns:
        The best first: the least mean validation loss, those with a diverged seed
        behind the others.
    """
    groups: dict[tuple[Value, ...], list[MemberResult]] = {}
    for one in results:
        groups.setdefault(tuple(one.values.values()), []).append(one)
    return sorted((_combination(group) for group in groups.values()), key=_rank)


def _combination(group: Sequence[MemberResult]) -> Combination:
    losses = [one.validation_loss for one in group if one.validation_loss is not None]
    return Combination(
        values=group[0].values,
        seeds=len(group),
        diverged=len(group) - len(losses),
        mean_loss=statistics.fmean(losses) if losses else None,
        sd_loss=statistics.stdev(losses) if len(losses) > 1 else None,
        worst_loss=max(losses, default=None),
    )


def _rank(one: Combination) -> tuple[int, float]:
    return one.diverged, np.inf if one.mean_loss is None else one.mean_loss


def choose_winner(results: Sequence[MemberResult]) -> MemberResult:
    """Choose on validation: the best combination, and in it the best seed.

    Args:
        results: What became of the members.

    Returns:
        The winner.

    Raises:
        TrainingError: A seed of each combination diverged.
    """
    best = combine(results)[0]
    if best.diverged:
        first = next(one for one in results if one.diverged)
        raise TrainingError(
            f"Expected a combination whose seeds all train, got none (first: "
            f"{first.diverged}) Mend the grid."
        )
    own = [one for one in results if one.values == best.values]
    return min(own, key=_loss)


def _loss(one: MemberResult) -> float:
    return np.inf if one.validation_loss is None else one.validation_loss


def _conclude(work: _Work, plan: Grid, results: Sequence[MemberResult]) -> None:
    winner, bars = choose_winner(results), work.bars
    home = work.folder / MEMBERS / winner.name
    model = load(home)
    forecaster = Forecaster().adopt(model, bars, work.split)
    forecaster.save(home)  # with its leak stamps
    evaluation = forecaster.evaluate(bars)
    # counted once more: an index that was lost or exchanged must not flatter
    hashes = [member.settings.hash for member in plan.members()]
    work.ledger.add_trials(bars.fingerprint, hashes)
    trials = work.ledger.trials(bars.fingerprint)
    board = correct_for_trials(evaluation.scoreboard, plan.size, trials)
    evaluation = replace(evaluation, scoreboard=board)
    write_forecast(work.folder / "forecast.csv", forecaster.forecast(bars))
    board_text = {**evaluation.to_dict(), "seeds": plan.seeds, "trials": trials}
    write_json(work.folder / "scoreboard.json", board_text)
    _write_metrics(work.folder, results)
    document = {
        "format": FORMAT,
        "axes": {name: list(values) for name, values in plan.axes.items()},
        "seeds": plan.seeds,
        "trials": trials,
        "correction": "Bonferroni",
        "winner": {
            "name": winner.name,
            "chosen_by": "least mean validation loss over seeds, then the best seed",
            "test_crps": _mean_crps(model, bars, work.split.test),
        },
        "verdict": board.verdict,
        "why": list(evaluation.why),
        "combinations": [asdict(one) for one in combine(results)],
        "members": [asdict(one) for one in results],
    }
    write_json(work.folder / SWEEP, document)  # last: now the sweep is done


def _write_metrics(folder: Path, results: Sequence[MemberResult]) -> None:
    lines = []
    for one in results:
        if one.diverged is None:
            text = (folder / MEMBERS / one.name / METRICS).read_text()
            name = f'{{"member": "{one.name}", '
            lines += [name + line[1:] for line in text.splitlines()]
    write_durably(folder / METRICS, "".join(f"{line}\n" for line in lines).encode())
