"""Whether one forecast is better than another, or was lucky.

A p-value is worth little without the size of the difference beside it, so that
both come in one result.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped

from closecast.evaluation.dependence import long_run_variances

MIN_DATES = 20
"""Fewer dates are not tested: the variance of their mean is a guess."""

MIN_DATES_PER_STEP = 4
"""Losses h steps ahead overlap over h dates; so many spans must be apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DieboldMariano:
    """Outcome of a test of equal accuracy.

    Attributes:
        mean_difference: Mean over the dates of loss minus other loss; below 0 the
            first forecast is better. In the unit of the loss.
        statistic: Of Student's t with ``num_dates - 1`` degrees of freedom; None
            where p_value is.
        p_value: Two-sided; None where there are too few dates, or where the losses
            differ by the same amount on every date and so have no variance.
        num_dates: Dates averaged over.
    """

    mean_difference: float
    statistic: float | None
    p_value: float | None
    num_dates: int


def diebold_mariano(
    loss: Float[np.ndarray, " window"],
    other_loss: Float[np.ndarray, " window"],
    dates: Shaped[np.ndarray, " window"],
    horizon: int,
) -> DieboldMariano:
    """Test whether two forecasts are equally accurate.

    Symbols of one date share their news and are no independent evidence: losses are
    averaged per date first. Newey-West's variance allows for steps that overlap.

    Args:
        loss: Loss of the forecast in each window.
        other_loss: Loss of the other one, in the same windows.
        dates: Cutoff of each window, ``datetime64[D]``.
        horizon: Step that the losses belong to, in sessions.

    Returns:
        The outcome; of two identical losses p is 1.

    Source: Diebold and Mariano (1995), doi:10.1080/07350015.1995.10524599; Harvey,
    Leybourne and Newbold (1997), doi:10.1016/S0169-2070(96)00719-4, equation 9.
    """
    return diebold_mariano_of_dates(
        average_per_date(loss, dates), average_per_date(other_loss, dates), horizon
    )


def diebold_mariano_of_dates(
    mean_loss: Float[np.ndarray, " date"],
    other_mean_loss: Float[np.ndarray, " date"],
    horizon: int,
) -> DieboldMariano:
    """Test as ``diebold_mariano`` does, where losses are averaged per date already.

    Args:
        mean_loss: Mean loss of the forecast on each date, oldest first.
        other_mean_loss: Mean loss of the other one.
        horizon: Step that the losses belong to, in sessions.

    Returns:
        The outcome; of two identical losses p is 1.
    """
    difference = mean_loss - other_mean_loss
    statistic, p_value = _test(mean_loss, other_mean_loss, horizon)
    return DieboldMariano(
        mean_difference=float(difference.mean()),
        statistic=statistic,
        p_value=p_value,
        num_dates=len(difference),
    )


def average_per_date(
    loss: Float[np.ndarray, " window"], dates: Shaped[np.ndarray, " window"]
) -> Float[np.ndarray, " date"]:
    """Average over the symbols of each date.

    Args:
        loss: A value for each window.
        dates: Cutoff of each window.

    Returns:
        The mean of each date, oldest first.
    """
    _, position, count = np.unique(dates, return_inverse=True, return_counts=True)
    return np.asarray(np.bincount(position, weights=loss) / count)


def _test(
    loss: Float[np.ndarray, " date"],
    other_loss: Float[np.ndarray, " date"],
    horizon: int,
) -> tuple[float | None, float | None]:
    difference = loss - other_loss
    if len(difference) < max(MIN_DATES, MIN_DATES_PER_STEP * horizon):
        return None, None
    if not difference.any():
        return 0.0, 1.0
    if np.ptp(difference) <= 1e-12 * np.abs(difference).max():
        return None, None
    from scipy.special import stdtr

    count = len(difference)
    variance = float(long_run_variances(difference[:, None], horizon)[0])
    # Harvey's factor: a variance estimated from overlapping steps is too small
    share = (count + 1 - 2 * horizon + horizon * (horizon - 1) / count) / count
    statistic = float(np.sqrt(share / variance * count) * difference.mean())
    return statistic, float(2 * stdtr(count - 1, -abs(statistic)))
