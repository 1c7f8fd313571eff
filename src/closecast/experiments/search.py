"""A search: settings proposed from what earlier ones were worth, and one winner.

Optuna proposes a batch, the batch is trained as a fleet, its losses are told, and so
on. A proposal depends on its number and on the losses before it alone. So a search that
was killed proposes the same again, trains nothing twice, and ends with the same bytes:
it keeps no state of its own that could be lost.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from closecast.durable import write_durably
from closecast.errors import SettingError
from closecast.experiments.grid import MAX_UNASKED, by_fold, member_name, require_meant
from closecast.experiments.members import (
    Candidate,
    Folds,
    MemberResult,
    SweepProgress,
    Value,
    Workshop,
)
from closecast.experiments.rungs import PRUNINGS, rungs_of
from closecast.experiments.space import SEEDS, Axis, Range, Space
from closecast.experiments.sweep import Sweep, carry_out
from closecast.experiments.winner import Plan, combine
from closecast.experiments.workers import IN_PROCESS, Workers
from closecast.models.config import require_choice, require_whole

if TYPE_CHECKING:
    import optuna

SAMPLERS = ("tpe", "random")

JOURNAL = "optuna.journal"
"""Every trial as Optuna writes it, so that its tools can read a search that is done."""

STUDY = "closecast"

MOST_TRIALS = 1_000_000


def search(  # noqa: PLR0913  each is a choice of its own
    prices: object,
    space: Mapping[str, Any],
    *,
    trials: int = 50,
    sampler: str = "tpe",
    pruning: str = "none",
    batch: int = 8,
    seeds: int = SEEDS,
    folds: int = 1,
    out: str | Path | None = None,
    index: str | Path | None = None,
    storage: str | None = None,
    yes: bool = False,
    source: str = "prices",
    on_progress: Callable[[SweepProgress], None] | None = None,
    workers: Workers = IN_PROCESS,
    **settings: object,
) -> Sweep:
    """Search settings for the least validation loss and judge the best one honestly.

    Called again with the same arguments after it was cut off, it goes on with the
    members that are missing.

    Args:
        prices: A frame, a path or a panel; see ``closecast.read_prices``.
        space: For each setting to vary a list of values, or a range such as
            ``{"low": 1e-4, "high": 1e-1, "log": True}``.
        trials: Proposals.
        sampler: What proposes: ``"tpe"`` or ``"random"``.
        pruning: Whether all but the best third of a batch are left behind after few
            epochs, and again: ``"none"``, ``"halving"`` or ``"hyperband"``; see
            ``closecast.experiments.rungs``. Its batch is one fleet of one worker.
        batch: Proposals that are trained together, before any of their losses is told.
        seeds: Seeds of each proposal; it is worth its mean loss over them.
        folds: Validation blocks, one before the other, that each proposal is trained
            before; it is worth its mean loss over them too.
        out: Run folder to keep everything in; None keeps nothing on the disk.
        index: The index that counts trials; see ``closecast.experiments.index``.
        storage: URL of an Optuna storage that trials are copied to after each batch.
        yes: Whether more than 10,000 members are meant.
        source: What the prices are called in the run.
        on_progress: Called after each epoch and each member.
        workers: Where members are trained; see ``closecast.experiments.workers``.
        **settings: Settings that all candidates share.

    Returns:
        All members, and the winner with its verdict.

    Raises:
        BarsError: The prices break a rule.
        SettingError: The space or a setting cannot be used, or the index cannot, or
            Optuna is not installed.
        ModelError: The folder is of another run, or a file in it is damaged.
        WindowError: The prices are too short for the blocks.
        TrainingError: No proposal was trained without divergence.
        LeakageError: A forecast of the winner could have seen its own answer.

    Source: Akiba et al. (2019), Optuna, doi:10.1145/3292500.3330701; Bergstra et al.
    (2011), Algorithms for Hyper-Parameter Optimization, for the sampler "tpe".
    """
    require_whole("trials", trials, 1, MOST_TRIALS)
    require_whole("batch", batch, 1, MAX_UNASKED)
    require_choice("sampler", sampler, SAMPLERS)
    require_choice("pruning", pruning, PRUNINGS)
    how = {"sampler": sampler, "trials": trials, "batch": batch}
    if pruning != "none":
        how["pruning"] = pruning
    varied = Space.of(space, seeds, settings, folds=folds)
    size = trials * varied.seeds * varied.folds
    require_meant(size, yes=yes)
    _require_one_length(varied, pruning)

    def train(work: Workshop, space: Space) -> Plan:
        with _optuna_quiet():
            study = _Study(space, sampler, storage)
            for number, first in enumerate(range(0, trials, batch)):
                rungs = rungs_of(pruning, space.base.epochs, number)
                study.advance(work, min(batch, trials - first), rungs)
            study.write_journal(work.folder / JOURNAL)
        return Plan(
            candidates=list(study.candidates.values()),
            axes={name: study.tried(name) for name in space.axes},
            seeds=space.seeds,
            search=how,
        )

    return carry_out(
        prices,
        varied,
        train,
        size=size,
        folds=varied.folds,
        out=out,
        index=index,
        source=source,
        on_progress=on_progress,
        workers=workers,
        search=how,
    )


def _require_one_length(space: Space, pruning: str) -> None:
    rungs_of(pruning, space.base.epochs, 0)
    for name in ("epochs", "early_stopping"):
        if pruning != "none" and name in space.axes:
            raise SettingError(
                f"Expected members that are compared after as many epochs, got a space "
                f"of {name} with pruning {pruning}. Leave {name} out of the space, or "
                "choose pruning none."
            )


class _Study:
    """What was proposed so far, and what it was worth."""

    def __init__(self, space: Space, sampler: str, storage: str | None) -> None:
        import optuna

        self.space, self.sampler = space, sampler
        self.distributions = {n: _distribution(a) for n, a in space.axes.items()}
        self.study = optuna.create_study()  # in memory: proposals can be made again
        self.copy = None if storage is None else _shared_study(storage)
        self.candidates: dict[str, Candidate] = {}

    def advance(self, work: Workshop, count: int, rungs: tuple[int, ...]) -> None:
        """Propose a batch, train it and tell what it was worth.

        Args:
            work: What trains.
            count: Proposals.
            rungs: Epochs after which only the best of them go on.
        """
        trials = [self._ask() for _ in range(count)]
        batches = [self._members(trial.params, work.splits) for trial in trials]
        fresh = {one.name: one for batch in batches for one in batch}
        self.candidates |= fresh
        work.train(list(fresh.values()), rungs)
        for trial, batch in zip(trials, batches, strict=True):
            self._tell(trial, [work.done[one.name] for one in batch], rungs)
        if self.copy is not None:
            _add_missing(self.copy, self.study.trials)

    def tried(self, name: str) -> tuple[Value, ...]:
        """List the values of a setting that were proposed, in order."""
        values = dict.fromkeys(one.values[name] for one in self.candidates.values())
        axis = self.space.axes[name]
        order = None if isinstance(axis, Range) else axis.index
        return tuple(sorted(values, key=order))

    def write_journal(self, path: Path) -> None:
        """Write all trials in the format of Optuna's journals, whole or not at all."""
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        draft = path.with_name(f".{path.name}.tmp")
        draft.unlink(missing_ok=True)
        _add_missing(
            _shared_study(JournalStorage(JournalFileBackend(str(draft)))),
            self.study.trials,
        )
        write_durably(path, draft.read_bytes())
        draft.unlink()

    def _ask(self) -> "optuna.trial.Trial":
        number = len(self.study.trials)
        self.study.sampler = _sampler(self.sampler, self.space.base.seed, number)
        return self.study.ask(self.distributions)

    def _members(self, params: Mapping[str, Value], splits: Folds) -> list[Candidate]:
        base, first = self.space.base, self.space.base.seed
        values = {name: params[name] for name in self.space.axes}
        return [
            member
            for seed in range(first, first + self.space.seeds)
            for member in by_fold(
                Candidate(
                    name=member_name(values, seed),
                    values=values,
                    settings=replace(base, **values, seed=seed),  # type: ignore[arg-type]
                ),
                splits,
            )
        ]

    def _tell(
        self,
        trial: "optuna.trial.Trial",
        results: Sequence[MemberResult],
        rungs: tuple[int, ...],
    ) -> None:
        from optuna.trial import TrialState

        (worth,) = combine(results)
        if worth.diverged or worth.mean_loss is None:
            self.study.tell(trial, state=TrialState.FAIL)
        elif any(self._left_behind(one, rungs) for one in results):
            trial.report(worth.mean_loss, max(one.epochs or 0 for one in results))
            self.study.tell(trial, state=TrialState.PRUNED)
        else:
            self.study.tell(trial, worth.mean_loss)

    def _left_behind(self, one: MemberResult, rungs: tuple[int, ...]) -> bool:
        settings = self.candidates[one.name].settings
        epochs, best = one.epochs or 0, one.best_epoch or 0
        stopped = settings.early_stopping and epochs - best >= settings.patience
        return epochs in rungs and epochs < settings.epochs and not stopped


