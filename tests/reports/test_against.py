"""The judged model against each baseline: order, groups and weak ones."""

from dataclasses import replace
from pathlib import Path

import pytest

from closecast.reports.against import Point, compare
from closecast.reports.story import Score, load_story


@pytest.fixture
def scores(shared_run: Path) -> tuple[Score, ...]:
    """The rows of the made-up run."""
    return load_story(shared_run).scores


def with_skills(scores: tuple[Score, ...], **skills: float) -> list[Score]:
    """Give the judged model these skills at every step, without intervals."""
    return [
        replace(score, skill_crps_vs=skills, skill_crps_interval_vs={})
        for score in scores
        if score.model == "closecast"
    ]


def test_the_hardest_is_first(scores: tuple[Score, ...]) -> None:
    """By the mean skill over the steps."""
    found = compare(with_skills(scores, a=0.02, b=-0.01, c=0.012), "crps")
    assert [one.model for one in found] == ["b", "c", "a"]
    assert not any(one.weak for one in found)


def test_a_baseline_far_behind_is_weak_and_last(scores: tuple[Score, ...]) -> None:
    """It would stretch the axis of the others."""
    found = compare(with_skills(scores, easy=0.2, near=-0.02, hard=0.01), "crps")
    assert [(one.model, one.weak) for one in found] == [
        ("near", False),
        ("hard", False),
        ("easy", True),
    ]


def test_a_baseline_that_wins_is_never_weak(scores: tuple[Score, ...]) -> None:
    """One that beats the model by far is the hardest, whatever lies close to it."""
    found = compare(with_skills(scores, close=0.002, better=-0.05, easy=0.4), "crps")
    assert [(one.model, one.weak) for one in found] == [
        ("better", False),
        ("close", False),
        ("easy", True),
    ]


def test_baselines_that_say_the_same_share_a_panel(scores: tuple[Score, ...]) -> None:
    """All that expect no change have the same mean."""
    found = compare(with_skills(scores, zero=0.01, ewma_t=0.01, drift=0.02), "crps")
    assert [(one.model, one.same) for one in found] == [
        ("zero", ("ewma_t",)),
        ("drift", ()),
    ]


@pytest.mark.parametrize(
    ("interval", "p_value", "better"),
    [
        ((0.001, 0.02), 0.05, True),
        ((0.001, 0.02), 0.2, False),
        ((0.001, 0.02), None, False),
        ((-0.001, 0.02), 0.05, False),
        (None, 0.05, False),
    ],
)
def test_a_step_is_better_where_the_verdict_counts_it(
    scores: tuple[Score, ...], interval, p_value, better
) -> None:
    """Interval and p-value have to agree, in the table as in the verdict."""
    row = next(score for score in scores if score.model == "closecast")
    for what, p in (("crps", "dm_p_vs"), ("rmse", "dm_p_mean_vs")):
        skill = {f"skill_{what}_vs": {"zero": 0.01}}
        around = {f"skill_{what}_interval_vs": {"zero": interval}}
        told = replace(row, **skill, **around, **{p: {"zero": p_value}})
        assert compare([told], what)[0].better == better


def test_a_point_is_sure_off_zero() -> None:
    """On either side."""
    assert Point(value=-1.0, interval=(-2.0, -0.5)).sure
    assert not Point(value=1.0, interval=(-0.5, 2.0)).sure
    assert not Point(value=1.0, interval=None).sure
