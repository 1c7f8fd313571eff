"""A chosen model is judged by p-values that know how it was chosen."""

import numpy as np
import pytest

from closecast.errors import SettingError
from closecast.evaluation import score
from closecast.evaluation.luck import BENCHMARKS, judge_luck
from closecast.evaluation.trials import correct_for_trials
from closecast.evaluation.verdict import DENSITY_BASELINES


@pytest.fixture
def boards(make_world):
    """Make a scoreboard of a forecast that knows a share of the mean."""

    def make(share, spread=1.3):
        world = make_world(sessions=700)
        forecasts = {
            "lstm": world.forecast(share * world.truth, spread=1.01),
            "zero": world.forecast(0.0),
            "drift": world.forecast(0.0005 * np.arange(1, world.horizon + 1)),
            **{name: world.forecast(0.0, spread=spread) for name in DENSITY_BASELINES},
        }
        return score(forecasts, world.truth, world.scale)

    return make


def luck(trials, better=0.0):
    """What luck explains of three members that are better by some gain a date."""
    random = np.random.default_rng(1)
    noise = 0.1 * random.standard_normal((8, 300))
    return [
        judge_luck(
            {f"m{number}": noise[number] - better for number in range(3)},
            {name: noise[3 + at] for at, name in enumerate(names)},
            winner="m0",
            trials=trials,
            horizon=5,
            score=which,
        )
        for which, names in BENCHMARKS.items()
    ]


def test_one_trial_changes_no_figure(boards):
    """The only model that was ever trained is judged by its own p-values."""
    board = boards(0.0)
    corrected = correct_for_trials(board, 1, 1)

    assert corrected.verdict.endswith(board.verdict)
    assert corrected.why[1:] == board.why
    assert corrected.why[0].startswith("Chosen on validation out of 1 model; 1 model")


def test_enough_trials_take_weak_evidence_away(boards):
    """A p-value that is small for one model is not for a hundred million of them."""
    board = boards(0.0)
    p = max(row.dm_p_vs["ewma_t"] for row in board.rows if row.model == "lstm")
    assert "; evidence of skill in the density" in board.verdict
    trials = int(1 / p) + 2

    trials = max(trials, 10**9)
    corrected = correct_for_trials(board, 9, trials, luck(trials, better=1.0))

    assert "no evidence of skill in the density" in corrected.verdict
    assert "p = 1.00" in " ".join(corrected.why)
    assert corrected.rows == board.rows  # the scores themselves stay


def test_strong_evidence_stays(boards):
    """What is no luck among ten models is said to be none."""
    board = boards(0.0)

    corrected = correct_for_trials(board, 5, 10, luck(10, better=0.1))

    assert "evidence of skill in the density" in corrected.verdict
    assert "no evidence of skill in the density" not in corrected.verdict
    assert corrected.verdict.startswith("Best of 10 models, p-values corrected")
    assert "out of 5 models; 10 models were ever trained" in corrected.why[0]


def test_an_alarm_stays_in_front_of_the_figures(boards):
    """A figure that is too good is suspicious, however many trials there were."""
    board = boards(0.5)
    assert board.suspicious

    asked = luck(10)
    corrected = correct_for_trials(board, 5, 10, asked)

    assert "Suspicious" in corrected.verdict
    assert board.why[0] in corrected.why
    assert corrected.why[1:6] == asked[0].why


def test_evidence_is_refused_where_luck_is_not_excluded(boards):
    """A test block that was kind to a choice which validation cannot tell from luck."""
    board = boards(0.0)
    assert "; evidence of skill in the density" in board.verdict

    corrected = correct_for_trials(board, 5, 10, luck(10))

    assert "no evidence of skill in the density" in corrected.verdict
    assert "Luck is not excluded in the density" in " ".join(corrected.why)


@pytest.mark.parametrize("given", [0, 1])
def test_a_choice_has_no_verdict_before_luck_was_asked(boards, given):
    """Both losses, whatever the scoreboard says."""
    board, asked = boards(0.0), luck(10)[:given]
    for chosen_from, trials in ((5, 10), (2, 2)):
        with pytest.raises(SettingError, match="A chosen model has no verdict without"):
            correct_for_trials(board, chosen_from, trials, asked)


def test_fewer_trials_than_candidates_are_refused(boards):
    """A count that forgot some of the candidates cannot correct for them."""
    with pytest.raises(SettingError, match="got 4 and 5"):
        correct_for_trials(boards(0.0), 5, 4)
