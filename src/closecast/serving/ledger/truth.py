"""What came: the closes after a cutoff, and how far each forecast was off.

A step counts sessions, as in ``evaluation``: the truth of step h is the h-th bar after
the cutoff, whatever date was expected. The log return is taken between two closes of
the same panel, so that a split or a dividend, which multiplies both, leaves it as it
is; the factor between that panel's close at the cutoff and the recorded one is kept.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from closecast.evaluation.scores import crps, hits
from closecast.forecast import LEVELS, Forecast
from closecast.market.bars import Bars
from closecast.market.broken import broken_steps
from closecast.serving.ledger.chain import Entry, forecast_of
from closecast.serving.ledger.publication import rows_at
from closecast.windows.scaling import volatility

TAIL = float(LEVELS[0]) / 2
"""PIT of what lies beyond the outermost level: the middle of that tail."""

INTERVALS = (0.50, 0.80, 0.95)
"""Central intervals that are scored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How one step of a forecast came true.

    Attributes:
        number: Row of the forecast in the ledger.
        step: The step, in sessions from 1.
        date: The session that it turned out to be.
        truth: Log return from the close at the cutoff.
        factor: Close at the cutoff in the scoring panel over the recorded one: 1, or
            what a split or dividend has multiplied prices by since.
        scale: The symbol's volatility of one session known at the cutoff.
        crps: CRPS in log return, as ``closecast.evaluation.scores.crps``.
        pit: Where the truth fell in the forecast distribution, in (0, 1).
        in_50: Whether the central 50 % interval held it.
        in_80: Whether the central 80 % interval held it.
        in_95: Whether the central 95 % interval held it.
        scored_at: When, UTC.
        data_hash: Fingerprint of the bars that held the truth.
        hash: Hash of this row, chained to the forecast's; "" before it is stored.
    """

    number: int
    step: int
    date: dt.date
    truth: float
    factor: float
    scale: float
    crps: float
    pit: float
    in_50: bool
    in_80: bool
    in_95: bool
    scored_at: dt.datetime
    data_hash: str
    hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Past:
    """A recorded forecast and what came of it.

    Attributes:
        entry: The forecast.
        scores: Of each step whose truth is known, by step.
    """

    entry: Entry
    scores: tuple[Score, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matured:
    """What became of a scoring.

    Attributes:
        scored: Steps that were scored for the first time.
        corrected: Steps that were scored again, since prices were corrected.
        held_back: Steps whose bars cross a suspected defect, such as a split that is
            not adjusted for: they wait until the prices are repaired.
        waiting: Steps whose session has not come, or is not in the panel.
    """

    scored: int = 0
    corrected: int = 0
    held_back: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """Truths of some forecasts, as far as a panel knows them.

    Attributes:
        truth: Log returns of each entry and step; NaN where unknown or held back.
        dates: The sessions, ``datetime64[D]``.
        held_back: Where a suspected defect lies between.
        factor: As in ``Score``, of each entry.
        scale: As in ``Score``, of each entry.
    """

    truth: Float[np.ndarray, "entry step"]
    dates: Shaped[np.ndarray, "entry step"]
    held_back: Bool[np.ndarray, "entry step"]
    factor: Float[np.ndarray, " entry"]
    scale: Float[np.ndarray, " entry"]


def outcome_of(entries: Sequence[Entry], bars: Bars) -> Outcome:
    """Find what came of some forecasts of one horizon.

    Args:
        entries: The forecasts; at least one.
        bars: A panel that holds their cutoffs, as far as it does.

    Returns:
        Truths of every step that the panel knows.
    """
    forecast = forecast_of(entries)
    at = rows_at(bars, forecast.symbols, forecast.cutoffs)
    steps = np.arange(1, forecast.horizon + 1)
    rows = np.maximum(at, 0)[:, None] + steps  # (entry, step)
    there = (at >= 0)[:, None] & (rows < bars.ends[np.maximum(at, 0)][:, None])
    held_back = there & _crosses(bars, at, forecast.horizon)
    rows = np.where(there, rows, 0)
    log_close = np.log(bars.close)
    truth = log_close[rows] - log_close[np.maximum(at, 0)][:, None]
    return Outcome(
        truth=np.where(there & ~held_back, truth, np.nan),
        dates=bars.dates[rows],
        held_back=held_back,
        factor=np.asarray(bars.close[np.maximum(at, 0)] / forecast.last_close),
        scale=volatility(bars)[np.maximum(at, 0)],
    )


def scores_of(
    entries: Sequence[Entry], outcome: Outcome, now: dt.datetime, data_hash: str
) -> list[Score]:
    """Score every step whose truth is known.

    Args:
        entries: The forecasts.
        outcome: What came of them.
        now: Time of the scoring.
        data_hash: Fingerprint of the panel.

    Returns:
        A score for each known step.
    """
    where, at = np.nonzero(np.isfinite(outcome.truth))
    if not len(where):
        return []
    truth = outcome.truth[where, at][:, None]
    steps = one_step(forecast_of(entries), where, at)
    loss, held = crps(steps, truth)[:, 0], [hits(steps, truth, c) for c in INTERVALS]
    pits = pit_of(steps, truth)
    return [
        Score(
            number=entries[row].number,
            step=step + 1,
            date=outcome.dates[row, step].item(),
            truth=float(truth[place, 0]),
            factor=float(outcome.factor[row]),
            scale=float(outcome.scale[row]),
            crps=float(loss[place]),
            pit=float(pits[place]),
            in_50=bool(held[0][place, 0]),
            in_80=bool(held[1][place, 0]),
            in_95=bool(held[2][place, 0]),
            scored_at=now,
            data_hash=data_hash,
        )
        for place, (row, step) in enumerate(
            zip(where.tolist(), at.tolist(), strict=True)
        )
    ]


def one_step(
    forecast: Forecast,
    windows: Int[np.ndarray, " some"],
    steps: Int[np.ndarray, " some"],
) -> Forecast:
    """Take single steps out of a forecast, each as a window of its own.

    Args:
        forecast: The forecast.
        windows: Windows, repeated as often as steps are taken.
        steps: A step of each, from 0.

    Returns:
        A forecast of one step.
    """
    return Forecast(
        symbols=forecast.symbols[windows],
        cutoffs=forecast.cutoffs[windows],
        target_dates=forecast.target_dates[windows, steps][:, None],
        last_close=forecast.last_close[windows],
        mean=forecast.mean[windows, steps][:, None],
        quantiles=forecast.quantiles[windows, steps][:, None, :],
    )


def pit_of(
    steps: Forecast, truth: Float[np.ndarray, "window 1"]
) -> Float[np.ndarray, " window"]:
    """Say where truths fell in their distributions.

    Args:
        steps: A forecast of one step.
        truth: What came.

    Returns:
        Probabilities, interpolated between ``LEVELS``; beyond the outermost level
        the middle of that tail. Uniform where the forecast is right.
    """
    return np.array(
        [
            np.interp(value, quantiles, LEVELS, left=TAIL, right=1 - TAIL)
            for quantiles, value in zip(steps.quantiles[:, 0], truth[:, 0], strict=True)
        ]
    )


def _crosses(
    bars: Bars, at: Int[np.ndarray, " entry"], horizon: int
) -> Bool[np.ndarray, "entry step"]:
    # whether a broken step lies between the cutoff and the close of each step
    rows = np.maximum(at, 0)
    left = (bars.ends[rows] - 1 - rows)[:, None]  # bars after the cutoff
    count = np.concatenate([[0], np.cumsum(broken_steps(bars))])
    until = rows[:, None] + np.minimum(np.arange(1, horizon + 1), left)
    return np.asarray(count[until + 1] > count[rows + 1][:, None])
