"""Ridge regression on the windows that the LSTM reads: what is linear in them.

A network that does not beat it has found no more than a straight line.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from closecast.market.bars import Bars
from closecast.models.baselines.location_scale import last_seen
from closecast.models.baselines.student_t import StudentT
from closecast.models.baselines.tails import fit_tails, training_targets
from closecast.windows.scaling import (
    WindowData,
    gather_contexts,
)
from closecast.windows.spec import WindowSpec

PENALTIES = np.logspace(-1, 7, 17)
"""On standardised inputs; the largest one leaves nothing but zero."""

CHUNK = 16_384
"""Windows laid out at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ridge(StudentT):
    """Mean linear in the context, spread of the window's scale, Student-t.

    Attributes:
        spec: Shape of a window.
        coefficients: For each step the weight of each cell of the context in units of
            scale, oldest bar first.
        intercepts: One for each step, in units of scale x sqrt(step).
        penalty: The chosen strength of the shrinkage.

    Source: Hoerl and Kennard (1970), Ridge regression, doi:10.2307/1267351.
    """

    spec: WindowSpec
    coefficients: tuple[tuple[float, ...], ...]
    intercepts: tuple[float, ...]
    penalty: float
    name: str = "ridge"

    def expected(
        self, bars: Bars, cutoffs: Int[np.ndarray, " window"]
    ) -> Float[np.ndarray, "window horizon"]:
        """Expect the unit of the window."""
        return WindowData.of(bars, self.spec).unit(cutoffs)

    def centre(
        self, bars: Bars, cutoffs: Int[np.ndarray, " window"]
    ) -> Float[np.ndarray, "window horizon"]:
        """Expect what is linear in the context; 0 where there is no whole one."""
        data = WindowData.of(bars, self.spec)
        unit = data.unit(cutoffs)
        behind = cutoffs - bars.starts[cutoffs] + 1
        whole = np.flatnonzero(behind >= self.spec.context_length)
        mean = np.zeros_like(unit)
        weights = np.asarray(self.coefficients)
        mean[whole] = _predict(data, cutoffs[whole], weights, self.intercepts)
        return np.asarray(mean * unit)


