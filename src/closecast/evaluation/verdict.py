"""The verdict: what the figures allow to be said, in one sentence.

"No evidence" is said as plainly as "evidence". Skill counts when it is above 0 and
unlikely to be luck at most steps; a p-value is never given without its skill.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from closecast.errors import SettingError
from closecast.evaluation.rows import Row

MEAN_BASELINES = ("zero", "drift")
DENSITY_BASELINES = ("ewma_t",)

P_OF_EVIDENCE = 0.10
"""A difference is called evidence below this two-sided p-value."""

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


def judge(rows: Sequence[Row], alarms: Sequence[str]) -> Verdict:
    """Judge a model by its rows.

    Args:
        rows: The judged model's rows, from step 1 on.
        alarms: Sentences on figures that are too good.

    Returns:
        The verdict.

    Raises:
        SettingError: A baseline that the verdict is measured against is missing.
    """
    mean_skill, mean_why = _weigh(rows, MEAN_BASELINES, "mean", "RMSE", _mean_figures)
    density_skill, density_why = _weigh(
        rows, DENSITY_BASELINES, "density", "CRPS", _density_figures
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


_Figures = tuple[Mapping[str, float], Mapping[str, float | None]]


def _mean_figures(row: Row) -> _Figures:
    return row.skill_rmse_vs, row.dm_p_mean_vs


def _density_figures(row: Row) -> _Figures:
    return row.skill_crps_vs, row.dm_p_vs


def _weigh(
    rows: Sequence[Row],
    baselines: Sequence[str],
    what: str,
    score: str,
    figures: Callable[[Row], _Figures],
) -> tuple[bool, list[str]]:
    # Evidence asks for all the baselines to be beaten at the same steps, at most steps.
    beaten_by_step = [True] * len(rows)
    sentences = []
    for baseline in baselines:
        if rows[0].model == baseline:
            beaten_by_step = [False] * len(rows)
            sentences.append(f"The {what} is that of the baseline {baseline} itself.")
            continue
        pairs = [_pair(figures(row), baseline) for row in rows]
        beaten = [
            skill > 0 and p is not None and p < P_OF_EVIDENCE for skill, p in pairs
        ]
        beaten_by_step = [a and b for a, b in zip(beaten_by_step, beaten, strict=True)]
        sentences.append(_skill_sentence(what, score, baseline, pairs, sum(beaten)))
    return sum(beaten_by_step) > len(rows) / 2, sentences


def _pair(figures: _Figures, baseline: str) -> tuple[float, float | None]:
    skills, p_values = figures
    if baseline not in skills:
        raise SettingError(
            f"Expected a forecast of the baseline {baseline} to judge against, got "
            f"{', '.join(skills) or 'none'}. Score the model beside "
            f"{', '.join((*MEAN_BASELINES, *DENSITY_BASELINES))}."
        )
    return skills[baseline], p_values[baseline]


def _skill_sentence(
    what: str,
    score: str,
    baseline: str,
    pairs: Sequence[tuple[float, float | None]],
    beaten: int,
) -> str:
    steps = "; ".join(
        f"step {step}: {skill:+.2%}, {_p_words(p)}"
        for step, (skill, p) in enumerate(pairs, start=1)
    )
    return (
        f"{what.capitalize()} against {baseline}: {score} better with p < "
        f"{P_OF_EVIDENCE:.2f} at {beaten} of {len(pairs)} steps ({score} skill at "
        f"{steps})."
    )


def _p_words(p_value: float | None) -> str:
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
