"""The winner of an experiment: chosen on validation, judged with each trial counted.

Only the winner is scored on the test block: looking at the others' scores would
choose on it. What luck can explain of it is asked of all members' validation losses.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from closecast.durable import write_durably
from closecast.errors import TrainingError
from closecast.evaluation.trials import correct_for_trials
from closecast.experiments.forecaster import Forecaster
from closecast.experiments.members import (
    MEMBERS,
    Candidate,
    MemberResult,
    Value,
    Workshop,
)
from closecast.experiments.run import store_evidence, write_forecast, write_json
from closecast.experiments.selection import (
    DateLosses,
    ask_luck,
    baseline_losses,
    joined,
    read_losses,
    write_validation,
)
from closecast.models.baselines import Baseline, fit_baselines
from closecast.training.checkpoint import METRICS, load
from closecast.training.permuted import Permuted
from closecast.windows import WindowData

SWEEP = "sweep.json"

FORMAT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an experiment tried.

    Attributes:
        candidates: Every model, each once.
        axes: Values of each varied setting.
        seeds: Seeds of each combination.
        search: How candidates were proposed; None for all combinations of a grid.
    """

    candidates: Sequence[Candidate]
    axes: Mapping[str, tuple[Value, ...]]
    seeds: int
    search: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """The seeds of one combination of settings, together.

    Attributes:
        values: Value of each varied setting.
        seeds: Seeds that were trained.
        diverged: Networks that diverged; then it cannot win.
        mean_loss: Mean validation loss over the seeds, each over its folds; None
            without any.
        sd_loss: Its standard deviation over seeds; None with fewer than two.
        worst_loss: The greatest.
    """

    values: Mapping[str, Value]
    seeds: int
    diverged: int
    mean_loss: float | None
    sd_loss: float | None
    worst_loss: float | None


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
    by_seed: dict[int, list[float | None]] = {}
    for one in group:
        by_seed.setdefault(one.seed, []).append(one.validation_loss)
    known = [[loss for loss in seed if loss is not None] for seed in by_seed.values()]
    losses = [statistics.fmean(seed) for seed in known if seed]
    return Combination(
        values=group[0].values,
        seeds=len(by_seed),
        diverged=sum(one.validation_loss is None for one in group),
        mean_loss=statistics.fmean(losses) if losses else None,
        sd_loss=statistics.stdev(losses) if len(losses) > 1 else None,
        worst_loss=max(losses, default=None),
    )


def _rank(one: Combination) -> tuple[int, float]:
    return one.diverged, np.inf if one.mean_loss is None else one.mean_loss


def choose_winner(results: Sequence[MemberResult]) -> MemberResult:
    """Choose on validation: the best combination, and in it the newest's best seed.

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
    newest = max(one.fold or 0 for one in own)  # the others have not seen as much
    return min((one for one in own if (one.fold or 0) == newest), key=_loss)


def _loss(one: MemberResult) -> float:
    return np.inf if one.validation_loss is None else one.validation_loss


def conclude(work: Workshop, plan: Plan, results: Sequence[MemberResult]) -> None:
    """Choose the winner, judge it on the test block and write what was found.

    Args:
        work: What trained the members.
        plan: What was tried.
        results: What became of the candidates, in the same order.

    Raises:
        TrainingError: No combination was trained without divergence.
        LeakageError: A forecast of the winner could have seen its own answer.
        ModelError: What a member lost on validation is missing.
    """
    winner, bars, folder = choose_winner(results), work.bars, work.folder
    home = folder / MEMBERS / winner.name
    forecaster = Forecaster().adopt(load(home), bars, work.splits[-1])
    forecaster.save(home)  # with its leak stamps
    baselines = forecaster.fit_baselines(bars)
    evaluation = forecaster.evaluate(bars, baselines)
    # counted once more: an index that was lost or exchanged must not flatter
    hashes = [candidate.settings.hash for candidate in plan.candidates]
    work.ledger.add_trials(bars.fingerprint, hashes)
    trials = work.ledger.trials(bars.fingerprint)
    losses = _losses(work, results, baselines, forecaster)
    luck = ask_luck(
        *losses, winner=winner.name, trials=trials, horizon=forecaster.spec.horizon
    )
    board = correct_for_trials(evaluation.scoreboard, len(set(hashes)), trials, luck)
    evaluation = replace(evaluation, scoreboard=board)
    write_forecast(folder / "forecast.csv", forecaster.forecast(bars))
    found = {"trials": trials, "luck": [one.to_dict() for one in luck]}
    write_json(
        folder / "scoreboard.json",
        {**evaluation.to_dict(), "seeds": plan.seeds, **found},
    )
    store_evidence(folder, evaluation.evidence)
    _write_metrics(folder, results)
    document = {
        "format": FORMAT,
        "search": plan.search,
        "axes": {name: list(values) for name, values in plan.axes.items()},
        "seeds": plan.seeds,
        **found,
        "correction": "Bonferroni",
        "winner": {
            "name": winner.name,
            "chosen_by": "least mean validation loss over seeds, then the best seed",
            "test_crps": statistics.fmean(
                row.crps for row in board.rows if row.model == board.model
            ),
        },
        "verdict": board.verdict,
        "why": list(evaluation.why),
        "combinations": [asdict(one) for one in combine(results)],
        "members": [asdict(one) for one in results],
    }
    work.progress_file.remove()
    write_json(folder / SWEEP, document)  # last: now the experiment is done


def _losses(
    work: Workshop,
    results: Sequence[MemberResult],
    baselines: Sequence[Baseline | Permuted],
    forecaster: Forecaster,
) -> tuple[dict[str, DateLosses], dict[str, DateLosses]]:
    # of members and of baselines, written down: what is said of luck is made of them
    bars, spec = work.bars, forecaster.spec
    members = {
        group[-1].name: joined(
            read_losses(work.folder / MEMBERS / one.name) for one in group
        )
        for group in _by_seed(results)
    }
    older = [
        fit_baselines(bars, split.train, spec, forecaster.settings.calendar)
        for split in work.splits[:-1]
    ]
    tables = WindowData.of(bars, spec)
    by_fold = [
        baseline_losses(own, bars, tables, split.validation)
        for own, split in zip((*older, baselines), work.splits, strict=True)
    ]
    theirs = {name: joined(fold[name] for fold in by_fold) for name in by_fold[-1]}
    dates = [np.unique(bars.dates[split.validation]) for split in work.splits]
    write_validation(work.folder, np.concatenate(dates), members, theirs)
    return members, theirs


def _by_seed(results: Sequence[MemberResult]) -> list[list[MemberResult]]:
    # the folds of each seed of a combination, the oldest first; none that diverged
    groups: dict[object, list[MemberResult]] = {}
    for one in results:
        key = (*one.values.values(), one.seed)
        groups.setdefault(key, []).append(one)
    return [
        sorted(group, key=lambda one: one.fold or 0)
        for group in groups.values()
        if not any(one.diverged for one in group)
    ]


def _write_metrics(folder: Path, results: Sequence[MemberResult]) -> None:
    lines = []
    for one in results:
        if one.diverged is None:
            text = (folder / MEMBERS / one.name / METRICS).read_text()
            name = f'{{"member": "{one.name}", '
            lines += [name + line[1:] for line in text.splitlines()]
    write_durably(folder / METRICS, "".join(f"{line}\n" for line in lines).encode())
