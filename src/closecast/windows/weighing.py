"""Look back along each symbol: weighted means and earlier values, never later ones."""

import numpy as np
from jaxtyping import Float

from closecast.market.bars import Bars


def weighted_mean(
    bars: Bars, values: Float[np.ndarray, "row column"], half_life: float
) -> Float[np.ndarray, "row column"]:
    """Average each symbol's past, weights halving with age.

    Args:
        bars: The panel.
        values: A column for each series.
        half_life: Sessions after which a value counts half.

    Returns:
        Mean of the values up to and including each row.
    """
    from scipy.signal import lfilter

    decay = 0.5 ** (1 / half_life)
    mean = np.empty_like(values)
    for _, start, end in bars:
        weight = (1 - decay ** np.arange(1, end - start + 1)) / (1 - decay)
        total = lfilter([1.0], [1.0, -decay], values[start:end], axis=0)
        mean[start:end] = total / weight[:, None]
    return mean


def lagged(
    bars: Bars, values: Float[np.ndarray, " row"], back: int, missing: float
) -> Float[np.ndarray, " row"]:
    """Look some sessions back.

    Args:
        bars: The panel.
        values: A value for each row.
        back: Sessions.
        missing: What stands before a symbol's first bar.

    Returns:
        The symbol's value of ``back`` sessions ago.
    """
    rows = np.arange(len(bars)) - back
    return np.where(rows >= bars.starts, values[np.maximum(rows, 0)], missing)
