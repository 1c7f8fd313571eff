"""Alarms: figures that are too good for prices.

None proves a leak. Each is a reason to look for one before anything is believed.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from closecast.evaluation.rows import Row
from closecast.forecast import Forecast

MAX_R2 = 0.02
"""R2 of one session's return against zero."""

MAX_DIRECTION_EXCESS = 0.04
"""Directional accuracy of one session above the more frequent direction."""

MIN_DIRECTIONS = 1000
"""Fewer directions reach that excess by luck."""

MAX_CRPS_SKILL = 0.10
"""CRPS skill against EWMA-t, at any step."""


def raise_alarms(
    rows: Sequence[Row], forecast: Forecast, truth: Float[np.ndarray, "window horizon"]
) -> tuple[str, ...]:
    """Name the figures that are too good.

    Args:
        rows: The judged model's rows, from step 1 on.
        forecast: Its forecast.
        truth: Log returns from the last close that came.

    Returns:
        A sentence for each alarm, with its figure and its threshold; often none.
    """
    sentences = []
    r2 = 1 - (1 - rows[0].skill_rmse_vs.get("zero", 0.0)) ** 2
    if r2 > MAX_R2:
        sentences.append(
            f"Alarm: R2 of the one-session return against zero is {r2:.1%}, "
            f"above {MAX_R2:.0%}."
        )
    excess, count = direction_excess(forecast, truth)
    if count > MIN_DIRECTIONS and excess > MAX_DIRECTION_EXCESS:
        sentences.append(
            f"Alarm: the direction of one session is right {excess * 100:.1f} points "
            f"more often than the more frequent one in {count} windows, above "
            f"{MAX_DIRECTION_EXCESS * 100:.0f} points."
        )
    skill = max(row.skill_crps_vs.get("ewma_t", 0.0) for row in rows)
    if skill > MAX_CRPS_SKILL:
        sentences.append(
            f"Alarm: CRPS skill against ewma_t is {skill:.1%}, above "
            f"{MAX_CRPS_SKILL:.0%}."
        )
    return tuple(sentences)


def direction_excess(
    forecast: Forecast, truth: Float[np.ndarray, "window horizon"]
) -> tuple[float, int]:
    """Compare the forecast's direction with always naming the more frequent one.

    Args:
        forecast: The forecast.
        truth: Log returns from the last close that came.

    Returns:
        Directional accuracy of the first step minus the share of the more frequent
        direction, and the windows counted: those where forecast and truth move.
    """
    predicted, actual = np.sign(forecast.mean[:, 0]), np.sign(truth[:, 0])
    moves = (predicted != 0) & (actual != 0)
    if not moves.any():
        return 0.0, 0
    up = float(np.mean(actual[moves] > 0))
    accuracy = float(np.mean(predicted[moves] == actual[moves]))
    return accuracy - max(up, 1 - up), int(moves.sum())
