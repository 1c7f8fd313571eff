"""What the network's outputs mean: the one place where numbers become a distribution.

Everything is in units of the window, z = log return / (scale x sqrt(step)), so that
one network serves a calm stock and a wild coin.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from closecast.errors import SettingError
from closecast.forecast import LEVELS

HEADS = ("student_t", "quantile", "point")

LOSSES = ("auto", "mse", "nll", "crps")

LOSSES_OF_HEAD = {
    "student_t": ("nll", "crps"),
    "quantile": ("crps",),
    "point": ("mse",),
}
"""What each head can be trained to make small; the first is what it takes by itself."""

LOG_SCALE_BOUND = 3.0
"""The Student-t's scale stays within exp(+-3) units: a wild first epoch cannot make
a density that is infinitely sure or infinitely wide."""

MIN_DF = 2.1
"""Least degrees of freedom: just above 2, so that the variance always exists."""

START_DF = 6.0
"""Degrees of freedom of an output of 0: daily returns have tails of about this kind."""

_DF_SHIFT = float(np.log(np.expm1(START_DF - MIN_DF)))

_DEGREE = 10
"""Of the polynomials in 1/df that give Student-t quantiles to within 1e-9."""

MIDDLE = len(LEVELS) // 2
"""Place of the median among ``LEVELS``."""

_UNIT_GAP = float(np.log(np.expm1(1.0)))
"""softplus gives 1 here: an output of 0 leaves a gap as it starts."""


class Functions(NamedTuple):
    """Functions of an array library; those along an axis take the last one."""

    exp: Callable[[Any], Any]
    tanh: Callable[[Any], Any]
    softplus: Callable[[Any], Any]
    cumsum: Callable[[Any], Any]
    flip: Callable[[Any], Any]
    concat: Callable[[list[Any]], Any]
    like: Callable[[Any, Any], Any]
    """A numpy array as one of the library, in the kind of its second argument."""


class StudentT(NamedTuple):
    """Parameters of a Student-t in units of the window, arrays of any library."""

    location: Any
    scale: Any
    df: Any


NUMPY = Functions(
    exp=np.exp,
    tanh=np.tanh,
    softplus=lambda x: np.logaddexp(0.0, x),
    cumsum=lambda x: np.cumsum(x, axis=-1),
    flip=lambda x: x[..., ::-1],
    concat=lambda parts: np.concatenate(parts, axis=-1),
    like=lambda values, _: values,
)


def params_per_step(head: str) -> int:
    """Count the numbers that a head needs for each step.

    Args:
        head: One of ``HEADS``.

    Returns:
        1 for a point, 3 for a Student-t (location, scale, degrees of freedom), one
        for each of ``LEVELS`` for quantiles.
    """
    return {"point": 1, "student_t": 3, "quantile": len(LEVELS)}[head]


def choose_loss(head: str, loss: str = "auto") -> str:
    """Choose what a head is trained to make small.

    Args:
        head: One of ``HEADS``.
        loss: One of ``LOSSES``; ``"auto"`` takes the first of ``LOSSES_OF_HEAD``.

    Returns:
        ``"mse"``, the squared error, ``"nll"``, the negative log likelihood, or
        ``"crps"``, twice the mean pinball loss over ``LEVELS``.

    Raises:
        SettingError: The head has no such loss.
    """
    choices = LOSSES_OF_HEAD[head]
    if loss == "auto":
        return choices[0]
    if loss not in choices:
        raise SettingError(
            f"Expected loss to be one of auto, {', '.join(choices)} with head {head}, "
            f"got {loss!r}."
        )
    return loss


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
def student_t_polynomials() -> Float[np.ndarray, "power quantile"]:
    """Give the upper half of Student-t quantiles as polynomials.

    The quantile at a level is as smooth in 1/df as anything: a polynomial through
    Chebyshev's points, both ends among them, has nine digits.

    Returns:
        Coefficients of the powers of ``2 MIN_DF / df - 1`` from 0 on, one column for
        each of ``LEVELS`` above the median.
    """
    from numpy.polynomial import chebyshev
    from scipy.special import ndtri, stdtrit

    upper = LEVELS[MIDDLE + 1 :]
    x = -np.cos(np.pi * np.arange(_DEGREE + 1) / _DEGREE)
    x[0] = -1.0
    df = 2 * MIN_DF / (1 + x[1:, None])
    values = np.vstack([ndtri(upper), stdtrit(df, upper)])
    columns = chebyshev.chebfit(x, values, _DEGREE).T
    return np.column_stack([chebyshev.cheb2poly(column) for column in columns])


def student_t_quantiles(
    df: Any,  # noqa: ANN401  an array of any library
    functions: Functions = NUMPY,
) -> Any:  # noqa: ANN401
    """Give the quantiles of standard Student-t distributions.

    Args:
        df: Degrees of freedom, at least ``MIN_DF``, shape (...).
        functions: The array library that ``df`` belongs to.

    Returns:
        Quantiles at ``LEVELS``, shape (..., Q), within 1e-9 of the exact ones.
    """
    powers = functions.like(student_t_polynomials(), df)
    x = (2 * MIN_DF / df - 1)[..., None]
    upper = powers[-1] + 0 * x
    for power in range(len(powers) - 2, -1, -1):
        upper = upper * x + powers[power]
    return functions.concat([-functions.flip(upper), 0 * x, upper])


@lru_cache(maxsize=1)
def start_gaps() -> Float[np.ndarray, " gap"]:
    """Give the gaps between quantiles that the quantile head starts from.

    Returns:
        Those of a Student-t with ``START_DF`` degrees of freedom above the median,
        outwards, in units of the window; those below it are the same.
    """
    return np.diff(student_t_quantiles(np.array(START_DF))[MIDDLE:])


def head_quantiles(
    raw: Any,  # noqa: ANN401  an array of any library
    functions: Functions = NUMPY,
) -> Any:  # noqa: ANN401
    """Read the quantile head's outputs; no quantile ever crosses another.

    Args:
        raw: Outputs of the network, shape (..., Q): the median, then the gaps above
            it outwards, then those below it, each a softplus away from negative.
        functions: The array library that ``raw`` belongs to.

    Returns:
        Quantiles at ``LEVELS`` in units of the window, shape (..., Q).
    """
    gaps, median = functions.softplus(raw[..., 1:] + _UNIT_GAP), raw[..., :1]
    start = functions.like(start_gaps(), raw)
    above = functions.cumsum(start * gaps[..., :MIDDLE])
    below = functions.cumsum(start * gaps[..., MIDDLE:])
    return functions.concat([median - functions.flip(below), median, median + above])


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
    is the one of its errors on windows that it was not trained on. Quantiles have
    no mean of their own: it is the mean of those at ``LEVELS``, without the far tails.

    Args:
        head: One of ``HEADS``.
        raw: Outputs of the network, in units of the window.
        unit: That unit, a log return: scale x sqrt(step).
        residual_scale: Standard deviation of the point's errors at each step, in
            units of the window; other heads need none.

    Returns:
        Mean, and quantiles at ``LEVELS``, as log returns from the last close.

    Raises:
        ValueError: The point head comes without ``residual_scale``.
    """
    outputs = raw.astype(np.float64)
    if head == "quantile":
        own = head_quantiles(outputs)
        return unit * own.mean(axis=-1), unit[..., None] * own
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
