"""GJR with a Student-t: a GARCH in which falls count more than rises."""

import numpy as np
from jaxtyping import Int

from closecast.market.bars import Bars
from closecast.models.baselines.garch_t import GarchT, fit_garch_t
from closecast.windows.spec import WindowSpec


def fit_gjr_t(
    bars: Bars,
    train_cutoffs: Int[np.ndarray, " window"],
    spec: WindowSpec,
    calendar: str = "auto",
) -> GarchT:
    """Fit a GARCH(1,1) with a further weight for squared falls.

    Args:
        bars: The panel.
        train_cutoffs: Rows of the training windows' last known bars.
        spec: Shape of a window; only its horizon matters here.
        calendar: Which sessions target dates are taken from.

    Returns:
        The baseline, named ``gjr_t``.

    Raises:
        TrainingError: There are too few windows.
        WindowError: The target of a training window is not in the panel.

    Source: Glosten, Jagannathan and Runkle (1993), On the relation between the
    expected value and the volatility of the nominal excess return on stocks,
    doi:10.1111/j.1540-6261.1993.tb05128.x.
    """
    return fit_garch_t(bars, train_cutoffs, spec, calendar, falls=True)
