"""The judged model against each baseline: which are hard, which are weak.

It sorts and groups what the scoreboard says and makes no figure of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from closecast.evaluation.verdict import MAX_P
from closecast.reports.story import JUDGED, Score

P_VALUES = {"crps": "dm_p_vs", "rmse": "dm_p_mean_vs"}
"""Where a row keeps the p-values of a measure."""

WEAK = 3.0
"""A baseline is weak where the model is better than it and its skills reach this many
times further than those of the hardest: on one axis it would flatten all others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A figure with its interval and the p-value of its test, at a place of an axis."""

    value: float
    interval: tuple[float, float] | None
    p_value: float | None = None

    @property
    def sure(self) -> bool:
        """Whether the interval is off zero."""
        return self.interval is not None and self.interval[0] * self.interval[1] > 0

    @property
    def counts(self) -> bool:
        """Whether the verdict takes it as better than the baseline."""
        if self.interval is None or self.p_value is None:
            return False
        return self.interval[0] > 0 and self.p_value <= MAX_P

    @property
    def ends(self) -> tuple[float, ...]:
        """What has to fit on an axis."""
        return (self.value, *(self.interval or ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """The skill against one baseline, or against several that say the same.

    Attributes:
        model: The baseline.
        same: Others whose forecasts give the same skills: all that expect no change.
        points: The skill by horizon.
        weak: Whether it needs an axis of its own.
    """

    model: str
    same: tuple[str, ...]
    points: Mapping[int, Point]
    weak: bool

    @property
    def better(self) -> int:
        """Steps that the verdict counts: interval above 0, p at most ``MAX_P``."""
        return sum(point.counts for point in self._all)

    @property
    def skills(self) -> list[float]:
        """The skill of each step."""
        return [point.value for point in self._all]

    @property
    def reach(self) -> float:
        """How far from 0 its skills and intervals go."""
        return max(abs(end) for point in self._all for end in point.ends)

    @property
    def _all(self) -> Sequence[Point]:
        return list(self.points.values())


def judged_rows(scores: Sequence[Score]) -> list[Score]:
    """Take the rows of the judged model.

    Args:
        scores: The rows of the scoreboard.

    Returns:
        Its rows from step 1 on.
    """
    rows = [score for score in scores if score.model == JUDGED]
    return sorted(rows, key=lambda score: score.horizon)


def compare(scores: Sequence[Score], measure: str) -> list[Against]:
    """Set the judged model against each baseline.

    Args:
        scores: The rows of the scoreboard.
        measure: ``"crps"`` (the distribution) or ``"rmse"`` (the mean).

    Returns:
        One entry for each baseline with a skill, the hardest first.
    """
    points: dict[str, dict[int, Point]] = {}
    for row in judged_rows(scores):
        intervals = getattr(row, f"skill_{measure}_interval_vs")
        for name, skill in getattr(row, f"skill_{measure}_vs").items():
            if skill is not None:
                point = Point(
                    value=skill,
                    interval=intervals.get(name),
                    p_value=getattr(row, P_VALUES[measure]).get(name),
                )
                points.setdefault(name, {})[row.horizon] = point
    groups = sorted(_groups(points), key=lambda group: _mean(points[group[0]]))
    hardest = _reach(points[groups[0][0]]) if groups else 0.0
    found = [
        Against(
            model=group[0],
            same=tuple(group[1:]),
            points=points[group[0]],
            weak=_mean(points[group[0]]) > 0
            and _reach(points[group[0]]) > WEAK * hardest > 0,
        )
        for group in groups
    ]
    return sorted(found, key=lambda one: one.weak)  # stable: the hardest stays first


def _groups(points: Mapping[str, Mapping[int, Point]]) -> list[list[str]]:
    groups: dict[tuple[tuple[int, float], ...], list[str]] = {}
    for name, steps in points.items():
        key = tuple((step, point.value) for step, point in steps.items())
        groups.setdefault(key, []).append(name)
    return list(groups.values())


def _mean(points: Mapping[int, Point]) -> float:
    return sum(point.value for point in points.values()) / len(points)


def _reach(points: Mapping[int, Point]) -> float:
    return max(abs(end) for point in points.values() for end in point.ends)
