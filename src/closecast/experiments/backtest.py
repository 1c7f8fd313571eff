"""Walk forward: what a way of forecasting would have been worth, refit after refit.

All folds and seeds are trained as one fleet. Every window of a test block is scored
once, by a model, baselines and a calibration of the sessions before it alone.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from closecast.engine.fleet import Progress
from closecast.errors import SettingError
from closecast.evaluation.scoreboard import Scoreboard, score
from closecast.evaluation.scores import crps, hits, squared_error
from closecast.evaluation.verdict import DENSITY_BASELINES, MEAN_BASELINES
from closecast.experiments.defects import checkup_of, tell_refused, tell_still
from closecast.experiments.evidence import as_stored
from closecast.experiments.fitted import Fitted, fitted_on
from closecast.experiments.record import block_of, data_of, stamps_of
from closecast.experiments.workers import IN_PROCESS, Workers
from closecast.forecast import PATH_BANDS, Forecast, concatenated
from closecast.market.bars import Bars
from closecast.market.broken import broken_steps
from closecast.models.baselines import fit_baselines
from closecast.training.model import Job, train_jobs
from closecast.training.settings import Settings
from closecast.windows import Fold, WindowData, walk_forward
from closecast.windows.leakage import LeakResult, require_no_leak, scaler_audit
from closecast.windows.scaling import volatility
from closecast.windows.walk_forward import FOLDS, REFIT_EVERY

SAME_SIGN_SHARE = 0.7
"""Evidence asks for the same sign of the skill in this share of the folds."""

INTERVALS = (50, 80, 95)

Truth = Float[np.ndarray, "window horizon"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to walk.

    Attributes:
        folds: Test blocks, end to end, of the newest sessions.
        refit: Whether each fold trains again; otherwise the first fold's model and
            baselines are tested on all.
        expanding: Whether a fold trains from the first session on; otherwise the
            training block rolls.
        refit_every: Sessions of a test block.
    """

    folds: int = FOLDS
    refit: bool = True
    expanding: bool = False
    refit_every: int = REFIT_EVERY


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldScore:
    """How the model did in one test block, beside each baseline.

    Attributes:
        number: The fold.
        skill_crps_vs: 1 - CRPS / the baseline's CRPS at each step.
        skill_rmse_vs: 1 - RMSE / the baseline's RMSE at each step.
        coverage_80: Share of closes in the 80 % interval at each step.
        coverage_95: Share of closes in the 95 % interval at each step.
    """

    number: int
    skill_crps_vs: Mapping[str, list[float]]
    skill_rmse_vs: Mapping[str, list[float]]
    coverage_80: list[float]
    coverage_95: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SameSign:
    """How steady the skill against a baseline is.

    Attributes:
        what: ``"mean"`` or ``"density"``.
        baseline: Name of the baseline.
        folds: Share of the folds whose skill, averaged over the steps, is above 0.
        seeds: The same share of the seeds, each scored alone over all folds.
    """

    what: str
    baseline: str
    folds: float
    seeds: float

    @property
    def steady(self) -> bool:
        """Whether it is above 0 in enough folds and in every seed."""
        return self.folds >= SAME_SIGN_SHARE and self.seeds == 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Backtest:
    """What a walk forward found.

    Attributes:
        scoreboard: Scores over all test windows, and the verdict over them.
        folds: The blocks.
        fold_scores: Scores of each fold.
        same_sign: How steady the skill is over folds and seeds.
        seed_skill: CRPS skill of each seed alone against each baseline of the density,
            averaged over the steps.
        forecasts: Forecasts of all test windows by name, the model's first.
        truth: Log returns from the last close that came.
        scale: The symbol's volatility of one session known at each cutoff.
        fold_numbers: Fold of each test window.
        leak_tests: Outcomes of the leak tests of all trainings.
        fitted: The model of the newest fold.
        bars: The panel.
        settings: What the models were made of.
        plan: How it walked.
    """

    scoreboard: Scoreboard
    folds: tuple[Fold, ...]
    fold_scores: tuple[FoldScore, ...]
    same_sign: tuple[SameSign, ...]
    seed_skill: Mapping[str, list[float]]
    forecasts: Mapping[str, Forecast]
    truth: Truth
    scale: Float[np.ndarray, " window"]
    fold_numbers: Int[np.ndarray, " window"]
    leak_tests: tuple[LeakResult, ...]
    fitted: Fitted
    bars: Bars
    settings: Settings
    plan: Plan

    @property
    def verdict(self) -> str:
        """The verdict in words; evidence that folds or seeds gainsay is none."""
        text = self.scoreboard.verdict
        for what in ("mean", "density"):
            if not all(one.steady for one in self.same_sign if one.what == what):
                text = re.sub(
                    rf"(?<!no )\bevidence of skill in the {what}",
                    f"no evidence of skill in the {what}",
                    text,
                    flags=re.IGNORECASE,
                )
        text = text[0].lower() + text[1:]
        return f"Walk-forward, {len(self.folds)} folds: {text}"

    @property
    def why(self) -> tuple[str, ...]:
        """The figures behind the verdict, a sentence each."""
        return (
            *self.scoreboard.why,
            *(_steadiness(one, len(self.folds)) for one in self.same_sign),
            self._caution(),
        )

    def _caution(self) -> str:
        seeds = self.settings.seeds
        whose = "one seed" if seeds == 1 else f"{seeds} seeds that forecast together"
        trained = "trained anew" if self.plan.refit else "of one training"
        block = "an expanding" if self.plan.expanding else "a rolling"
        return (
            f"These are figures of {len(self.folds)} folds, walked forward over "
            f"{block} training block, {trained}, and of {whose}."
        )

    def frame(self, kind: str = "pandas") -> Any:  # noqa: ANN401
        """Lay every forecast beside what came, as Nixtla's libraries do.

        Args:
            kind: ``pandas``, ``polars`` or ``pyarrow``.

        Returns:
            Columns unique_id, ds (the target session), cutoff, y, step and fold; for
            each model its mean under its name, its median, and the edges of its
            50, 80 and 95 % intervals such as closecast-lo-80, and of the bands of the
            whole path such as closecast-path-lo-80. In price units.
        """
        from closecast.market.readers import frame_of

        return frame_of(self.to_columns(), kind)

    def to_columns(self) -> dict[str, np.ndarray]:
        """Give the columns of ``frame``.

        Returns:
            Columns of one length by name.
        """
        own = next(iter(self.forecasts.values()))
        columns = {
            "unique_id": np.repeat(own.symbols, own.horizon),
            "ds": own.target_dates.ravel(),
            "cutoff": np.repeat(own.cutoffs, own.horizon),
            "y": own.price(self.truth).ravel(),
            "step": np.tile(np.arange(1, own.horizon + 1), len(own)),
            "fold": np.repeat(self.fold_numbers, own.horizon),
        }
        for name, forecast in self.forecasts.items():
            columns |= _price_columns(name, forecast)
        return columns

    def to_dict(self) -> dict[str, Any]:
        """Lay the scores out for ``scoreboard.json``.

        Returns:
            Plain values that JSON holds.
        """
        return {
            **self.scoreboard.to_dict(),
            "verdict": self.verdict,
            "why": list(self.why),
            "leak_tests": stamps_of(self.leak_tests),
            "data": data_of(self.bars),
            "data_check": checkup_of(self.bars, self.settings.window_spec).to_dict(),
            "split": {
                name: block_of(self.bars, self._union(name))
                for name in ("train", "validation", "test")
            },
            "walk_forward": {
                **asdict(self.plan),
                "same_sign": [_plain(one) for one in self.same_sign],
                "by_fold": [_plain(one) for one in self.fold_scores],
                "crps_skill_by_seed": {
                    n: _summary(v) for n, v in self.seed_skill.items()
                },
            },
            "seeds": self.settings.seeds,
            "settings": self.settings.to_dict(),
        }

    def folds_to_dict(self) -> dict[str, Any]:
        """Lay the split out for ``folds.json``.

        Returns:
            The blocks of each fold: dates of the first and last cutoff and windows.
        """
        return {
            **asdict(self.plan),
            "folds": [
                {
                    "number": fold.number,
                    **{
                        name: block_of(self.bars, getattr(fold.split, name))
                        for name in ("train", "validation", "test")
                    },
                }
                for fold in self.folds
            ],
        }

    def _union(self, name: str) -> Int[np.ndarray, " window"]:
        trained = self.folds if self.plan.refit or name == "test" else self.folds[:1]
        blocks = [getattr(fold.split, name) for fold in trained]
        return np.unique(np.concatenate(blocks))


