"""Alarms: figures that are too good for prices.

None proves a leak. Each is a reason to look for one before anything is believed. A
figure that luck alone could bring is no such reason: an alarm asks for an interval that
stays well above zero, or for enough observations that count on their own.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from closecast.evaluation.comparison import Interval
from closecast.evaluation.costs import CostCurve
from closecast.evaluation.direction import direction_excess, effective_directions
from closecast.evaluation.ranking import Ranking
from closecast.evaluation.rows import Row
from closecast.forecast import Forecast

MAX_R2 = 0.02
"""R2 of one session's return against zero."""

MAX_DIRECTION_EXCESS = 0.04
"""Directional accuracy of one session above the more frequent direction."""

MIN_DIRECTIONS = 1000
"""Fewer directions, were they independent, reach that excess by luck."""

MAX_CRPS_SKILL = 0.10
"""CRPS skill against EWMA-t or GARCH-t, at any step."""

DENSITY_BASELINES = ("ewma_t", "garch_t")

MAX_RANK_IC = 0.10
"""RankIC of one session; published models of many features reach half of it."""

MAX_SHARPE = 3.0
"""Yearly Sharpe ratio of the signs of one session, net of ``NET_COST_BP``."""

NET_COST_BP = 5.0
"""What trading a liquid stock costs, in basis points."""

SUPPORTED = 0.5
"""Share of a threshold that the lower end of a figure's interval has to pass."""


def raise_alarms(
    rows: Sequence[Row],
    forecast: Forecast,
    truth: Float[np.ndarray, "window horizon"],
    ranking: Sequence[Ranking] = (),
    costs: CostCurve | None = None,
) -> tuple[str, ...]:
    """Name the figures that are too good.

    Args:
        rows: The judged model's rows, from step 1 on.
        forecast: Its forecast.
        truth: Log returns from the last close that came.
        ranking: How it sorts the symbols of a date, from step 1 on.
        costs: What its first step is worth against the cost of trading.

    Returns:
        A sentence for each alarm, with its figure and its threshold; often none.
    """
    return (
        *_r2_alarm(rows[0]),
        *_direction_alarm(forecast, truth),
        *_crps_alarm(rows),
        *_rank_alarm(ranking),
        *_sharpe_alarm(costs),
    )


def raise_row_alarms(rows: Sequence[Row]) -> tuple[str, ...]:
    """Name the figures that are too good, where forecasts are not at hand.

    Args:
        rows: The judged model's rows, from step 1 on.

    Returns:
        As in ``raise_alarms``, by R2 and CRPS alone.
    """
    return (*_r2_alarm(rows[0]), *_crps_alarm(rows))


def _passes(figure: float | None, interval: Interval, threshold: float) -> bool:
    # Without an interval there are too few dates to tell a leak from luck.
    if figure is None or interval is None:
        return False
    return figure > threshold and interval[0] > SUPPORTED * threshold


def _r2_alarm(row: Row) -> list[str]:
    r2, around = row.r2_vs.get("zero"), row.skill_rmse_interval_vs.get("zero")
    if around is not None:  # R2 is 1 - (1 - skill)**2
        around = (1 - (1 - around[0]) ** 2, 1 - (1 - around[1]) ** 2)
    if not _passes(r2, around, MAX_R2):
        return []
    return [
        f"Alarm: R2 of the one-session return against zero is {r2:.1%}, "
        f"above {MAX_R2:.0%}."
    ]


def _direction_alarm(
    forecast: Forecast, truth: Float[np.ndarray, "window horizon"]
) -> list[str]:
    excess, _ = direction_excess(forecast, truth)[0]
    if excess <= MAX_DIRECTION_EXCESS:
        return []
    count = effective_directions(forecast, truth)
    if count <= MIN_DIRECTIONS:
        return []
    return [
        f"Alarm: the direction of one session is right {excess * 100:.1f} points "
        f"more often than the more frequent one in windows worth {count:.0f} "
        f"independent ones, above {MAX_DIRECTION_EXCESS * 100:.0f} points."
    ]


def _crps_alarm(rows: Sequence[Row]) -> list[str]:
    alarms = []
    for name in DENSITY_BASELINES:
        passing = [
            skill
            for row in rows
            for skill in [row.skill_crps_vs.get(name)]
            if skill is not None
            and _passes(skill, row.skill_crps_interval_vs[name], MAX_CRPS_SKILL)
        ]
        if passing:
            alarms.append(
                f"Alarm: CRPS skill against {name} is {max(passing):.1%}, above "
                f"{MAX_CRPS_SKILL:.0%}."
            )
    return alarms


def _rank_alarm(ranking: Sequence[Ranking]) -> list[str]:
    if not ranking:
        return []
    first = ranking[0]
    if not _passes(first.rank_ic, first.rank_ic_interval, MAX_RANK_IC):
        return []
    return [
        f"Alarm: RankIC of one session is {first.rank_ic:.2f} over {first.num_dates} "
        f"dates, above {MAX_RANK_IC:.2f}."
    ]


def _sharpe_alarm(costs: CostCurve | None) -> list[str]:
    if costs is None:
        return []
    net = next(point for point in costs.points if point.cost_bp == NET_COST_BP)
    if not _passes(net.sharpe, net.sharpe_interval, MAX_SHARPE):
        return []
    return [
        f"Alarm: the signs of one session earn a yearly Sharpe ratio of "
        f"{net.sharpe:.1f} over {costs.num_dates} dates, net of {NET_COST_BP:g} basis "
        f"points a trade, above {MAX_SHARPE:g}."
    ]
