"""A chosen model is judged by p-values that know how it was chosen."""

import numpy as np
import pytest

from closecast.errors import SettingError
from closecast.evaluation import score
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

    corrected = correct_for_trials(board, 9, max(trials, 10**9))

    assert "no evidence of skill in the density" in corrected.verdict
    assert "p = 1.00" in " ".join(corrected.why)
    assert corrected.rows == board.rows  # the scores themselves stay


def test_strong_evidence_stays(boards):
    """What is no luck among ten models is said to be none."""
    board = boards(0.0)

    corrected = correct_for_trials(board, 5, 10)

    assert "evidence of skill in the density" in corrected.verdict
    assert "no evidence of skill in the density" not in corrected.verdict
    assert corrected.verdict.startswith("Best of 10 models, p-values corrected")
    assert "out of 5 models; 10 models were ever trained" in corrected.why[0]


def test_an_alarm_stays_in_front_of_the_figures(boards):
    """A figure that is too good is suspicious, however many trials there were."""
    board = boards(0.5)
    assert board.suspicious

    corrected = correct_for_trials(board, 5, 10)

    assert "Suspicious" in corrected.verdict
    assert corrected.why[1] == board.why[0]


def test_fewer_trials_than_candidates_are_refused(boards):
    """A count that forgot some of the candidates cannot correct for them."""
    with pytest.raises(SettingError, match="got 4 and 5"):
        correct_for_trials(boards(0.0), 5, 4)
