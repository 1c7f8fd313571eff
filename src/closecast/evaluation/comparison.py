"""One loss of every model, date by date: means, skills with intervals, and the set.

A date is the sampling unit: symbols of one date share their news.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped

from closecast.evaluation.resampling import (
    block_length,
    central_each,
    confidence_set,
    enough_dates,
    resample,
    sum_per_date,
)
from closecast.evaluation.significance import diebold_mariano_of_dates

Interval = tuple[float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """One loss of every model at one step, by date.

    Attributes:
        names: The models, the judged one first.
        step: Step that the losses belong to, in sessions.
        sums: Sum of the losses of each date.
        counts: Windows of each date.
        draws: Totals over resampled dates; None where there are too few.
        in_set: Who is in the 90 % confidence set; None where nothing can be said.
    """

    names: tuple[str, ...]
    step: int
    sums: Float[np.ndarray, "date model"]
    counts: Float[np.ndarray, " date"]
    draws: Float[np.ndarray, "repetition model"] | None
    in_set: Bool[np.ndarray, " model"] | None

    def mean(self, name: str) -> float:
        """Average over the windows."""
        return float(self.sums[:, self._at(name)].sum() / self.counts.sum())

    def ratio(self, name: str, other: str) -> float:
        """Divide two means."""
        return self.mean(name) / self.mean(other)

    def ratio_intervals(
        self, name: str, others: Sequence[str], power: float
    ) -> dict[str, Interval]:
        """Put an interval around 1 - ratio ** power, for each of some others."""
        intervals: dict[str, Interval] = dict.fromkeys(others)
        if self.draws is None:
            return intervals
        known = [one for one in others if np.all(self.draws[:, self._at(one)] > 0)]
        theirs = self.draws[:, [self._at(one) for one in known]]
        mine = self.draws[:, self._at(name), None]
        ends = central_each(1 - (mine / theirs) ** power)
        return intervals | dict(zip(known, ends, strict=True))

    def p_value(self, name: str, other: str) -> float | None:
        """Test the difference of two means, a date counting once."""
        return diebold_mariano_of_dates(
            self.by_date(name), self.by_date(other), self.step
        ).p_value

    def by_date(self, name: str) -> Float[np.ndarray, " date"]:
        """Average over the symbols of each date."""
        return np.asarray(self.sums[:, self._at(name)] / self.counts)

    def holds(self, name: str) -> bool | None:
        """Tell whether a model is in the confidence set."""
        return None if self.in_set is None else bool(self.in_set[self._at(name)])

    def _at(self, name: str) -> int:
        return self.names.index(name)


def compare(
    losses: Mapping[str, Float[np.ndarray, " window"]],
    dates: Shaped[np.ndarray, " window"],
    step: int,
) -> Comparison:
    """Compare models by one loss.

    Args:
        losses: Loss of each model in the same windows, the judged model first.
        dates: Cutoff of each window.
        step: Step that the losses belong to, in sessions.

    Returns:
        The comparison.
    """
    sums = sum_per_date(np.stack(list(losses.values()), axis=-1), dates)
    _, counts = np.unique(dates, return_counts=True)
    return compare_sums(tuple(losses), sums, counts.astype(float), step)


def compare_sums(
    names: tuple[str, ...],
    sums: Float[np.ndarray, "date model"],
    counts: Float[np.ndarray, " date"],
    step: int,
) -> Comparison:
    """Compare models by the sums of one loss.

    Args:
        names: The models, the judged one first.
        sums: Sum of the losses of each date, the oldest first.
        counts: Windows of each date.
        step: Step that the losses belong to, in sessions.

    Returns:
        The comparison.
    """
    draws = in_set = None
    if enough_dates(len(sums), step) and len(names) > 1:
        block = block_length(sums[:, 1:] - sums[:, :1], step)
        draws = resample(sums, block)
        in_set = confidence_set(sums / counts[:, None], block)
    return Comparison(
        names=names,
        step=step,
        sums=sums,
        counts=counts,
        draws=draws,
        in_set=in_set,
    )


def compare_steps(
    losses: Mapping[str, Float[np.ndarray, "window horizon"]],
    dates: Shaped[np.ndarray, " window"],
) -> list[Comparison]:
    """Compare models by one loss at each step.

    Args:
        losses: Losses of each model in the same windows, the judged model first.
        dates: Cutoff of each window.

    Returns:
        One comparison for each step.
    """
    horizon = next(iter(losses.values())).shape[1]
    return [
        compare({name: loss[:, step - 1] for name, loss in losses.items()}, dates, step)
        for step in range(1, horizon + 1)
    ]
