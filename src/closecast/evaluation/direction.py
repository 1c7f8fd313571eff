"""Whether a forecast names the direction more often than a stopped clock.

Prices rise more often than they fall: the accuracy to beat is that of always naming
the more frequent direction.
"""

import numpy as np
from jaxtyping import Float

from closecast.forecast import Forecast


def direction_excess(
    forecast: Forecast, truth: Float[np.ndarray, "window horizon"]
) -> list[tuple[float, int]]:
    """Compare the forecast's direction with always naming the more frequent one.

    Args:
        forecast: The forecast.
        truth: Log returns from the last close that came.

    Returns:
        For each step the directional accuracy minus the share of the more frequent
        direction, and the windows counted: those where forecast and truth move.
    """
    return [
        _excess(np.sign(predicted), np.sign(actual))
        for predicted, actual in zip(forecast.mean.T, truth.T, strict=True)
    ]


def _excess(
    predicted: Float[np.ndarray, " window"], actual: Float[np.ndarray, " window"]
) -> tuple[float, int]:
    moves = (predicted != 0) & (actual != 0)
    if not moves.any():
        return 0.0, 0
    up = float(np.mean(actual[moves] > 0))
    accuracy = float(np.mean(predicted[moves] == actual[moves]))
    return accuracy - max(up, 1 - up), int(moves.sum())
