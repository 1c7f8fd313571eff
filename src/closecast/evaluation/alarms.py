"""Alarms: figures that are too good for prices.

None proves a leak. Each is a reason to look for one before anything is believed.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from closecast.evaluation.direction import direction_excess
from closecast.evaluation.ranking import Ranking
from closecast.evaluation.rows import Row
from closecast.forecast import Forecast

MAX_R2 = 0.02
"""R2 of one session's return against zero."""

MAX_DIRECTION_EXCESS = 0.04
"""Directional accuracy of one session above the more frequent direction."""

MIN_DIRECTIONS = 1000
"""Fewer directions reach that excess by luck."""

MAX_CRPS_SKILL = 0.10
"""CRPS skill against EWMA-t or GARCH-t, at any step."""

DENSITY_BASELINES = ("ewma_t", "garch_t")

MAX_RANK_IC = 0.10
"""RankIC of one session; published models of many features reach half of it."""


def raise_alarms(
    rows: Sequence[Row],
    forecast: Forecast,
    truth: Float[np.ndarray, "window horizon"],
    ranking: Sequence[Ranking] = (),
) -> tuple[str, ...]:
    """Name the figures that are too good.

    Args:
        rows: The judged model's rows, from step 1 on.
        forecast: Its forecast.
        truth: Log returns from the last close that came.
        ranking: How it sorts the symbols of a date, from step 1 on.

    Returns:
        A sentence for each alarm, with its figure and its threshold; often none.
    """
    return (
        *_r2_alarm(rows[0]),
        *_direction_alarm(*direction_excess(forecast, truth)[0]),
        *_crps_alarm(rows),
        *_rank_alarm(ranking),
    )


def _r2_alarm(row: Row) -> list[str]:
    r2 = row.r2_vs.get("zero", 0.0)
    if r2 <= MAX_R2:
        return []
    return [
        f"Alarm: R2 of the one-session return against zero is {r2:.1%}, "
        f"above {MAX_R2:.0%}."
    ]


def _direction_alarm(excess: float, count: int) -> list[str]:
    if count <= MIN_DIRECTIONS or excess <= MAX_DIRECTION_EXCESS:
        return []
    return [
        f"Alarm: the direction of one session is right {excess * 100:.1f} points "
        f"more often than the more frequent one in {count} windows, above "
        f"{MAX_DIRECTION_EXCESS * 100:.0f} points."
    ]


def _crps_alarm(rows: Sequence[Row]) -> list[str]:
    best = {
        name: max(row.skill_crps_vs.get(name, 0.0) for row in rows)
        for name in DENSITY_BASELINES
    }
    return [
        f"Alarm: CRPS skill against {name} is {skill:.1%}, above {MAX_CRPS_SKILL:.0%}."
        for name, skill in best.items()
        if skill > MAX_CRPS_SKILL
    ]


def _rank_alarm(ranking: Sequence[Ranking]) -> list[str]:
    # Where the interval holds 0, a few dates of luck are no reason to look for a leak.
    if not ranking or ranking[0].rank_ic is None:
        return []
    first = ranking[0]
    lowest = first.rank_ic_interval[0] if first.rank_ic_interval else 0.0
    if first.rank_ic is None or first.rank_ic <= MAX_RANK_IC or lowest <= 0:
        return []
    return [
        f"Alarm: RankIC of one session is {first.rank_ic:.2f} over {first.num_dates} "
        f"dates, above {MAX_RANK_IC:.2f}."
    ]