def _sampler(name: str, seed: int, number: int) -> "optuna.samplers.BaseSampler":
    # a new one for each proposal: none has a state that a killed search would lose
    from optuna import samplers

    if name == "tpe":
        # the others of a batch count as bad, so that it does not crowd in one place
        return samplers.TPESampler(seed=seed + number, constant_liar=True)
    return samplers.RandomSampler(seed=seed + number)


def _distribution(axis: Axis) -> "optuna.distributions.BaseDistribution":
    from optuna import distributions

    if not isinstance(axis, Range):
        return distributions.CategoricalDistribution(axis)
    if axis.whole:
        return distributions.IntDistribution(
            int(axis.low), int(axis.high), log=axis.log
        )
    return distributions.FloatDistribution(axis.low, axis.high, log=axis.log)


def _shared_study(storage: "str | optuna.storages.BaseStorage") -> "optuna.Study":
    import optuna

    try:
        return optuna.create_study(
            storage=storage, study_name=STUDY, load_if_exists=True
        )
    except Exception as error:  # each kind of storage has errors of its own
        raise SettingError(
            f"Expected an Optuna storage that can be opened, got {error} ({storage}). "
            "Give a URL such as sqlite:///trials.db."
        ) from error


def _add_missing(
    study: "optuna.Study", trials: Sequence["optuna.trial.FrozenTrial"]
) -> None:
    for trial in trials[len(study.trials) :]:
        study.add_trial(trial)


@contextmanager
def _optuna_quiet() -> Iterator[None]:
    # its own log of each trial would fill the screen beside ours
    try:
        import optuna
    except ImportError as error:
        raise SettingError(
            "Expected Optuna to search with, got none installed. Install "
            "closecast[search]."
        ) from error
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
