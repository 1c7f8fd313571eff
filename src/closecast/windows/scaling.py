"""What a window holds, in units that carry from one symbol to another.

Everything here is known at the cutoff: a row of ``log_table`` or ``scale`` uses
that row and earlier ones of its symbol, and no statistic is fitted.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from closecast.market.bars import CLOSE, VOLUME, Bars
from closecast.windows.spec import WindowSpec

FEATURES = ("open", "high", "low", "close", "volume")

HALF_LIFE = 20
"""Sessions after which a squared return counts half in ``scale``."""

PRIOR_VOLATILITY = 0.02
"""Volatility of a session before a symbol has shown its own; counts as one return."""

MIN_VOLATILITY = 1e-4
"""Least scale: keeps a constant price or a pegged coin from dividing by zero."""


def log_table(bars: Bars) -> Float[np.ndarray, "row feature"]:
    """Take the logarithm of a panel, once.

    A session without trade has no volume to take a logarithm of: it carries the
    last traded volume, so that no ratio is infinite and none depends on the unit
    that volume is counted in. Before a symbol's first trade the volume is NaN.

    Args:
        bars: The panel.

    Returns:
        Logarithms of ``FEATURES``, shape (row, feature).
    """
    traded = bars.values[:, VOLUME] > 0
    rows = np.arange(len(bars))
    last_traded = np.maximum.accumulate(np.where(traded, rows, -1))
    known = last_traded >= bars.starts
    table = np.log(np.where(bars.values > 0, bars.values, 1.0))
    table[:, VOLUME] = np.where(
        known, table[np.maximum(last_traded, 0), VOLUME], np.nan
    )
    return table


def gather_contexts(
    table: Float[np.ndarray, "row feature"],
    cutoffs: Int[np.ndarray, " window"],
    spec: WindowSpec,
) -> Float[np.ndarray, "window context feature"]:
    """Cut the contexts that end at some cutoffs.

    Args:
        table: Logarithms of the panel, from ``log_table``.
        cutoffs: Rows of the last known bars.
        spec: Shape of a window.

    Returns:
        Log ratios to the last bar of the context, so that 1 -> 2 and 10 -> 20 look
        alike; oldest bar first, the last bar is 0. A ratio of unknown volumes is 0.

    Source: Standalone-DeepLearning, lecture on LSTM, ``StockDataset``.
    """
    rows = cutoffs[:, None] + np.arange(1 - spec.context_length, 1)
    contexts = table[rows] - table[cutoffs][:, None]  # (N, T, F)
    volume = contexts[..., VOLUME]
    volume[np.isnan(volume)] = 0.0
    return np.asarray(contexts)


def gather_targets(
    table: Float[np.ndarray, "row feature"],
    cutoffs: Int[np.ndarray, " window"],
    spec: WindowSpec,
) -> Float[np.ndarray, "window horizon"]:
    """Cut the closes to come, as log returns from the last close.

    Args:
        table: Logarithms of the panel, from ``log_table``.
        cutoffs: Rows of the last known bars; each has its target in the panel.
        spec: Shape of a window.

    Returns:
        ``log(close[t + h]) - log(close[t])`` for h = 1 .. horizon, without unit.
    """
    close = table[:, CLOSE]
    rows = cutoffs[:, None] + np.arange(1, spec.horizon + 1)
    return np.asarray(close[rows] - close[cutoffs][:, None])


def volatility(bars: Bars, half_life: float = HALF_LIFE) -> Float[np.ndarray, " row"]:
    """Estimate each symbol's own volatility of one session, causally.

    An exponentially weighted mean of squared log returns up to and including the
    row, that starts from ``PRIOR_VOLATILITY`` with the weight of one return.

    Args:
        bars: The panel.
        half_life: Sessions after which a return counts half.

    Returns:
        Volatility of one session's log return, at least ``MIN_VOLATILITY``.

    Source: J.P. Morgan, RiskMetrics Technical Document (1996), section 5.2.
    """
    # a loop: scipy's filter is faster on a large panel, but importing it takes longer
    # than all of a small one
    decay = 0.5 ** (1 / half_life)
    squares = np.diff(np.log(bars.close), prepend=0.0) ** 2
    variance = np.empty(len(bars))
    for _, start, end in bars:
        total, weight = PRIOR_VOLATILITY**2, 1.0
        variance[start] = total
        for row in range(start + 1, end):
            total = decay * total + squares[row]
            weight = decay * weight + 1.0
            variance[row] = total / weight
    return np.maximum(np.sqrt(variance), MIN_VOLATILITY)


@dataclass(frozen=True, slots=True, eq=False)
class WindowData:
    """A panel as models read it: resident tables, and windows cut on demand.

    Attributes:
        spec: Shape of a window.
        logs: Logarithms of ``FEATURES``, shape (row, feature).
        scale: Volatility of one session known at each row, shape (row,).
        state: Further features known at each row, shape (row, state); may have none.
    """

    spec: WindowSpec
    logs: Float[np.ndarray, "row feature"]
    scale: Float[np.ndarray, " row"]
    state: Float[np.ndarray, "row state"]

    @classmethod
    def of(cls, bars: Bars, spec: WindowSpec) -> "WindowData":
        """Prepare a panel.

        Args:
            bars: The panel.
            spec: Shape of a window.

        Returns:
            Its tables.
        """
        return cls(spec, log_table(bars), volatility(bars), np.empty((len(bars), 0)))

    def context(
        self, cutoffs: Int[np.ndarray, " window"]
    ) -> Float[np.ndarray, "window context feature"]:
        """Cut contexts; see ``gather_contexts``."""
        return gather_contexts(self.logs, cutoffs, self.spec)

    def target(
        self, cutoffs: Int[np.ndarray, " window"]
    ) -> Float[np.ndarray, "window horizon"]:
        """Cut targets; see ``gather_targets``."""
        return gather_targets(self.logs, cutoffs, self.spec)

    def unit(
        self, cutoffs: Int[np.ndarray, " window"]
    ) -> Float[np.ndarray, "window horizon"]:
        """Give the unit a density is stated in: scale x sqrt(step).

        Args:
            cutoffs: Rows of the last known bars.

        Returns:
            Volatility of the log return over h sessions, were they independent.
        """
        steps = np.sqrt(np.arange(1, self.spec.horizon + 1))
        return np.asarray(self.scale[cutoffs][:, None] * steps)