def backtest(
    bars: Bars,
    settings: Settings,
    plan: Plan,
    on_epoch: Callable[[Progress], None] | None = None,
    *,
    workers: Workers = IN_PROCESS,
) -> Backtest:
    """Walk a way of forecasting forward through a panel.

    Args:
        bars: The panel.
        settings: What each model is made of.
        plan: How to walk.
        on_epoch: Called after each epoch of each network.
        workers: Where folds are trained; see ``closecast.experiments.workers``.

    Returns:
        What was found.

    Raises:
        SettingError: A date of a single split is set.
        WindowError: The panel is too short for a fold.
        TrainingError: A training diverged.
        LeakageError: A forecast could have seen its own answer.
    """
    _refuse_dates(settings)
    blocks = walk_forward(
        bars,
        settings.window_spec,
        plan.folds,
        refit_every=plan.refit_every,
        expanding=plan.expanding,
        broken=broken_steps(bars),
    )
    tell_still(bars)
    tell_refused(bars, settings.window_spec, blocks[-1].split.test_start)
    legs = [
        _Leg(trained=fold, tested=(fold,) if plan.refit else blocks)
        for fold in (blocks if plan.refit else blocks[:1])
    ]
    size = workers.fleet_size(len(legs), len(legs))
    tasks = [legs[at : at + size] for at in range(0, len(legs), size)]
    done = dict(workers.run(_walk, (bars, settings), tasks, on_epoch))
    walked = [leg for place in range(len(tasks)) for leg in done[place]]
    speaking = tuple(fitted for fitted, parts in walked for _ in parts)
    parts = [part for _, parts in walked for part in parts]
    return _judged(bars, settings, plan, blocks, speaking, parts)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Leg:
    # one training, and the folds whose test blocks it is judged on
    trained: Fold
    tested: tuple[Fold, ...]


