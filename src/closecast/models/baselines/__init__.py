"""The forecasts that a model has to beat, trained beside it without asking.

Each looks at closes up to its cutoff and at constants of the training windows,
and at nothing else. None is tuned to lose.
"""

import numpy as np
from jaxtyping import Int

from closecast.market.bars import Bars
from closecast.models.baselines.drift import Drift
from closecast.models.baselines.ewma_t import EwmaT, fit_ewma_t
from closecast.models.baselines.zero import Zero
from closecast.windows.spec import WindowSpec

__all__ = ["Drift", "EwmaT", "Zero", "fit_baselines", "fit_ewma_t"]


def fit_baselines(
    bars: Bars,
    train_cutoffs: Int[np.ndarray, " window"],
    spec: WindowSpec,
    calendar: str = "auto",
) -> tuple[Zero, Drift, EwmaT]:
    """Fit every baseline on the windows that the model is trained on.

    Args:
        bars: The panel.
        train_cutoffs: Rows of the training windows' last known bars.
        spec: Shape of a window; only its horizon matters here.
        calendar: Which sessions target dates are taken from.

    Returns:
        Zero, drift and EWMA-t, in this order.

    Raises:
        TrainingError: There are too few training windows to fit a distribution.
        WindowError: The target of a training window is not in the panel.
    """
    return (
        Zero(horizon=spec.horizon, calendar=calendar),
        Drift(horizon=spec.horizon, calendar=calendar),
        fit_ewma_t(bars, train_cutoffs, spec, calendar),
    )
