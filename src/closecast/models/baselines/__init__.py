"""The forecasts that a model has to beat, trained beside it without asking.

Each looks at closes up to its cutoff and at constants of the training windows,
and at nothing else. None is tuned to lose.
"""

import numpy as np
from jaxtyping import Int
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from closecast.market.bars import Bars
from closecast.models.baselines.drift import Drift
from closecast.models.baselines.ewma_t import EwmaT, fit_ewma_t
from closecast.models.baselines.garch_t import GarchT, fit_garch_t
from closecast.models.baselines.gjr_t import fit_gjr_t
from closecast.models.baselines.har_t import HarT, fit_har_t
from closecast.models.baselines.historical import Historical
from closecast.models.baselines.moving_average import MovingAverage
from closecast.models.baselines.ridge import Ridge, fit_ridge
from closecast.models.baselines.theta import Theta, fit_theta
from closecast.models.baselines.zero import Zero
from closecast.windows.spec import WindowSpec

__all__ = [
    "Baseline",
    "Drift",
    "EwmaT",
    "GarchT",
    "HarT",
    "Historical",
    "MovingAverage",
    "Ridge",
    "Theta",
    "Zero",
    "fit_baselines",
    "fit_ewma_t",
    "fit_garch_t",
    "fit_gjr_t",
    "fit_har_t",
    "fit_ridge",
    "fit_theta",
]

Baseline = (
    Zero | Drift | MovingAverage | Historical | Theta | EwmaT | HarT | GarchT | Ridge
)


def fit_baselines(
    bars: Bars,
    train_cutoffs: Int[np.ndarray, " window"],
    spec: WindowSpec,
    calendar: str = "auto",
) -> tuple[Baseline, ...]:
    """Fit every baseline on the windows that the model is trained on.

    Args:
        bars: The panel.
        train_cutoffs: Rows of the training windows' last known bars.
        spec: Shape of a window.
        calendar: Which sessions target dates are taken from.

    Returns:
        zero, drift, moving_average, historical, theta, ewma_t, har_t, garch_t, gjr_t
        and ridge, in this order.

    Raises:
        TrainingError: There are too few training windows to fit a distribution.
        WindowError: The target of a training window is not in the panel.
    """
    import scipy.linalg  # noqa: F401  a BLAS is held only if it has been loaded

    plain = (Zero, Drift, MovingAverage, Historical)
    fits = (fit_theta, fit_ewma_t, fit_har_t, fit_garch_t, fit_gjr_t, fit_ridge)
    with threadpool_limits(1, "blas"):  # the same sums on a machine of any cores
        return (
            *(kind(horizon=spec.horizon, calendar=calendar) for kind in plain),
            *(fit(bars, train_cutoffs, spec, calendar) for fit in fits),
        )