def _walk(
    data: tuple[Bars, Settings],
    legs: Sequence[_Leg],
    on_epoch: Callable[[Progress], None] | None,
) -> list[tuple[Fitted, list[dict[str, Forecast]]]]:
    # for each leg what was trained, and its forecasts of each test block
    bars, settings = data
    walked = []
    for leg, one in zip(
        legs,
        _train(bars, settings, [leg.trained for leg in legs], on_epoch),
        strict=True,
    ):
        tests = [fold.split.test for fold in leg.tested]
        walked.append((one, [_forecasts(bars, one, leg.trained, t) for t in tests]))
    return walked


def _refuse_dates(settings: Settings) -> None:
    for name in ("validation_start", "test_start"):
        if getattr(settings, name) is not None:
            raise SettingError(
                f"Expected no {name} in a walk forward, got "
                f"{getattr(settings, name)}. Leave it out: each fold has dates of its "
                "own."
            )


def _train(
    bars: Bars,
    settings: Settings,
    folds: Sequence[Fold],
    on_epoch: Callable[[Progress], None] | None,
) -> tuple[Fitted, ...]:
    jobs = [
        Job(
            name=f"fold {fold.number}",
            settings=replace(
                settings,
                validation_start=str(fold.split.validation_start),
                test_start=str(fold.split.test_start),
            ),
            train=fold.split.train,
            validation=fold.split.validation,
        )
        for fold in folds
    ]
    models = train_jobs(bars, jobs, on_epoch)
    return tuple(
        Fitted.of(model, bars, fold.split)
        for model, fold in zip(models, folds, strict=True)
    )