def fit_ridge(
    bars: Bars,
    train_cutoffs: Int[np.ndarray, " window"],
    spec: WindowSpec,
    calendar: str = "auto",
) -> Ridge:
    """Fit by the normal equations; the penalty by the last fifth of the windows.

    Args:
        bars: The panel.
        train_cutoffs: Rows of the training windows' last known bars, each with a
            whole context.
        spec: Shape of a window.
        calendar: Which sessions target dates are taken from.

    Returns:
        The baseline with its fitted constants.

    Raises:
        TrainingError: There are too few windows.
        WindowError: The target of a training window is not in the panel.
    """
    cutoffs, targets = training_targets(bars, train_cutoffs, spec, "ridge")
    data = WindowData.of(bars, spec)
    scaled = targets / data.unit(cutoffs)
    penalty = _choose_penalty(bars, data, cutoffs, scaled)
    weights, intercepts = _Moments.of(data, cutoffs, scaled).solve(penalty)
    mean = _predict(data, cutoffs, weights, tuple(intercepts.tolist()))
    dfs, factors = fit_tails(scaled - mean)
    first, last = last_seen(bars, train_cutoffs, spec)
    return Ridge(
        spec=spec,
        coefficients=tuple(tuple(row) for row in weights.tolist()),
        intercepts=tuple(intercepts.tolist()),
        penalty=penalty,
        degrees_of_freedom=dfs,
        factors=factors,
        first_date=first,
        last_date=last,
        calendar=calendar,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Moments:
    """All that a linear regression needs to know of its sample."""

    x_mean: Float[np.ndarray, " cell"]
    y_mean: Float[np.ndarray, " horizon"]
    deviation: Float[np.ndarray, " cell"]
    gram: Float[np.ndarray, "cell cell"]
    cross: Float[np.ndarray, "cell horizon"]

    @classmethod
    def of(
        cls,
        data: WindowData,
        cutoffs: Int[np.ndarray, " window"],
        scaled: Float[np.ndarray, "window horizon"],
    ) -> "_Moments":
        """Sum up chunk by chunk; the inputs are standardised in the sums."""
        cells = data.spec.context_length * data.logs.shape[1]
        total, square = np.zeros(cells), np.zeros((cells, cells))
        product = np.zeros((cells, scaled.shape[1]))
        for part, x in _chunks(data, cutoffs):
            total += x.sum(axis=0)
            square += x.T @ x
            product += x.T @ scaled[part]
        count, y_mean = len(cutoffs), scaled.mean(axis=0)
        x_mean = total / count
        gram = square - count * np.outer(x_mean, x_mean)
        spread = np.sqrt(np.maximum(np.diag(gram) / count, 0.0))
        deviation = np.where(spread > 1e-9, spread, np.inf)  # noqa: PLR2004
        return cls(
            x_mean=x_mean,
            y_mean=y_mean,
            deviation=deviation,
            gram=gram / np.outer(deviation, deviation),
            cross=(product - count * np.outer(x_mean, y_mean)) / deviation[:, None],
        )

    def solve(
        self, penalty: float
    ) -> tuple[Float[np.ndarray, "horizon cell"], Float[np.ndarray, " horizon"]]:
        """Give weights and intercepts."""
        eye = penalty * np.eye(len(self.gram))
        standard = np.linalg.solve(self.gram + eye, self.cross)
        weights = (standard / self.deviation[:, None]).T
        return weights, self.y_mean - weights @ self.x_mean


def _choose_penalty(
    bars: Bars,
    data: WindowData,
    cutoffs: Int[np.ndarray, " window"],
    scaled: Float[np.ndarray, "window horizon"],
) -> float:
    # Fitted to the older four fifths of the dates, compared on the newest fifth, with
    # the windows between them left out whose targets would reach across.
    dates = bars.dates[cutoffs]
    calendar = np.unique(dates)
    cut = calendar[int(0.8 * len(calendar))]
    reached = bars.dates[cutoffs + data.spec.horizon]
    older, newer = np.flatnonzero(reached < cut), np.flatnonzero(dates >= cut)
    if len(older) == 0:
        return float(PENALTIES[-1])
    moments = _Moments.of(data, cutoffs[older], scaled[older])
    x = np.concatenate([chunk for _, chunk in _chunks(data, cutoffs[newer])])
    losses = []
    for penalty in PENALTIES:
        weights, intercepts = moments.solve(float(penalty))
        error = scaled[newer] - (x @ weights.T + intercepts)
        losses.append(float(np.mean(error**2)))
    return float(PENALTIES[int(np.argmin(losses))])


def _predict(
    data: WindowData,
    cutoffs: Int[np.ndarray, " window"],
    weights: Float[np.ndarray, "horizon cell"],
    intercepts: tuple[float, ...],
) -> Float[np.ndarray, "window horizon"]:
    # Step by step without a matrix product, which may round otherwise for another
    # number of windows.
    mean = np.empty((len(cutoffs), len(weights)))
    for part, x in _chunks(data, cutoffs):
        for step, row in enumerate(weights):
            mean[part, step] = (x * row).sum(axis=1) + intercepts[step]
    return mean


def _chunks(
    data: WindowData, cutoffs: Int[np.ndarray, " window"]
) -> Iterator[tuple[slice, Float[np.ndarray, "window cell"]]]:
    # Contexts in units of the scale at their cutoff, flattened.
    for first in range(0, len(cutoffs), CHUNK):
        part = slice(first, first + CHUNK)
        rows = cutoffs[part]
        context = gather_contexts(data.logs, rows, data.spec)
        yield part, context.reshape(len(rows), -1) / data.scale[rows][:, None]
