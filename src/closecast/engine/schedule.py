"""How the learning rate goes through a training: a pure function of the step.

Engines ask for the rates of an epoch and keep no state of their own, so that they
step at the same rates. A training that stops early has seen the beginning of its
schedule only.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

SCHEDULES = ("constant", "cosine", "one_cycle", "step")

ONE_CYCLE_RISE = 0.3
"""Share of a one-cycle training in which the rate rises."""

ONE_CYCLE_START, ONE_CYCLE_END = 1 / 25, 1 / 25e4
"""Shares of the rate that the cycle starts from and ends with."""

STEPS_DOWN = (0.5, 0.75)
"""Shares of a training after which the rate falls to a tenth."""


def epoch_rates(
    schedule: str,
    learning_rate: float,
    warmup: float,
    epoch: int,
    epochs: int,
    steps: int,
) -> Float[np.ndarray, " step"]:
    """Give the learning rate of each step of an epoch.

    Args:
        schedule: One of ``SCHEDULES``.
        learning_rate: The greatest rate.
        warmup: Share of all steps in which the rate rises evenly from 0; the
            schedule has the others.
        epoch: The epoch, counted from 1.
        epochs: Epochs of the whole training, at most.
        steps: Steps of an epoch.

    Returns:
        The rates, in the order of the steps.
    """
    done = np.arange((epoch - 1) * steps, epoch * steps, dtype=np.float64)
    rising = np.floor(warmup * epochs * steps)
    left = max(epochs * steps - rising, 1)
    share = _SHARES[schedule](np.maximum(done - rising, 0), left)
    warm = np.minimum((done + 1) / (rising + 1), 1.0)
    return np.asarray(learning_rate * warm * share)


def _constant(done: Float[np.ndarray, " step"], _: float) -> Float[np.ndarray, " step"]:
    return np.ones_like(done)


def _cosine(
    done: Float[np.ndarray, " step"], steps: float
) -> Float[np.ndarray, " step"]:
    # Loshchilov and Hutter (2017), arXiv:1608.03983, equation 5, without restarts
    return np.asarray((1 + np.cos(np.pi * done / steps)) / 2)


def _one_cycle(
    done: Float[np.ndarray, " step"], steps: float
) -> Float[np.ndarray, " step"]:
    # Smith and Topin (2019), arXiv:1708.07120, annealed by cosines as torch has it
    top = max(ONE_CYCLE_RISE * steps - 1, 0.0)
    last = max(steps - 1, top)
    up = _between(ONE_CYCLE_START, 1.0, done / max(top, 1e-9))
    down = _between(1.0, ONE_CYCLE_END, (done - top) / max(last - top, 1e-9))
    return np.where(done <= top, up, down)


def _between(
    start: float, end: float, share: Float[np.ndarray, " step"]
) -> Float[np.ndarray, " step"]:
    along = (1 - np.cos(np.pi * np.clip(share, 0.0, 1.0))) / 2
    return np.asarray(start + (end - start) * along)


def _step(done: Float[np.ndarray, " step"], steps: float) -> Float[np.ndarray, " step"]:
    # as He et al. (2016), arXiv:1512.03385, section 4.2
    falls = sum((done >= at * steps).astype(np.float64) for at in STEPS_DOWN)
    return np.asarray(0.1**falls)


_SHARES: dict[str, Callable[..., Float[np.ndarray, " step"]]] = {
    "constant": _constant,
    "cosine": _cosine,
    "one_cycle": _one_cycle,
    "step": _step,
}
