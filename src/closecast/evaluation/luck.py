"""How much of a chosen model is owed to having been chosen out of many.

Asked of the losses on the validation dates, where it was chosen: of every member, never
of the test block. Two losses have an answer each: the density's (CRPS) and the mean's
(squared error). Where there are too few dates to ask, no evidence is believed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from closecast.errors import SettingError
from closecast.evaluation.overfitting import (
    BLOCKS,
    MIN_DATES_A_BLOCK,
    DeflatedSharpe,
    Overfitting,
    deflated_sharpe,
    probability_of_overfitting,
)
from closecast.evaluation.resampling import (
    CONFIDENCE,
    block_length,
    confidence_set,
    enough_dates,
)
from closecast.evaluation.significance import MIN_DATES
from closecast.evaluation.superiority import Superiority, superiority
from closecast.evaluation.verdict import (
    DENSITY_BASELINES,
    MAX_P,
    MEAN_BASELINES,
    p_words,
)

BENCHMARKS = {"crps": DENSITY_BASELINES, "squared_error": MEAN_BASELINES}
"""Whom evidence has to beat, by the loss."""

LABELS = {"crps": "CRPS", "squared_error": "squared error"}
ASPECTS = {"crps": "density", "squared_error": "mean"}

LARGEST_SET = 64
"""Members that the confidence set is taken of, the best: work goes by the cube."""

Series = Mapping[str, Float[np.ndarray, " date"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Luck:
    """What luck can explain of a winner, by one loss.

    Attributes:
        score: ``"crps"`` or ``"squared_error"``.
        winner: Name of the chosen member.
        benchmark: The baseline with the least loss, which gains are counted from.
        num_dates: Validation dates.
        num_members: Members whose losses are known.
        trials: Models ever trained on these prices.
        horizon: Sessions that neighbouring losses overlap over.
        deflated: Its gain on the benchmark beside that of luck; None where the gain
            does not vary or there are too few dates.
        overfitting: How often the choice disappoints; None with one member or too few
            dates.
        superiority: Whether any member beats each of the baselines, all counted.
        in_set: Members in the confidence set; None where nothing can be said.
        set_of: Members that the set was taken of, the best.
    """

    score: str
    winner: str
    benchmark: str
    num_dates: int
    num_members: int
    trials: int
    horizon: int
    deflated: DeflatedSharpe | None
    overfitting: Overfitting | None
    superiority: tuple[Superiority, ...]
    in_set: tuple[str, ...] | None
    set_of: int

    @property
    def chance(self) -> float | None:
        """Chance that the best of so many models without skill looks this good."""
        return None if self.deflated is None else 1 - self.deflated.probability

    @property
    def excluded(self) -> bool:
        """Whether luck is excluded: by chance, and against every baseline by SPA."""
        chances = [self.chance, *(one.spa_p for one in self.superiority)]
        return all(one is not None and one <= MAX_P for one in chances)

    @property
    def why(self) -> tuple[str, ...]:
        """The figures in words, a sentence each."""
        refusal = (
            f"Luck is not excluded in the {ASPECTS[self.score]}: evidence asks for a "
            f"chance of at most {MAX_P:.0%} and SPA p at most {MAX_P:g} against each "
            "baseline."
        )
        return (
            self._chance_words(),
            self._overfitting_words(),
            self._superiority_words(),
            self._set_words(),
            *(() if self.excluded else (refusal,)),
        )

    def to_dict(self) -> dict[str, Any]:
        """Give the figures for JSON.

        Returns:
            Figures under their names, ``chance_of_luck`` and ``words`` among them.
        """
        return {
            "score": self.score,
            "winner": self.winner,
            "benchmark": self.benchmark,
            "num_dates": self.num_dates,
            "num_members": self.num_members,
            "trials": self.trials,
            "horizon": self.horizon,
            "chance_of_luck": self.chance,
            "excluded": self.excluded,
            "deflated_sharpe": self.deflated and self.deflated.to_dict(),
            "overfitting": self.overfitting and self.overfitting.to_dict(),
            "superiority": [
                {**one.to_dict(), "superior": list(one.superior)}
                for one in self.superiority
            ],
            "in_set": None if self.in_set is None else list(self.in_set),
            "set_of": self.set_of,
            "words": list(self.why),
        }

    def _chance_words(self) -> str:
        label = LABELS[self.score]
        if self.deflated is None or self.chance is None:
            return (
                f"How likely luck is by {label} cannot be told: {self.num_dates} "
                f"validation dates, or a gain on {self.benchmark} that does not vary."
            )
        return (
            f"How likely the winner is luck, by {label}: the best of {self.trials:,} "
            f"models without skill looks this good on validation with a chance of "
            f"{self.chance:.0%} (gain on {self.benchmark} over its deviation "
            f"{self.deflated.sharpe:+.3f}, {self.deflated.expected_best:+.3f} expected "
            "of luck)."
        )

    def _overfitting_words(self) -> str:
        label = LABELS[self.score]
        if self.overfitting is None:
            return (
                f"Probability of backtest overfitting by {label}: cannot be told from "
                f"{self.num_dates} validation dates of {_count(self.num_members)}."
            )
        return (
            f"Probability of backtest overfitting by {label}: "
            f"{self.overfitting.probability:.0%}. So often the best member on one half "
            "of the validation dates is below the median of all on the other half."
        )

    def _superiority_words(self) -> str:
        told = "; ".join(
            f"{one.benchmark}: {p_words(one.spa_p)}, {len(one.superior)} better"
            for one in self.superiority
        )
        return (
            f"SPA and StepM over {_count(self.num_members)} on validation by "
            f"{LABELS[self.score]}, against {told}."
        )

    def _set_words(self) -> str:
        label, percent = LABELS[self.score], round(100 * CONFIDENCE)
        if self.in_set is None:
            return f"No confidence set of members by {label}: too little to test with."
        return (
            f"The {percent} % confidence set by {label} on validation holds "
            f"{len(self.in_set)} of {_count(self.set_of)}: these cannot be told apart."
        )


def judge_luck(
    members: Series,
    baselines: Series,
    *,
    winner: str,
    trials: int,
    horizon: int,
    score: str,
) -> Luck:
    """Ask what luck can explain of a winner.

    Args:
        members: Loss on each validation date of every member that was trained.
        baselines: The same of the baselines that evidence has to beat.
        winner: Name of the member that was chosen.
        trials: Models ever trained on these prices.
        horizon: Sessions that neighbouring losses overlap over.
        score: ``"crps"`` or ``"squared_error"``.

    Returns:
        The answer.

    Raises:
        SettingError: The losses of the winner or of a baseline are missing, or there
            are more members than trials.
    """
    benchmarks = BENCHMARKS[score]
    missing = [
        *(name for name in (winner,) if name not in members),
        *(name for name in benchmarks if name not in baselines),
    ]
    if missing or trials < len(members):
        raise SettingError(
            f"Expected the validation losses of the winner and of "
            f"{', '.join(benchmarks)}, and as many trials as members, got none of "
            f"{', '.join(missing) or 'no one'} and {trials} trials of {len(members)} "
            "members. No verdict on a chosen model is given without them."
        )
    hardest = min(benchmarks, key=lambda name: float(baselines[name].mean()))
    table = np.stack(list(members.values()), axis=1)
    in_set, set_of = _set_of_members(members, table, horizon)
    return Luck(
        score=score,
        winner=winner,
        benchmark=hardest,
        num_dates=len(table),
        num_members=len(members),
        trials=trials,
        horizon=horizon,
        deflated=_deflated(
            baselines[hardest][:, None] - table,
            list(members).index(winner),
            trials,
            horizon,
        ),
        overfitting=_overfitting(baselines[hardest][:, None] - table),
        superiority=tuple(
            superiority({name: baselines[name], **members}, name, horizon, score)
            for name in benchmarks
        ),
        in_set=in_set,
        set_of=set_of,
    )


def _deflated(
    gains: Float[np.ndarray, "date member"], winner: int, trials: int, horizon: int
) -> DeflatedSharpe | None:
    # In spans as long as losses overlap: their means are nearly independent.
    spans = len(gains) // horizon
    if spans < MIN_DATES:
        return None
    by_span = gains[-spans * horizon :].reshape(spans, horizon, -1).mean(axis=1)
    means, spreads = by_span.mean(axis=0), by_span.std(axis=0, ddof=1)
    moving = spreads > 1e-9 * np.abs(by_span).max(axis=0)
    if not moving[winner] or trials < 2:  # noqa: PLR2004  two to choose from
        return None
    ratios = means[moving] / spreads[moving]
    # Ratios of models without skill differ by no more than so many spans leave to
    # chance, and by less where they are alike; harm that some do is not luck.
    chance = 1 / (spans - 1)
    variance = min(float(ratios.var(ddof=1)), chance) if len(ratios) > 1 else chance
    return deflated_sharpe(by_span[:, winner], trials, variance)


def _overfitting(gains: Float[np.ndarray, "date member"]) -> Overfitting | None:
    dates, members = gains.shape
    blocks = min(BLOCKS, dates // MIN_DATES_A_BLOCK // 2 * 2)
    if members < 2 or blocks < 2:  # noqa: PLR2004  two to choose from, two halves
        return None
    return probability_of_overfitting(gains, blocks)


def _set_of_members(
    members: Series, table: Float[np.ndarray, "date member"], horizon: int
) -> tuple[tuple[str, ...] | None, int]:
    best = np.argsort(table.mean(axis=0), kind="stable")[:LARGEST_SET]
    if not enough_dates(len(table), horizon):
        return None, len(best)
    losses, names = table[:, best], list(members)
    block = block_length(losses[:, 1:] - losses[:, :1], horizon)
    held = confidence_set(losses, block)
    if held is None:
        return None, len(best)
    return tuple(names[at] for at in best[held]), len(best)


def _count(members: int) -> str:
    return f"{members:,} member{'' if members == 1 else 's'}"
