"""What a scoreboard says beyond its rows: calibration, slices, ranking, costs.

An entry that a scoreboard lacks is empty here, and its part of the page is left out.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

Entry = TypeVar("Entry")
Pair = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """Share of closes inside an interval, in one group of windows."""

    group: str
    horizon: int
    nominal: float
    coverage: float
    num_windows: int
    kupiec_p: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PathCovered:
    """Share of the whole paths inside a band, and inside each step's own interval."""

    nominal: float
    coverage: float
    stepwise: float
    num_windows: int
    kupiec_p: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PitShares:
    """Share of the closes in each bin of equal probability, at one step."""

    horizon: int
    shares: tuple[float, ...]
    uniform_p: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """How the forecast sorts the symbols of a date, at one step."""

    horizon: int
    ic: float | None
    rank_ic: float | None
    rank_icir: float | None
    rank_ic_interval: Pair | None
    num_dates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sliced:
    """CRPS skill in one period or of one symbol, at one step."""

    kind: str
    group: str
    horizon: int
    baseline: str
    skill_crps: float
    interval: Pair | None
    num_windows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CostPoint:
    """The edge of one session net of one cost, in basis points."""

    cost_bp: float
    edge_bp: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """The edge of the forecast's signs against the cost of trading them."""

    edge_bp: float
    edge_interval_bp: Pair | None
    turnover: float
    break_even_bp: float | None
    points: tuple[CostPoint, ...]
    num_dates: int
    trials: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Superior:
    """Whether any model beats a benchmark once all are counted, at one step."""

    score: str
    horizon: int
    benchmark: str
    spa_p: float | None
    best: str
    best_skill: float
    num_models: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Regime:
    """Skill in one third of the windows, by volatility at the cutoff."""

    volatility: str
    skill_crps: float
    p_value: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditional:
    """Giacomini and White's test against one baseline at one step."""

    horizon: int
    baseline: str
    p_value: float | None
    regimes: tuple[Regime, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All of it; an empty tuple or None where the scoreboard has none."""

    coverage: tuple[Covered, ...]
    path_coverage: tuple[PathCovered, ...]
    pit: tuple[PitShares, ...]
    ranking: tuple[Ranked, ...]
    slices: tuple[Sliced, ...]
    superiority: tuple[Superior, ...]
    regimes: tuple[Conditional, ...]
    costs: Costs | None


def evidence_of(board: Mapping[str, Any]) -> Evidence:
    """Read the evidence of a scoreboard.

    Args:
        board: What ``scoreboard.json`` holds.

    Returns:
        What is there.

    Raises:
        KeyError: An entry lacks a field.
        TypeError: A field is of another kind.
    """
    calibration = board.get("calibration") or {}
    costs = board.get("costs")
    return Evidence(
        coverage=_all(Covered, calibration.get("coverage")),
        path_coverage=_all(PathCovered, board.get("path_coverage")),
        pit=_all(PitShares, calibration.get("pit")),
        ranking=_all(Ranked, board.get("ranking")),
        slices=_all(Sliced, board.get("slices")),
        superiority=_all(Superior, board.get("superiority")),
        regimes=_all(Conditional, board.get("regimes")),
        costs=None if costs is None else _one(Costs, costs),
    )


NESTED: Mapping[str, type] = {"points": CostPoint, "regimes": Regime}
"""Fields that are lists of entries themselves."""


def _all(kind: type[Entry], entries: Any) -> tuple[Entry, ...]:  # noqa: ANN401
    return tuple(_one(kind, entry) for entry in entries or ())


def _one(kind: type[Entry], entry: Mapping[str, Any]) -> Entry:
    known = {
        field.name: _all(NESTED[field.name], entry[field.name])
        if field.name in NESTED
        else _value(field.name, field.type, entry[field.name])
        for field in fields(kind)  # type: ignore[arg-type]
    }
    return kind(**known)


def _value(name: str, kind: Any, value: object) -> Any:  # noqa: ANN401
    # every field is a text, a number, numbers, or None where that is said
    if value is None:
        if not str(kind).endswith("None"):
            raise TypeError(f"null where {name} belongs")
        return None
    if isinstance(value, list):
        return tuple(_number(name, item) for item in value)
    if kind is str:
        if not isinstance(value, str):
            raise TypeError(f"{value!r} where {name} belongs")
        return value
    return _number(name, value)


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{value!r} where {name} belongs")
    if not math.isfinite(value):
        raise ValueError(f"{value!r} where {name} belongs")
    return value
