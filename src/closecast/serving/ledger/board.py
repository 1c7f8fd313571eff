"""The record so far: every model over the same forecasts, step by step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from closecast.evaluation.comparison import Comparison, Interval, compare


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardRow:
    """How a model did at one step, beside each model recorded with it.

    Attributes:
        model: Its name.
        step: The step, in sessions from 1.
        windows: Forecasts that came true and were made by every model.
        dates: Different cutoffs among them.
        first: Oldest cutoff, ISO.
        last: Newest cutoff, ISO.
        crps: Mean CRPS, each in units of the symbol's volatility at the cutoff.
        crps_raw: Mean CRPS in log return.
        coverage_50: Share of closes in the central 50 % interval.
        coverage_80: The same of the 80 % interval.
        coverage_95: The same of the 95 % interval.
        skill_crps_vs: 1 - crps / the other's crps; above 0 is better than it.
        skill_crps_interval_vs: Its 90 % block-bootstrap interval over dates; None
            where there are too few.
        dm_p_vs: Diebold-Mariano p-value of the difference; None where too few.
    """

    model: str
    step: int
    windows: int
    dates: int
    first: str
    last: str
    crps: float
    crps_raw: float
    coverage_50: float
    coverage_80: float
    coverage_95: float
    skill_crps_vs: Mapping[str, float]
    skill_crps_interval_vs: Mapping[str, Interval]
    dm_p_vs: Mapping[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """Scores of many forecasts as columns.

    Attributes:
        model: Whose forecast.
        symbol: Its symbol.
        cutoff: Its cutoff, ``datetime64[D]``.
        step: The step, from 1.
        crps: CRPS in log return.
        scale: Volatility of one session at the cutoff.
        pit: Where the truth fell in the distribution.
        held: Whether the 50, 80 and 95 % intervals held it.
    """

    model: Shaped[np.ndarray, " score"]
    symbol: Shaped[np.ndarray, " score"]
    cutoff: Shaped[np.ndarray, " score"]
    step: Int[np.ndarray, " score"]
    crps: Float[np.ndarray, " score"]
    scale: Float[np.ndarray, " score"]
    pit: Float[np.ndarray, " score"]
    held: Bool[np.ndarray, "score 3"]

    def take(self, rows: Shaped[np.ndarray, " some"]) -> "Table":
        """Keep some rows, in this order."""
        return Table(
            model=self.model[rows],
            symbol=self.symbol[rows],
            cutoff=self.cutoff[rows],
            step=self.step[rows],
            crps=self.crps[rows],
            scale=self.scale[rows],
            pit=self.pit[rows],
            held=self.held[rows],
        )


def table_of(found: Sequence[Any]) -> Table:
    """Turn rows of the database into columns.

    Args:
        found: Rows with the names of ``Table``; ``held`` as ``in_50`` and so on.

    Returns:
        The table.
    """
    return Table(
        model=np.array([row.model for row in found], dtype=str),
        symbol=np.array([row.symbol for row in found], dtype=str),
        cutoff=np.array([row.cutoff for row in found], "datetime64[D]"),
        step=np.array([row.step for row in found], np.int64),
        crps=np.array([row.crps for row in found], np.float64),
        scale=np.array([row.scale for row in found], np.float64),
        pit=np.array([row.pit for row in found], np.float64),
        held=np.array(
            [(row.in_50, row.in_80, row.in_95) for row in found], bool
        ).reshape(-1, 3),
    )


def board_of(table: Table, judged: str) -> tuple[BoardRow, ...]:
    """Compare models step by step.

    Args:
        table: Scores of all models.
        judged: The model that comes first.

    Returns:
        A row for each model and step, model after model.
    """
    names = [judged, *sorted(set(table.model.tolist()) - {judged})]
    steps = {
        step: shared(table, step, names) for step in sorted(set(table.step.tolist()))
    }
    compared = {
        step: (parts, _compared(parts, step)) for step, parts in steps.items() if parts
    }
    return tuple(
        _row(name, step, parts, comparison)
        for name in names
        for step, (parts, comparison) in compared.items()
    )


def shared(table: Table, step: int, names: Sequence[str]) -> dict[str, Table]:
    """Take the scores of one step that every model has, in the same order.

    Args:
        table: Scores of all models.
        step: The step.
        names: The models.

    Returns:
        A table for each model, by symbol and cutoff; nothing where they share none.
    """
    parts = {}
    for name in names:
        part = table.take(np.flatnonzero((table.model == name) & (table.step == step)))
        parts[name] = part.take(np.lexsort((part.symbol, part.cutoff)))
    both = set.intersection(*(set(_keys(part)) for part in parts.values()))
    if not both:
        return {}
    return {name: part.take(_within(part, both)) for name, part in parts.items()}


def _keys(part: Table) -> list[tuple[str, Any]]:
    return list(zip(part.symbol.tolist(), part.cutoff.tolist(), strict=True))


def _within(part: Table, keys: set[tuple[str, Any]]) -> Bool[np.ndarray, " score"]:
    return np.array([pair in keys for pair in _keys(part)], bool)


def _compared(parts: Mapping[str, Table], step: int) -> Comparison:
    losses = {name: part.crps / part.scale for name, part in parts.items()}
    return compare(losses, next(iter(parts.values())).cutoff, step)


def _row(
    name: str, step: int, parts: Mapping[str, Table], comparison: Comparison
) -> BoardRow:
    own, others = parts[name], [other for other in parts if other != name]
    held = own.held.mean(axis=0)
    return BoardRow(
        model=name,
        step=step,
        windows=len(own.crps),
        dates=len(np.unique(own.cutoff)),
        first=str(own.cutoff.min()),
        last=str(own.cutoff.max()),
        crps=comparison.mean(name),
        crps_raw=float(own.crps.mean()),
        coverage_50=float(held[0]),
        coverage_80=float(held[1]),
        coverage_95=float(held[2]),
        skill_crps_vs={o: 1 - comparison.ratio(name, o) for o in others},
        skill_crps_interval_vs=comparison.ratio_intervals(name, others, 1),
        dm_p_vs={o: comparison.p_value(name, o) for o in others},
    )
