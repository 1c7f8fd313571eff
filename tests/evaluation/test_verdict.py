"""The verdict says what the figures allow, and changes with each of them."""

from dataclasses import fields, replace
from types import SimpleNamespace

import pytest

from closecast.errors import SettingError
from closecast.evaluation.rows import Row
from closecast.evaluation.verdict import (
    COVERAGE_TOLERANCE,
    DENSITY_BASELINES,
    LEAST_P_SHOWN,
    MAX_P,
    MEAN_BASELINES,
    judge,
    p_words,
)

EVERY = (*MEAN_BASELINES, *DENSITY_BASELINES)


def row(step, **changed):
    """A row that is evidence in every respect, but for what is changed."""
    figures = {field.name: 0.0 for field in fields(Row)}
    figures |= {"model": "lstm", "horizon": step, "in_mcs": True, "in_mcs_mean": True}
    figures |= {"coverage_80": 0.8, "coverage_95": 0.95, "direction_excess": None}
    for name in ("skill_crps", "skill_rmse", "r2"):
        figures[f"{name}_vs"] = dict.fromkeys(EVERY, 0.02)
    for name in ("skill_crps_interval_vs", "skill_rmse_interval_vs"):
        figures[name] = dict.fromkeys(EVERY, (0.01, 0.03))
    for name in ("dm_p_vs", "dm_p_mean_vs"):
        figures[name] = dict.fromkeys(EVERY, 0.001)
    return replace(Row(**figures), **changed)


def board(steps=5, worse=0, **changed):
    """Rows of which the first so many are changed."""
    return [row(n, **(changed if n <= worse else {})) for n in range(1, steps + 1)]


def only(baseline, value, good):
    """A mapping in which one baseline is not beaten."""
    return {name: value if name == baseline else good for name in EVERY}


MEAN = SimpleNamespace(
    name="mean",
    score="RMSE",
    baselines=MEAN_BASELINES,
    skill="skill_rmse_vs",
    interval="skill_rmse_interval_vs",
    p_value="dm_p_mean_vs",
    in_set="in_mcs_mean",
)
DENSITY = SimpleNamespace(
    name="density",
    score="CRPS",
    baselines=DENSITY_BASELINES,
    skill="skill_crps_vs",
    interval="skill_crps_interval_vs",
    p_value="dm_p_vs",
    in_set="in_mcs",
)


def skills(verdict):
    """What the verdict holds to be evidence."""
    return {"mean": verdict.mean_skill, "density": verdict.density_skill}


@pytest.mark.parametrize("side", [MEAN, DENSITY], ids=lambda side: side.name)
class TestEvidence:
    @pytest.mark.parametrize(
        ("worse", "evidence"), [(0, True), (2, True), (3, False), (5, False)]
    )
    def test_most_steps_are_asked_for(self, side, worse, evidence):
        """Three of five are enough, whichever figure is missing at the others."""
        for baseline in side.baselines:
            for changed in (
                {side.skill: only(baseline, 0.0, 0.02)},
                {side.skill: only(baseline, -0.01, 0.02)},
                {side.interval: only(baseline, (0.0, 0.03), (0.01, 0.03))},
                {side.interval: only(baseline, (-0.01, 0.03), (0.01, 0.03))},
                {side.interval: only(baseline, None, (0.01, 0.03))},
                {side.p_value: only(baseline, MAX_P + 1e-9, 0.001)},
                {side.p_value: only(baseline, None, 0.001)},
                {side.in_set: False},
                {side.in_set: None},
            ):
                found = skills(judge(board(worse=worse, **changed), ()))
                assert found.pop(side.name) is evidence, (baseline, changed)
                assert set(found.values()) == {True}

    def test_half_of_the_steps_is_not_most(self, side):
        """Two of four."""
        rows = board(steps=4, worse=2, **{side.in_set: False})

        assert skills(judge(rows, ()))[side.name] is False
        rows = board(steps=4, worse=2, **{side.p_value: dict.fromkeys(EVERY, 0.5)})
        assert skills(judge(rows, ()))[side.name] is False

    def test_a_single_step_is_most_of_itself(self, side):
        """A model of one step is judged by it."""
        assert skills(judge(board(steps=1), ()))[side.name] is True
        worse = board(steps=1, worse=1, **{side.in_set: False})
        assert skills(judge(worse, ()))[side.name] is False

    def test_all_baselines_are_beaten_at_the_same_steps(self, side):
        """Each at three of five steps, both at one: no evidence."""
        one, other = side.baselines[:2]
        rows = [
            row(n, **{side.skill: only(one if n <= 2 else other, -0.1, 0.02)})
            for n in range(1, 5)
        ] + [row(5)]

        assert skills(judge(rows, ()))[side.name] is False

    def test_the_largest_p_value_is_evidence(self, side):
        """Ten per cent, of any baseline."""
        rows = board(worse=5, **{side.p_value: dict.fromkeys(EVERY, MAX_P)})

        assert skills(judge(rows, ()))[side.name] is True

    def test_what_is_refused_is_no_evidence(self, side):
        """And the other side stays what it is."""
        found = skills(judge(board(), (), [side.name]))

        assert found.pop(side.name) is False
        assert set(found.values()) == {True}

    def test_its_sentences_count_and_show(self, side):
        """Steps won, each skill with its interval and p-value, and the set."""
        score, other = side.score, side.baselines[1]
        changed = {side.interval: only(other, None, (0.01, 0.03)), side.in_set: None}
        why = judge(board(steps=3, worse=1, **changed), ()).why
        (told,) = [one for one in why if f"{side.name} against {other}" in
                   one.lower()]  # fmt: skip

        assert "at 2 of 3 steps" in told
        shown = "+2.00% [+1.00%, +3.00%], p < 0.01"
        assert (
            f"({score} skill at step 1: +2.00%, not tested; step 2: {shown}; "
            f"step 3: {shown})" in told
        )
        assert (
            f"In the 90 % confidence set by {score}, which holds the best of all "
            "models, at 2 of 3 steps." in why
        )
        none = judge(board(worse=5, **{side.in_set: None}), ()).why
        assert f"No confidence set by {score}: too little to test with." in none


