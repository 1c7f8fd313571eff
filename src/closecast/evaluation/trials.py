"""The verdict on a model that was chosen out of many.

The best of a hundred coins looks skilled. So no p-value of a chosen model is
believed before it is multiplied by the number of models that could have been chosen
(Bonferroni): whatever they have in common, the chance of one false alarm among all
of them is then at most the one that is stated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from closecast.errors import SettingError
from closecast.evaluation.luck import ASPECTS, Luck
from closecast.evaluation.rows import Row
from closecast.evaluation.scoreboard import Scoreboard
from closecast.evaluation.verdict import judge


def correct_for_trials(
    board: Scoreboard, chosen_from: int, trials: int, luck: Sequence[Luck] = ()
) -> Scoreboard:
    """Judge a chosen model again, by p-values that know how it was chosen.

    Args:
        board: The chosen model beside its baselines, judged as if it were the only
            one.
        chosen_from: Models that it was chosen from, on validation.
        trials: Models ever trained on the same prices.
        luck: What luck can explain of the choice, by each loss; needed wherever there
            was a choice.

    Returns:
        The same scores with another verdict; its rows keep the uncorrected p-values,
        its sentences state the corrected ones. Where luck is not excluded there is no
        evidence.

    Raises:
        SettingError: The trials are fewer than the models chosen from, or nobody asked
            what luck can explain.

    Source: Dunn (1961), doi:10.1080/01621459.1961.10482090.
    """
    if not 1 <= chosen_from <= trials:
        raise SettingError(
            f"Expected at least as many trials as models to choose from, got {trials} "
            f"and {chosen_from}. Count every model that was trained."
        )
    if trials > 1 and {one.score for one in luck} != set(ASPECTS):
        raise SettingError(
            f"Expected what luck can explain of the choice by {' and '.join(ASPECTS)}, "
            f"got {[one.score for one in luck]} ({trials} trials). A chosen model has "
            "no verdict without: give judge_luck of each."
        )
    own = [row for row in board.rows if row.model == board.model]
    alarms = board.why[: len(board.why) - len(judge(own, ()).why)]
    refused = [ASPECTS[one.score] for one in luck if not one.excluded]
    verdict = judge([_corrected(row, trials) for row in own], alarms, refused)
    chosen = (
        f"Chosen on validation out of {_models(chosen_from)}; {_models(trials)} "
        f"{'was' if trials == 1 else 'were'} ever trained on these prices, so every "
        f"p-value is multiplied by {trials} (Bonferroni)."
    )
    told = [sentence for one in luck for sentence in one.why]
    text = f"Best of {_models(trials)}, p-values corrected for that: {verdict.text}"
    return replace(board, verdict=text, why=(chosen, *told, *verdict.why))


def _corrected(row: Row, trials: int) -> Row:
    return replace(
        row,
        dm_p_vs=_times(row.dm_p_vs, trials),
        dm_p_mean_vs=_times(row.dm_p_mean_vs, trials),
    )


def _times(
    p_values: Mapping[str, float | None], trials: int
) -> dict[str, float | None]:
    return {
        name: None if p is None else min(1.0, p * trials)
        for name, p in p_values.items()
    }


def _models(count: int) -> str:
    return f"{count:,} model{'' if count == 1 else 's'}"
