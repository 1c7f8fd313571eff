"""A user's own columns as states: causal, and in units that carry.

What is known at the close is told by its distance from its own past and by its last
change, both in its own deviations so far; what is known ahead as it is, one state a
step; a category as its signs.
"""

import numpy as np
from jaxtyping import Float

from closecast.market.bars import Bars
from closecast.market.own import CODE_SIZE, OwnNames, require_own
from closecast.windows.weighing import lagged, weighted_mean

HALF_LIFE = 250
"""Sessions after which a value counts half in the past that another is held against."""

LEAST_DEVIATION = 1e-9
"""In units of the column: one that stood still so far says nothing."""

STATES_OF_PAST = 2


def own_size(names: OwnNames, horizon: int) -> int:
    """Count the states of some columns.

    Args:
        names: The columns.
        horizon: Closes that are forecast.

    Returns:
        Columns of ``own_table``.
    """
    ahead = horizon * len(names.known)
    return STATES_OF_PAST * len(names.past) + ahead + CODE_SIZE * len(names.static)


def own_table(bars: Bars, names: OwnNames) -> Float[np.ndarray, "row state"]:
    """Tell a user's own columns as known at each row.

    Args:
        bars: The panel, with its own columns.
        names: The columns to tell.

    Returns:
        States, in the order of the names.

    Raises:
        SettingError: A column is not there.
    """
    require_own(bars, names)
    tables = [np.empty((len(bars), 0))]
    for name, kind in names:
        values = bars.own[name].told
        tables.append(_of_past(bars, values[:, 0]) if kind == "past" else values)
    return np.concatenate(tables, axis=1)


def _of_past(
    bars: Bars, values: Float[np.ndarray, " row"]
) -> Float[np.ndarray, "row 2"]:
    change = values - lagged(bars, values, 1, np.nan)
    change[np.isnan(change)] = 0.0
    series = np.column_stack([values, change])
    centre = weighted_mean(bars, series, HALF_LIFE)
    centre[:, 1] = 0.0
    # distances from the mean of each time, so that a shift of all values shifts nothing
    spread = np.sqrt(weighted_mean(bars, (series - centre) ** 2, HALF_LIFE))
    return np.where(
        spread > LEAST_DEVIATION,
        (series - centre) / np.maximum(spread, LEAST_DEVIATION),
        0.0,
    )
