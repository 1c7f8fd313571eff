"""Where the skill comes from: its share of each period and of each symbol.

A skill over all windows may be that of one quarter or of one stock. Slices are shown,
never chosen from: the verdict is of all windows together.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped

from closecast.evaluation.resampling import (
    block_length,
    central,
    enough_dates,
    resample,
    sum_per_date,
)
from closecast.evaluation.scores import crps
from closecast.forecast import Forecast

BASELINES = ("ewma_t", "har_t")
"""The plain and the hard density, of those that were scored."""

MIN_YEARS = 4
"""Of fewer years quarters are shown."""

MAX_WITH_INTERVAL = 40
"""Of more symbols none gets an interval: their order is what is looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The skill in some of the windows, at one step.

    Attributes:
        kind: "period" or "symbol".
        group: Such as "2011", "2011 Q3" or a symbol.
        horizon: The step, in sessions from 1.
        baseline: Name of the baseline.
        skill_crps: 1 - CRPS / the baseline's CRPS, each in units of the symbol's
            volatility at the cutoff.
        interval: Its 90 % block-bootstrap interval; None where there are too few
            dates, or too many symbols.
        num_windows: Windows of the slice.
    """

    kind: str
    group: str
    horizon: int
    baseline: str
    skill_crps: float
    interval: tuple[float, float] | None
    num_windows: int

    def to_dict(self) -> dict[str, object]:
        """Give one entry of ``scoreboard.json`` under ``slices``.

        Returns:
            Figures under their names.
        """
        return asdict(self)


def slice_skill(
    forecasts: Mapping[str, Forecast],
    truth: Float[np.ndarray, "window horizon"],
    scale: Float[np.ndarray, " window"],
) -> tuple[Slice, ...]:
    """Measure the skill of each period and of each symbol.

    Args:
        forecasts: Forecasts of the same windows by name, the judged model first.
        truth: Log returns from the last close that came.
        scale: The symbol's volatility of one session known at each cutoff.

    Returns:
        Slices of the first and of the last step, against each of ``BASELINES`` that
        is there; none where none is.

    Raises:
        ModelError: A forecast is not finite.
        WindowError: The truth is not finite, or of another shape.
    """
    judged, *others = forecasts
    names = [judged, *(name for name in others if name in BASELINES)]
    steps = sorted({1, truth.shape[1]})
    losses = np.stack(
        [crps(forecasts[name], truth) / scale[:, None] for name in names], axis=-1
    )
    return tuple(
        one
        for kind, group, rows, wide in _groups(forecasts[judged])
        for step in steps
        for one in _slices(
            (kind, group),
            names,
            losses[rows, step - 1],
            forecasts[judged].cutoffs[rows],
            step,
            wide=wide,
        )
    )


def _groups(
    forecast: Forecast,
) -> Iterator[tuple[str, str, Bool[np.ndarray, " window"], bool]]:
    # kind, name, windows, and whether an interval is asked for
    period = _periods(forecast.cutoffs)
    for name in np.unique(period):
        yield "period", str(name), period == name, True
    symbols = np.unique(forecast.symbols)
    for symbol in symbols:
        few = len(symbols) <= MAX_WITH_INTERVAL
        yield "symbol", str(symbol), forecast.symbols == symbol, few


def _periods(cutoffs: Shaped[np.ndarray, " window"]) -> Shaped[np.ndarray, " window"]:
    days, place = np.unique(cutoffs.astype("datetime64[D]"), return_inverse=True)
    years = days.astype("datetime64[Y]")
    if len(np.unique(years)) >= MIN_YEARS:
        return np.asarray(years.astype(str)[place])
    month = days.astype("datetime64[M]").astype(int) % 12
    quarters = [
        f"{year} Q{number}" for year, number in zip(years, month // 3 + 1, strict=True)
    ]
    return np.array(quarters)[place]


def _slices(
    which: tuple[str, str],
    names: list[str],
    losses: Float[np.ndarray, "window model"],
    dates: Shaped[np.ndarray, " window"],
    step: int,
    *,
    wide: bool,
) -> Iterator[Slice]:
    sums = sum_per_date(losses, dates)
    draws = None
    if wide and enough_dates(len(sums), step) and len(names) > 1:
        draws = resample(sums, block_length(sums[:, 1:] - sums[:, :1], step))
    total = sums.sum(axis=0)
    for place, baseline in enumerate(names[1:], start=1):
        if total[place] > 0:
            yield Slice(
                kind=which[0],
                group=which[1],
                horizon=step,
                baseline=baseline,
                skill_crps=float(1 - total[0] / total[place]),
                interval=None
                if draws is None or not np.all(draws[:, place] > 0)
                else central(1 - draws[:, 0] / draws[:, place]),
                num_windows=len(losses),
            )