class TestBaselines:
    @pytest.mark.parametrize("name", EVERY)
    def test_a_baseline_does_not_beat_itself(self, name):
        """Its own side has no evidence, and says why."""
        rows = []
        for one in board():
            vs = {
                field: {key: v for key, v in getattr(one, field).items() if key != name}
                for field in (
                    *("skill_rmse_vs", "skill_rmse_interval_vs", "dm_p_mean_vs"),
                    *("skill_crps_vs", "skill_crps_interval_vs", "dm_p_vs"),
                )
            }
            rows.append(replace(one, model=name, **vs))
        found = judge(rows, ())
        side = "mean" if name in MEAN_BASELINES else "density"

        assert skills(found)[side] is False
        assert f"The {side} is that of the baseline {name} itself." in found.why

    @pytest.mark.parametrize("name", EVERY)
    def test_a_missing_one_is_named(self, name):
        """No verdict without what it is measured against."""
        vs = {key: 0.02 for key in EVERY if key != name}
        rows = board(worse=5, skill_rmse_vs=vs, skill_crps_vs=vs)

        with pytest.raises(SettingError, match=f"baseline {name} to judge against"):
            judge(rows, ())


class TestIntervals:
    @pytest.mark.parametrize("figure", ["coverage_80", "coverage_95"])
    @pytest.mark.parametrize(
        ("off", "holds"), [(0.9, True), (-0.9, True), (1.1, False), (-1.1, False)]
    )
    def test_hold_within_some_points_at_every_step(self, figure, off, holds):
        """Above or below, of either interval, at a single step."""
        nominal = int(figure[-2:]) / 100
        cover = nominal + off * COVERAGE_TOLERANCE
        found = judge(board(worse=1, **{figure: cover}), ())

        assert found.intervals_hold is holds
        assert ("the intervals hold." in found.text) is holds
        least, most = sorted([cover, nominal])
        assert f"{least:.1%} to {most:.1%}" in found.why[-1]
        assert "within 3 points" in found.why[-1]


class TestWords:
    def test_the_verdict_in_one_sentence(self):
        """Both kinds of skill, the intervals, and a warning in front of all."""
        everything = judge(board(), ())
        nothing = judge(
            board(worse=5, in_mcs=False, in_mcs_mean=False, coverage_80=0.5),
            ("Alarm: too good.",),
        )

        assert everything.text == (
            "Evidence of skill in the mean; evidence of skill in the density; "
            "the intervals hold."
        )
        assert not everything.suspicious
        assert nothing.text == (
            "Suspicious, too good for prices: look for a leak first. No evidence of "
            "skill in the mean; no evidence of skill in the density; the intervals do "
            "not hold."
        )
        assert nothing.suspicious
        assert nothing.why[0] == "Alarm: too good."

    @pytest.mark.parametrize(
        ("p_value", "words"),
        [
            (None, "not tested"),
            (0.5, "p = 0.50"),
            (LEAST_P_SHOWN, "p = 0.01"),
            (LEAST_P_SHOWN - 1e-9, "p < 0.01"),
            (0.0, "p < 0.01"),
        ],
    )
    def test_no_p_value_is_shown_as_nothing(self, p_value, words):
        """The least that is shown is a hundredth."""
        assert p_words(p_value) == words
