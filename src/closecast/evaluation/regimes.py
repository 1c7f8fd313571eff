"""Where a model is better: in calm, in ordinary or in stormy times.

Two models that are equal on average may each win in a weather of its own.
"""

from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped

from closecast.evaluation.calibration import TERCILES
from closecast.evaluation.dependence import long_run_variance
from closecast.evaluation.resampling import enough_dates, sum_per_date


@dataclass(frozen=True, slots=True, kw_only=True)
class Regime:
    """The skill in one third of the windows, by their volatility at the cutoff.

    Attributes:
        volatility: ``"low"``, ``"middle"`` or ``"high"``.
        skill_crps: 1 - CRPS / the baseline's CRPS there.
        p_value: Two-sided p-value of the difference; None where too few dates.
        num_windows: Windows of the regime.
    """

    volatility: str
    skill_crps: float
    p_value: float | None
    num_windows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditional:
    """Giacomini and White's test against one baseline at one step.

    Attributes:
        horizon: The step, in sessions from 1.
        baseline: Name of the baseline.
        p_value: p-value of both being equal in every regime; None where too few dates.
        regimes: The skill in each.
    """

    horizon: int
    baseline: str
    p_value: float | None
    regimes: tuple[Regime, ...]

    def to_dict(self) -> dict[str, object]:
        """Give one entry of ``scoreboard.json`` under ``regimes``.

        Returns:
            Figures under their names.
        """
        return asdict(self)


def by_volatility(
    loss: Float[np.ndarray, " window"],
    other_loss: Float[np.ndarray, " window"],
    dates: Shaped[np.ndarray, " window"],
    scale: Float[np.ndarray, " window"],
    *,
    horizon: int,
    baseline: str,
) -> Conditional:
    """Compare two forecasts in each third of the volatility known at the cutoff.

    Args:
        loss: Loss of the judged forecast in each window.
        other_loss: Loss of the baseline.
        dates: Cutoff of each window.
        scale: The symbol's volatility of one session known at each cutoff.
        horizon: Step that the losses belong to, in sessions.
        baseline: Name of the baseline.

    Returns:
        The skill in each third, and the test over all of them.

    Source: Giacomini and White (2006), Tests of conditional predictive ability,
    doi:10.1111/j.1468-0262.2006.00718.x, with the thirds as test functions.
    """
    third = np.searchsorted(np.quantile(scale, [1 / 3, 2 / 3]), scale)
    present = [number for number in range(3) if np.any(third == number)]
    difference = loss - other_loss
    by_date = sum_per_date(
        np.stack([difference * (third == number) for number in present], axis=-1),
        dates,
    )
    joint, single = _p_values(by_date, horizon)
    return Conditional(
        horizon=horizon,
        baseline=baseline,
        p_value=joint,
        regimes=tuple(
            Regime(
                volatility=TERCILES[number],
                skill_crps=_skill(loss, other_loss, third, number),
                p_value=p_value,
                num_windows=int((third == number).sum()),
            )
            for number, p_value in zip(present, single, strict=True)
        ),
    )


def _skill(
    loss: Float[np.ndarray, " window"],
    other_loss: Float[np.ndarray, " window"],
    third: Int[np.ndarray, " window"],
    number: int,
) -> float:
    here = third == number
    return 1 - float(loss[here].sum() / other_loss[here].sum())


def _p_values(
    by_date: Float[np.ndarray, "date regime"], horizon: int
) -> tuple[float | None, list[float | None]]:
    # Wald statistics with Newey-West's variance over dates.
    from scipy.special import chdtrc

    count, regimes = by_date.shape
    if not enough_dates(count, horizon):
        return None, [None] * regimes
    mean, spread = by_date.mean(axis=0), long_run_variance(by_date, horizon)
    alone = np.diag(spread)
    single = [
        float(chdtrc(1, count * m**2 / v)) if v > 0 else None
        for m, v in zip(mean, alone, strict=True)
    ]
    if np.any(alone <= 0) or np.linalg.matrix_rank(spread) < regimes:
        return None, single
    statistic = count * float(mean @ np.linalg.solve(spread, mean))
    return float(chdtrc(regimes, max(statistic, 0.0))), single
