"""The verdict: what the figures allow to be said, in one sentence.

"No evidence" is said as plainly as "evidence". Skill counts where it is above 0 with
an interval off zero and a small p-value against every named baseline, and where the
model belongs to the confidence set of all models, at most steps. A p-value is never
given without its skill.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from closecast.errors import SettingError
from closecast.evaluation.comparison import Interval
from closecast.evaluation.rows import Row

MEAN_BASELINES = ("zero", "drift")
DENSITY_BASELINES = ("ewma_t", "har_t", "garch_t")

MAX_P = 0.1
"""Largest p-value of evidence; of a chosen model it is multiplied by the trials."""

LEAST_P_SHOWN = 0.01
"""Smaller p-values are shown as smaller than this; none is 0."""

COVERAGE_TOLERANCE = 0.03
"""How far coverage may be from nominal while an interval is said to hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What may be said of a model.

    Attributes:
        text: The verdict in words.
        why: Sentences with the figures behind it.
        mean_skill: Whether there is evidence of skill in the mean.
        density_skill: Whether there is evidence of skill in the density.
        intervals_hold: Whether the intervals cover what they promise at every step.
        suspicious: Whether a figure is too good for prices.
    """

    text: str
    why: tuple[str, ...]
    mean_skill: bool
    density_skill: bool
    intervals_hold: bool
    suspicious: bool


def judge(
    rows: Sequence[Row], alarms: Sequence[str], refused: Collection[str] = ()
) -> Verdict:
    """Judge a model by its rows.

    Args:
        rows: The judged model's rows, from step 1 on.
        alarms: Sentences on figures that are too good.
        refused: ``"mean"`` or ``"density"`` where something else than these figures
            forbids to speak of evidence.

    Returns:
        The verdict.

    Raises:
        SettingError: A baseline that the verdict is measured against is missing.
    """
    mean_skill, mean_why = _weigh(rows, _MEAN)
    density_skill, density_why = _weigh(rows, _DENSITY)
    mean_skill, density_skill = (
        skill and name not in refused
        for name, skill in (("mean", mean_skill), ("density", density_skill))
    )
    held = _intervals_hold(rows)
    parts = (
        f"{'Evidence' if mean_skill else 'No evidence'} of skill in the mean",
        f"{'evidence' if density_skill else 'no evidence'} of skill in the density",
        f"the intervals {'hold' if held else 'do not hold'}.",
    )
    warning = "Suspicious, too good for prices: look for a leak first. "
    return Verdict(
        text=(warning if alarms else "") + "; ".join(parts),
        why=(*alarms, *mean_why, *density_why, _coverage_sentence(rows)),
        mean_skill=mean_skill,
        density_skill=density_skill,
        intervals_hold=held,
        suspicious=bool(alarms),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Aspect:
    """One side of a forecast, and where a row keeps its figures."""

    name: str
    score: str
    baselines: tuple[str, ...]
    skills: Callable[[Row], Mapping[str, float]]
    intervals: Callable[[Row], Mapping[str, Interval]]
    p_values: Callable[[Row], Mapping[str, float | None]]
    in_set: Callable[[Row], bool | None]


_MEAN = _Aspect(
    name="mean",
    score="RMSE",
    baselines=MEAN_BASELINES,
    skills=lambda row: row.skill_rmse_vs,
    intervals=lambda row: row.skill_rmse_interval_vs,
    p_values=lambda row: row.dm_p_mean_vs,
    in_set=lambda row: row.in_mcs_mean,
)
_DENSITY = _Aspect(
    name="density",
    score="CRPS",
    baselines=DENSITY_BASELINES,
    skills=lambda row: row.skill_crps_vs,
    intervals=lambda row: row.skill_crps_interval_vs,
    p_values=lambda row: row.dm_p_vs,
    in_set=lambda row: row.in_mcs,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Beaten:
    """The skill against one baseline at one step."""

    skill: float
    interval: Interval
    p_value: float | None

    @property
    def sure(self) -> bool:
        """Whether the skill is above 0, and both interval and test agree."""
        if self.interval is None or self.p_value is None:
            return False
        return self.skill > 0 and self.interval[0] > 0 and self.p_value <= MAX_P

    @property
    def words(self) -> str:
        """The skill with its interval and its p-value."""
        if self.interval is None:
            return f"{self.skill:+.2%}, not tested"
        low, high = self.interval
        return f"{self.skill:+.2%} [{low:+.2%}, {high:+.2%}], {p_words(self.p_value)}"


def _weigh(rows: Sequence[Row], aspect: _Aspect) -> tuple[bool, list[str]]:
    # Evidence asks for all the baselines to be beaten at the same steps, at most steps.
    sure_by_step = [True] * len(rows)
    sentences = []
    for baseline in aspect.baselines:
        if rows[0].model == baseline:
            sure_by_step = [False] * len(rows)
            sentences.append(
                f"The {aspect.name} is that of the baseline {baseline} itself."
            )
            continue
        steps = [_beaten(row, aspect, baseline) for row in rows]
        sure_by_step = [a and b.sure for a, b in zip(sure_by_step, steps, strict=True)]
        sentences.append(_skill_sentence(aspect, baseline, steps))
    in_set = [aspect.in_set(row) is True for row in rows]
    sentences.append(_set_sentence(rows, aspect, sum(in_set)))
    most = len(rows) / 2
    return sum(sure_by_step) > most and sum(in_set) > most, sentences


def _beaten(row: Row, aspect: _Aspect, baseline: str) -> _Beaten:
    skills = aspect.skills(row)
    if baseline not in skills:
        raise SettingError(
            f"Expected a forecast of the baseline {baseline} to judge against, got "
            f"{', '.join(skills) or 'none'}. Score the model beside "
            f"{', '.join((*MEAN_BASELINES, *DENSITY_BASELINES))}."
        )
    return _Beaten(
        skill=skills[baseline],
        interval=aspect.intervals(row)[baseline],
        p_value=aspect.p_values(row)[baseline],
    )


def _skill_sentence(aspect: _Aspect, baseline: str, steps: Sequence[_Beaten]) -> str:
    told = "; ".join(
        f"step {number}: {step.words}" for number, step in enumerate(steps, start=1)
    )
    return (
        f"{aspect.name.capitalize()} against {baseline}: {aspect.score} better, its "
        f"90 % interval off zero and p at most {MAX_P:g}, at "
        f"{sum(step.sure for step in steps)} of {len(steps)} steps "
        f"({aspect.score} skill at {told})."
    )


def _set_sentence(rows: Sequence[Row], aspect: _Aspect, count: int) -> str:
    if all(aspect.in_set(row) is None for row in rows):
        return f"No confidence set by {aspect.score}: too little to test with."
    return (
        f"In the 90 % confidence set by {aspect.score}, which holds the best of all "
        f"models, at {count} of {len(rows)} steps."
    )


def p_words(p_value: float | None) -> str:
    """Say a p-value as a reader is shown it.

    Args:
        p_value: The p-value; None where nothing was tested.

    Returns:
        Such as ``p = 0.04``.
    """
    if p_value is None:
        return "not tested"
    return f"p = {p_value:.2f}" if p_value >= LEAST_P_SHOWN else "p < 0.01"


def _intervals_hold(rows: Sequence[Row]) -> bool:
    return all(
        abs(row.coverage_80 - 0.80) <= COVERAGE_TOLERANCE
        and abs(row.coverage_95 - 0.95) <= COVERAGE_TOLERANCE
        for row in rows
    )


def _coverage_sentence(rows: Sequence[Row]) -> str:
    eighty = [row.coverage_80 for row in rows]
    ninety_five = [row.coverage_95 for row in rows]
    return (
        f"The 80 % interval held {min(eighty):.1%} to {max(eighty):.1%} of the closes "
        f"over the steps, the 95 % interval {min(ninety_five):.1%} to "
        f"{max(ninety_five):.1%}; within {COVERAGE_TOLERANCE * 100:.0f} points of "
        "nominal they are said to hold."
    )