def _forecasts(
    bars: Bars, fitted: Fitted, trained: Fold, test: Int[np.ndarray, " window"]
) -> dict[str, Forecast]:
    settings = fitted.model.settings
    baselines = fit_baselines(
        bars, trained.split.train, settings.window_spec, settings.calendar
    )
    permuted = [] if fitted.permuted is None else [fitted.permuted]
    cut = str(trained.split.validation_start)
    require_no_leak([scaler_audit(fitted_on(baselines), cut)])
    return {
        one.name: as_stored(one.forecast(bars, test))
        for one in (fitted.voice, *baselines, *permuted)
    }


def _judged(
    bars: Bars,
    settings: Settings,
    plan: Plan,
    blocks: tuple[Fold, ...],
    speaking: tuple[Fitted, ...],
    parts: list[dict[str, Forecast]],
) -> Backtest:
    tests = np.concatenate([block.split.test for block in blocks])
    numbers = np.repeat(
        [block.number for block in blocks], [len(block.split.test) for block in blocks]
    )
    forecasts = {
        name: concatenated([part[name] for part in parts])
        for name in parts[0]
        if all(name in part for part in parts)
    }
    truth = WindowData.of(bars, settings.window_spec).target(tests)
    scale = volatility(bars)[tests]
    seeds = _by_seed(bars, speaking, blocks, forecasts)
    fold_scores = tuple(
        _fold_score(forecasts, truth, scale, np.flatnonzero(numbers == n), n)
        for n in np.unique(numbers).tolist()
    )
    seed_scores = [
        _fold_score(
            {**forecasts, next(iter(forecasts)): own},
            truth,
            scale,
            np.arange(len(tests)),
            n,
        )
        for n, own in enumerate(seeds)
    ]
    return Backtest(
        scoreboard=score(forecasts, truth, scale),
        folds=blocks,
        fold_scores=fold_scores,
        same_sign=_same_signs(fold_scores, seed_scores),
        seed_skill={
            name: [float(np.mean(one.skill_crps_vs[name])) for one in seed_scores]
            for name in DENSITY_BASELINES
        },
        forecasts=forecasts,
        truth=truth,
        scale=scale,
        fold_numbers=numbers,
        leak_tests=_merged([one.leak_tests for one in dict.fromkeys(speaking)]),
        fitted=speaking[-1],
        bars=bars,
        settings=settings,
        plan=plan,
    )


def _by_seed(
    bars: Bars,
    speaking: tuple[Fitted, ...],
    blocks: tuple[Fold, ...],
    forecasts: Mapping[str, Forecast],
) -> list[Forecast]:
    # each seed's forecasts over all folds; those of a single seed are there already
    seeds = len(speaking[0].model.members)
    if seeds == 1:
        return [next(iter(forecasts.values()))]
    return [
        concatenated(
            [
                replace(one, model=one.model.members[seed]).voice.forecast(
                    bars, block.split.test
                )
                for one, block in zip(speaking, blocks, strict=True)
            ]
        )
        for seed in range(seeds)
    ]


