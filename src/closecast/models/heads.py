"""What the network's outputs mean: the one place where numbers become a distribution.

Everything is in units of the window, z = log return / (scale x sqrt(step)), so that
one network serves a calm stock and a wild coin.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from closecast.forecast import LEVELS

HEADS = ("student_t", "point")

LOG_SCALE_BOUND = 3.0
"""The Student-t's scale stays within exp(+-3) units: a wild first epoch cannot make
a density that is infinitely sure or infinitely wide."""

MIN_DF = 2.1
"""Least degrees of freedom: just above 2, so that the variance always exists."""

START_DF = 6.0
"""Degrees of freedom of an output of 0: daily returns have tails of about this kind."""

_DF_SHIFT = float(np.log(np.expm1(START_DF - MIN_DF)))

_KNOTS = 2049
"""Points of the quantile table: a linear piece is then within 1e-6 of the truth."""


class Functions(NamedTuple):
    """Elementwise functions of an array library."""

    exp: Callable[[Any], Any]
    tanh: Callable[[Any], Any]
    softplus: Callable[[Any], Any]


class StudentT(NamedTuple):
    """Parameters of a Student-t in units of the window, arrays of any library."""

    location: Any
    scale: Any
    df: Any


NUMPY = Functions(exp=np.exp, tanh=np.tanh, softplus=lambda x: np.logaddexp(0.0, x))


def params_per_step(head: str) -> int:
    """Count the numbers that a head needs for each step.

    Args:
        head: One of ``HEADS``.

    Returns:
        1 for a point, 3 for a Student-t (location, scale, degrees of freedom).
    """
    return 3 if head == "student_t" else 1


def student_t_parameters(
    raw: Any,  # noqa: ANN401  an array of any library
    functions: Functions = NUMPY,
) -> StudentT:
    """Read the Student-t head's outputs.

    Args:
        raw: Outputs of the network, shape (..., 3).
        functions: The array library that ``raw`` belongs to.

    Returns:
        Location, scale in exp(+-``LOG_SCALE_BOUND``) and degrees of freedom above
        ``MIN_DF``, each of shape (...).
    """
    log_scale = LOG_SCALE_BOUND * functions.tanh(raw[..., 1] / LOG_SCALE_BOUND)
    return StudentT(
        location=raw[..., 0],
        scale=functions.exp(log_scale),
        df=MIN_DF + functions.softplus(raw[..., 2] + _DF_SHIFT),
    )


@lru_cache(maxsize=1)
def _student_t_table() -> Float[np.ndarray, "knot quantile"]:
    # quantiles at LEVELS over an even grid of 1/df in [0, 1/MIN_DF]
    from scipy.special import ndtri, stdtrit

    upper = LEVELS[len(LEVELS) // 2 + 1 :]
    inverse_df = np.linspace(0, 1 / MIN_DF, _KNOTS)[1:, None]
    right = np.vstack([ndtri(upper), stdtrit(1 / inverse_df, upper)])
    return np.hstack([-right[:, ::-1], np.zeros((_KNOTS, 1)), right])


def student_t_quantiles(
    df: Float[np.ndarray, "window horizon"],
) -> Float[np.ndarray, "window horizon quantile"]:
    """Look up the quantiles of standard Student-t distributions.

    Args:
        df: Degrees of freedom, at least ``MIN_DF``.

    Returns:
        Quantiles at ``LEVELS``, within 1e-5 of the exact ones.
    """
    table = _student_t_table()
    position = np.clip(MIN_DF / df, 0.0, 1.0) * (_KNOTS - 1)
    left = np.minimum(position.astype(np.int64), _KNOTS - 2)
    weight = (position - left)[..., None]
    return np.asarray((1 - weight) * table[left] + weight * table[left + 1])


def distribution(
    head: str,
    raw: Float[np.ndarray, "window horizon param"],
    unit: Float[np.ndarray, "window horizon"],
    residual_scale: Float[np.ndarray, " horizon"] | None = None,
) -> tuple[
    Float[np.ndarray, "window horizon"],
    Float[np.ndarray, "window horizon quantile"],
]:
    """Turn the network's outputs into a distribution of the log return.

    A point has no spread of its own: it gets a Gaussian whose standard deviation
    is the one of its errors on windows that it was not trained on.

    Args:
        head: One of ``HEADS``.
        raw: Outputs of the network, in units of the window.
        unit: That unit, a log return: scale x sqrt(step).
        residual_scale: Standard deviation of the point's errors at each step, in
            units of the window; the Student-t head needs none.

    Returns:
        Mean, and quantiles at ``LEVELS``, as log returns from the last close.

    Raises:
        ValueError: The point head comes without ``residual_scale``.
    """
    outputs = raw.astype(np.float64)
    if head == "student_t":
        location, scale, df = student_t_parameters(outputs)
        spread = scale[..., None] * student_t_quantiles(df)
    elif residual_scale is None:
        raise ValueError(
            "Expected a residual_scale of the point head, got none. Measure it on "
            "the validation windows."
        )
    else:
        from scipy.special import ndtri

        location = outputs[..., 0]
        spread = residual_scale[:, None] * ndtri(LEVELS)  # (H, Q)
    quantiles = unit[..., None] * (location[..., None] + spread)
    return np.asarray(unit * location), np.asarray(quantiles)
