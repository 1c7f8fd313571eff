"""What luck can explain of a winner is asked, and said in words."""

import json
from dataclasses import replace
from math import comb

import numpy as np
import pytest
from scipy.special import ndtr

from closecast.errors import SettingError
from closecast.evaluation.luck import BENCHMARKS, LARGEST_SET, judge_luck
from closecast.evaluation.overfitting import (
    expected_maximum,
    probability_of_overfitting,
)
from closecast.evaluation.resampling import block_length, confidence_set
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
    said = "The 90 % confidence set by CRPS on validation holds 1 of 13 members"
    assert any(sentence.startswith(said) for sentence in luck.why)


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


@pytest.mark.parametrize("members", [1, 2, 3])
def test_luck_of_few_or_of_alike_is_bounded(members):
    """Ratios differ by what so many spans leave to chance, and less where alike."""
    found, baselines = market(members=1, seed=7)
    for number in range(1, members):
        found[f"m{number}"] = found["m0"] + 1e-3 * number * baselines["har_t"]
    luck = ask(found, baselines, trials=50)
    spans = [
        (baselines[luck.benchmark] - loss).reshape(-1, HORIZON).mean(axis=1)
        for loss in found.values()
    ]
    ratios = np.array([one.mean() / one.std(ddof=1) for one in spans])
    most = 1 / np.sqrt(DATES // HORIZON - 1)
    spread = most if members == 1 else ratios.std(ddof=1)

    assert spread <= most
    expected = spread * expected_maximum(50)
    assert luck.deflated.expected_best == pytest.approx(expected)


def test_spans_are_the_newest_dates():
    """Of 403 dates the oldest three are in none."""
    members, baselines = market(dates=403, seed=8)
    older, younger = (
        ask(members, baselines),
        ask(
            {name: loss[3:] for name, loss in members.items()},
            {name: loss[3:] for name, loss in baselines.items()},
        ),
    )

    assert older.winner == younger.winner
    assert older.benchmark == younger.benchmark
    assert older.deflated == younger.deflated


@pytest.mark.parametrize(
    ("dates", "blocks"),
    [(7, 0), (8, 2), (15, 2), (16, 4), (47, 10), (64, 16), (99, 16)],
)
def test_halves_are_of_as_many_blocks_as_fit(dates, blocks):
    """Four dates in each at least, an even number, sixteen at most."""
    luck = ask(*market(dates=dates, members=2))

    if blocks:
        assert luck.overfitting.num_splits == comb(blocks, blocks // 2)
    else:
        assert luck.overfitting is None


@pytest.mark.parametrize(("dates", "told"), [(99, False), (100, True)])
def test_twenty_spans_tell_a_chance(dates, told):
    """Of two trials, or more; the choice out of one is none."""
    members, baselines = market(dates=dates, members=1)

    assert (ask(members, baselines, trials=2).chance is not None) is told
    assert ask(members, baselines, trials=1).chance is None


@pytest.mark.parametrize("members", [3, LARGEST_SET + 5])
def test_the_set_is_of_the_best(members):
    """As many as it is taken of, the least loss first, by blocks as long as needed."""
    found, baselines = market(members=members, dates=120, seed=11)
    slow = np.cumsum(np.random.default_rng(1).standard_normal((120, members)), axis=0)
    for number, name in enumerate(found):
        found[name] = found[name] + 0.05 * slow[:, number] + 0.01 * number
    luck = ask(found, baselines)
    order = sorted(found, key=lambda name: found[name].mean())[:LARGEST_SET]
    losses = np.stack([found[name] for name in order], axis=-1)
    block = block_length(losses[:, 1:] - losses[:, :1], HORIZON)
    held = confidence_set(losses, block)

    assert block > 2 * HORIZON
    assert luck.set_of == len(order)
    assert luck.in_set == tuple(
        name for name, kept in zip(order, held, strict=True) if kept
    )


def test_blocks_are_as_long_as_the_second_best_asks_for(monkeypatch):
    """Its distance to the best remembers; what both lose on a day does not."""
    random = np.random.default_rng(12)
    found, baselines = market(members=3, dates=300, seed=12)
    memory = np.zeros(300)
    for day in range(1, 300):
        memory[day] = 0.85 * memory[day - 1] + random.normal()
    found["m1"] = found["m0"] + 0.02 + 0.1 * (memory - memory.mean())
    found["m2"] = found["m2"] + 0.2
    asked = []
    monkeypatch.setattr(
        "closecast.evaluation.luck.confidence_set",
        lambda _, block: asked.append(block),
    )
    ask(found, baselines)
    gap = block_length((found["m1"] - found["m0"])[:, None], HORIZON)

    assert 2 * HORIZON < gap < 75
    assert asked == [gap]


def test_luck_is_excluded_up_to_ten_per_cent():
    """Of the chance and of every SPA, each by itself."""
    luck = ask(*market(better=0.08))
    first, *others = luck.superiority
    edge = replace(first, spa_p=0.1)
    assert luck.excluded
    assert replace(luck, superiority=(edge, *others)).excluded
    for spa_p in (0.102, None):
        worse = replace(first, spa_p=spa_p)
        assert not replace(luck, superiority=(*others, worse)).excluded
    assert not replace(luck, deflated=None).excluded
    likely = replace(luck.deflated, probability=0.89)
    assert not replace(luck, deflated=likely).excluded


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
