"""Skill where none can be: what a label shuffle test is judged by."""

import numpy as np
from jaxtyping import Float, Shaped

from closecast.evaluation.significance import diebold_mariano
from closecast.windows.leakage import LeakResult

NAME = "label_shuffle"

MAX_P = 0.001
"""One-sided, over all steps: a test after every training must not cry wolf."""


def label_shuffle(
    square: Float[np.ndarray, "window horizon"],
    drift_square: Float[np.ndarray, "window horizon"],
    dates: Shaped[np.ndarray, " window"],
    done: str,
) -> LeakResult:
    """Judge squared errors against drift's, where targets were dealt out anew.

    Args:
        square: Squared errors of the mean.
        drift_square: Those of drift.
        dates: Cutoff of each window.
        done: What was changed, in words.

    Returns:
        A leak where an error is smaller than drift's by more than luck; nothing
        checked where there are too few dates to tell, or prices stand still.
    """
    if not drift_square.any(axis=0).all():
        return LeakResult(NAME, None, f"{done}: no price moves against drift")
    tests = [
        diebold_mariano(own, other, dates, step)
        for step, (own, other) in enumerate(
            zip(square.T, drift_square.T, strict=True), start=1
        )
    ]
    chances = [
        one.p_value / 2 if one.mean_difference < 0 else 1 - one.p_value / 2
        for one in tests
        if one.p_value is not None
    ]
    count = len(np.unique(dates))
    if not chances:
        return LeakResult(NAME, None, f"{done}: {count} dates are too few to judge by")
    chance = min(1.0, min(chances) * len(chances))
    most = float((1 - square.mean(axis=0) / drift_square.mean(axis=0)).max())
    return LeakResult(
        NAME,
        chance > MAX_P,
        f"{done}: R2 against drift {most:+.2%} at best over {count} dates, by luck "
        f"with p = {chance:.2g}",
    )