def _fold_score(
    forecasts: Mapping[str, Forecast],
    truth: Truth,
    scale: Float[np.ndarray, " window"],
    windows: Int[np.ndarray, " some"],
    number: int,
) -> FoldScore:
    here, unit = truth[windows], scale[windows][:, None]
    parts = {name: forecast.take(windows) for name, forecast in forecasts.items()}
    density = {n: (crps(f, here) / unit).mean(axis=0) for n, f in parts.items()}
    centre = {n: np.sqrt(squared_error(f, here).mean(axis=0)) for n, f in parts.items()}
    judged, *baselines = parts
    return FoldScore(
        number=number,
        skill_crps_vs={n: _skill(density[judged], density[n]) for n in baselines},
        skill_rmse_vs={n: _skill(centre[judged], centre[n]) for n in baselines},
        coverage_80=hits(parts[judged], here, 0.8).mean(axis=0).tolist(),
        coverage_95=hits(parts[judged], here, 0.95).mean(axis=0).tolist(),
    )


def _skill(
    own: Float[np.ndarray, " horizon"], other: Float[np.ndarray, " horizon"]
) -> list[float]:
    return [float(skill) for skill in 1 - own / other]


def _same_signs(
    folds: Sequence[FoldScore], seeds: Sequence[FoldScore]
) -> tuple[SameSign, ...]:
    aspects = [("mean", "skill_rmse_vs", name) for name in MEAN_BASELINES]
    aspects += [("density", "skill_crps_vs", name) for name in DENSITY_BASELINES]
    return tuple(
        SameSign(
            what=what,
            baseline=name,
            folds=_share_above(folds, skills, name),
            seeds=_share_above(seeds, skills, name),
        )
        for what, skills, name in aspects
    )


def _share_above(scores: Sequence[FoldScore], skills: str, baseline: str) -> float:
    means = [np.mean(getattr(one, skills)[baseline]) for one in scores]
    return float(np.mean(np.asarray(means) > 0))


def _steadiness(one: SameSign, folds: int) -> str:
    score_name = "RMSE" if one.what == "mean" else "CRPS"
    return (
        f"{one.what.capitalize()} against {one.baseline}: {score_name} skill above 0 "
        f"in {round(one.folds * folds)} of {folds} folds and in {one.seeds:.0%} of the "
        f"seeds; evidence asks for {SAME_SIGN_SHARE:.0%} and all."
    )


def _merged(stamps: Sequence[Sequence[LeakResult]]) -> tuple[LeakResult, ...]:
    # one result a test over all trainings, with the newest training's detail
    ordered = sorted((one for each in stamps for one in each), key=lambda r: r.name)
    merged = []
    for name, group in groupby(ordered, key=lambda r: r.name):
        results = list(group)
        checked = [one.passed for one in results if one.passed is not None]
        merged.append(
            LeakResult(
                name,
                all(checked) if checked else None,
                f"passed after {sum(checked)} of {len(results)} trainings; the last: "
                f"{results[-1].detail}",
            )
        )
    return tuple(merged)


def _price_columns(name: str, forecast: Forecast) -> dict[str, np.ndarray]:
    columns = {
        name: forecast.price(forecast.mean).ravel(),
        f"{name}-median": forecast.price(forecast.quantile(0.5)).ravel(),
    }
    for percent in INTERVALS:
        for edge, sign in (("lo", -1), ("hi", 1)):
            level = round(0.5 + sign * percent / 200, 9)
            price = forecast.price(forecast.quantile(level))
            columns[f"{name}-{edge}-{percent}"] = price.ravel()
    if forecast.path_stretch is not None:
        for percent in PATH_BANDS:
            ends = zip(("lo", "hi"), forecast.path_interval(percent / 100), strict=True)
            columns |= {
                f"{name}-path-{end}-{percent}": forecast.price(edge).ravel()
                for end, edge in ends
            }
    return columns


def _summary(values: Sequence[float]) -> dict[str, Any]:
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {
        "seeds": list(values),
        "mean": float(np.mean(values)),
        "sd": deviation,
        "worst": min(values),
    }


def _plain(one: FoldScore | SameSign) -> dict[str, Any]:
    return asdict(one)
