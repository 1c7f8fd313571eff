"""What luck can explain of a winner is asked, and said in words."""

import json

import numpy as np
import pytest
from scipy.special import ndtr

from closecast.errors import SettingError
from closecast.evaluation.luck import BENCHMARKS, judge_luck
from closecast.evaluation.overfitting import (
    expected_maximum,
    probability_of_overfitting,
)
from closecast.evaluation.superiority import superiority
from closecast.evaluation.verdict import DENSITY_BASELINES

DATES, HORIZON = 400, 5


def market(better=0.0, members=12, dates=DATES, seed=0, score="crps"):
    """Losses of baselines, and of members that are better than all of them."""
    random = np.random.default_rng(seed)
    day = random.exponential(size=dates)  # what all lose on the same day
    baselines = {
        name: day + 1 + 0.1 * random.standard_normal(dates)
        for name in BENCHMARKS[score]
    }
    return {
        f"m{number}": day + 1 - better + 0.1 * random.standard_normal(dates)
        for number in range(members)
    }, baselines


def ask(members, baselines, *, trials=None, score="crps"):
    """Ask about the member with the least loss."""
    winner = min(members, key=lambda name: members[name].mean())
    return judge_luck(
        members,
        baselines,
        winner=winner,
        trials=trials or len(members),
        horizon=HORIZON,
        score=score,
    )


@pytest.mark.parametrize("score", ["crps", "squared_error"])
def test_the_best_of_many_coins_is_luck(score):
    """Twelve members no better than the baselines: each figure says so, in words."""
    each = [ask(*market(score=score, seed=n), score=score) for n in range(8)]
    assert np.mean([one.chance for one in each]) > 0.3
    assert np.mean([one.overfitting.probability for one in each]) > 0.3

    luck = each[0]
    assert max(one.spa_p for one in luck.superiority) > 0.1
    assert len(luck.in_set) > 9
    assert not luck.excluded
    said = " ".join(luck.why)
    assert f"with a chance of {luck.chance:.0%}" in said
    assert f"overfitting by {'CRPS' if score == 'crps' else 'squared error'}: " in said
    assert "Luck is not excluded" in said


def test_what_is_better_every_day_is_no_luck():
    """Members that beat every baseline by half a deviation a day."""
    luck = ask(*market(better=0.08))

    assert luck.excluded
    assert luck.chance < 0.01
    assert [one.benchmark for one in luck.superiority] == list(DENSITY_BASELINES)
    assert all(len(one.superior) == 12 for one in luck.superiority)
    assert not any("Luck is not excluded" in sentence for sentence in luck.why)


def test_a_single_good_member_is_told_from_the_rest():
    """The choice is right in nearly every half; the confidence set holds few."""
    members, baselines = market()
    noise = 0.01 * np.random.default_rng(9).standard_normal(DATES)
    members["good"] = members["m0"] - 0.08 + noise

    luck = ask(members, baselines)

    assert luck.winner == "good"
    assert luck.overfitting.probability < 0.01
    assert luck.in_set == ("good",)


def test_the_chance_is_the_deflated_sharpe_of_spans():
    """By hand: mean over deviation of spans of five days, beside the best of N."""
    members, baselines = market(seed=3)
    luck = ask(members, baselines, trials=200)
    hardest = min(baselines.values(), key=np.mean)
    spans = np.stack(
        [
            (hardest - loss).reshape(-1, HORIZON).mean(axis=1)
            for loss in members.values()
        ]
    )
    ratios = spans.mean(axis=1) / spans.std(axis=1, ddof=1)
    own = spans[list(members).index(luck.winner)]
    z = (own - own.mean()) / own.std()
    sharpe = own.mean() / own.std(ddof=1)
    spread = min(ratios.std(ddof=1), 1 / np.sqrt(DATES // HORIZON - 1))
    best = spread * expected_maximum(200)
    error = 1 - np.mean(z**3) * sharpe + (np.mean(z**4) - 1) / 4 * sharpe**2
    score = (sharpe - best) * np.sqrt(len(own) - 1) / np.sqrt(error)

    assert luck.deflated.num_periods == DATES // HORIZON
    assert luck.chance == pytest.approx(1 - ndtr(score))


def test_its_figures_are_those_of_the_tests_it_is_made_of():
    """PBO of the gains, SPA over all the members."""
    members, baselines = market(seed=4)
    luck = ask(members, baselines)
    table = np.stack(list(members.values()), axis=1)
    gains = baselines[luck.benchmark][:, None] - table

    assert luck.overfitting == probability_of_overfitting(gains)
    assert luck.superiority[1] == superiority(
        {"har_t": baselines["har_t"], **members}, "har_t", HORIZON, "crps"
    )


def test_more_trials_make_luck_likelier():
    """Models that were tried before count, though their losses are not there."""
    members, baselines = market(better=0.02, seed=5)
    few, many = (ask(members, baselines, trials=n).chance for n in (12, 100_000))

    assert many > few


def test_harm_that_others_do_is_not_luck():
    """A grid with a learning rate that ruins half of its members."""
    members, baselines = market(better=0.05, seed=6)
    ruined = {f"{name}, ruined": loss + 5 for name, loss in members.items()}

    assert ask({**members, **ruined}, baselines).chance < 0.05


def test_false_alarms_are_rare():
    """Of forty markets without skill luck is excluded in at most a tenth."""
    excluded = [ask(*market(members=5, seed=n)).excluded for n in range(40)]

    assert np.mean(excluded) <= 0.1


@pytest.mark.parametrize(("dates", "members"), [(7, 3), (30, 3), (400, 1)])
def test_too_little_to_ask_is_said_and_excludes_nothing(dates, members):
    """Few dates, or a single member: no figure is made up."""
    luck = ask(*market(better=0.5, members=members, dates=dates), trials=10)

    said = " ".join(luck.why)
    assert (luck.deflated is None) == (dates < 100)
    assert (luck.overfitting is None) == (dates < 8 or members < 2)
    assert ("cannot be told" in said) == (dates < 100 or members < 2)
    assert luck.excluded == (dates == 400)
    json.dumps(luck.to_dict(), allow_nan=False)


def test_a_mean_that_is_the_baseline_itself_has_no_chance_to_tell():
    """Gains of exactly nothing do not vary."""
    members, baselines = market(score="squared_error", members=2)
    members = {name: baselines["zero"].copy() for name in members}
    baselines["drift"] = baselines["drift"] + 1

    luck = ask(members, baselines, score="squared_error")

    assert luck.chance is None
    assert not luck.excluded


def test_losses_that_are_missing_are_refused():
    """No verdict on a chosen model without what it was chosen from."""
    members, baselines = market()
    with pytest.raises(SettingError, match=r"got none of har_t and 12 trials"):
        ask(members, {k: v for k, v in baselines.items() if k != "har_t"})
    with pytest.raises(SettingError, match=r"got none of no one and 3 trials of 12"):
        ask(members, baselines, trials=3)
