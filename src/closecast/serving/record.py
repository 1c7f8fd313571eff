"""The record of a symbol: how forecasts have done that were published beforehand.

It sums up what the ledger has scored. A skill is taken over the closes that the model
and the baseline were both scored on; late forecasts count in nothing here.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

if TYPE_CHECKING:
    from closecast.serving.ledger import Monitor, Tracked
    from closecast.serving.ledger.board import Table

MODEL = "closecast"
"""Name of the judged model in a ledger."""

LEVELS = ("50", "80", "95")
"""Central intervals that a ledger scores, in percent, in the order of its columns."""

STEPS = 1000
"""More than any horizon: a cutoff and a step make one whole number."""

ADVICE = {"fine": "go on", "watch": "watch", "retrain": "retrain", "stop": "stop"}
"""What to do in each state of a monitor."""

TITLES = {
    "coverage_80": "80 % interval",
    "coverage_95": "95 % interval",
    "crps": "CRPS against EWMA-t",
}
"""Monitors as a sentence calls them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """How a symbol's forecasts have done.

    Attributes:
        forecasts: Live forecasts, scored or not.
        scored: Closes that have come since.
        first: Oldest cutoff; None without a forecast.
        last: Newest cutoff.
        coverage: Share of closes inside the interval, by its level; None without one.
        crps: Mean CRPS in units of volatility; None without a score.
        skill: 1 - CRPS / CRPS of each baseline; None where both share no close.
    """

    forecasts: int
    scored: int
    first: dt.date | None
    last: dt.date | None
    coverage: Mapping[str, float | None]
    crps: float | None
    skill: Mapping[str, float | None]


def record_of(tracked: "Tracked | None", table: "Table") -> Record:
    """Sum up what became of a symbol's forecasts.

    Args:
        tracked: What the ledger holds of it; None for nothing.
        table: Live scores of all models for this symbol.

    Returns:
        The record.
    """
    own = table.take(np.flatnonzero(table.model == MODEL))
    others = sorted(set(table.model.tolist()) - {MODEL})
    scored = len(own.crps)
    held = own.held.mean(axis=0) if scored else [None] * len(LEVELS)
    return Record(
        forecasts=0 if tracked is None else tracked.forecasts - tracked.late,
        scored=scored,
        first=None if tracked is None else tracked.first,
        last=None if tracked is None else tracked.last,
        coverage={
            level: None if share is None else float(share)
            for level, share in zip(LEVELS, held, strict=True)
        },
        crps=float(_loss(own).mean()) if scored else None,
        skill={name: _skill(own, table, name) for name in others},
    )


def advice_of(monitors: Sequence["Monitor"]) -> tuple[str, list[str]]:
    """Say what the monitors advise.

    Args:
        monitors: What each says.

    Returns:
        ``go on``, ``watch``, ``retrain`` or ``stop``, and a sentence for each monitor.
    """
    from closecast.serving.ledger.monitors import worst

    return ADVICE[worst(monitors)], [_said(one) for one in monitors]


def _skill(own: "Table", table: "Table", name: str) -> float | None:
    other = table.take(np.flatnonzero(table.model == name))
    _, here, there = np.intersect1d(_keys(own), _keys(other), return_indices=True)
    if not len(here):
        return None
    return float(1 - _loss(own)[here].sum() / _loss(other)[there].sum())


def _loss(table: "Table") -> Float[np.ndarray, " score"]:
    return np.asarray(table.crps / table.scale)


def _keys(table: "Table") -> Int[np.ndarray, " score"]:
    days = table.cutoff.astype("datetime64[D]").astype(np.int64)
    return np.asarray(days * STEPS + table.step)


def _said(monitor: "Monitor") -> str:
    title = TITLES[monitor.name]
    if monitor.early or monitor.value is None:
        return f"{title}: {monitor.dates} dates, too few to say anything."
    if monitor.name == "crps":
        return (
            f"{title}: the CUSUM stands at {monitor.value:.2f} after "
            f"{monitor.dates} dates; {monitor.state} (fine up to {monitor.high:g})."
        )
    return (
        f"{title}: {monitor.value:.1%} of the closes of {monitor.dates} dates; "
        f"{monitor.state} (fine from {monitor.low:.1%} to {monitor.high:.1%})."
    )
