"""Forecasts, records and histories as the API sends them."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from closecast.forecast import Forecast as Distribution
from closecast.serving.api import shapes
from closecast.serving.desk import Made, Serving
from closecast.serving.record import LEVELS, Record

if TYPE_CHECKING:
    from closecast.serving.ledger import Past

Ends = dict[str, tuple[float, float]]


def computed(
    serving: Serving, made: Made, record: shapes.Record | None = None
) -> shapes.Forecast:
    """Lay out a forecast that was made now.

    Args:
        serving: The model.
        made: What it made.
        record: How the symbol's published forecasts have done.

    Returns:
        What is sent.
    """
    forecast = made.forecast
    return shapes.Forecast(
        symbol=str(forecast.symbols[0]),
        cutoff=forecast.cutoffs[0].item(),
        origin="computed",
        made_at=dt.datetime.now(dt.UTC),
        late=False,
        last_close=_price(forecast.last_close[0]),
        steps=steps_of(forecast),
        model=shapes.ModelShape(version=serving.version, hash=serving.model_hash),
        data=made.data,
        notes=list(made.notes),
        verdict=verdict_of(serving),
        record=record,
    )


def recorded(
    serving: Serving | None, past: "Past", record: shapes.Record
) -> shapes.Forecast:
    """Lay out a forecast that was published before its truth existed.

    Args:
        serving: The model that serves; another one may have made the forecast.
        past: The forecast.
        record: How the symbol's published forecasts have done.

    Returns:
        What is sent; the verdict is that of the model that made it, if it serves.
    """
    from closecast.serving.ledger.chain import forecast_of

    entry = past.entry
    own = serving is not None and serving.model_hash == entry.model_hash
    return shapes.Forecast(
        symbol=entry.symbol,
        cutoff=entry.cutoff,
        origin="ledger",
        made_at=entry.as_of,
        late=entry.late,
        last_close=_price(entry.last_close),
        steps=steps_of(_banded(forecast_of([entry]), serving if own else None)),
        model=shapes.ModelShape(
            version=serving.version if serving and own else None,
            hash=entry.model_hash,
        ),
        data=entry.data_hash,
        notes=[],
        verdict=verdict_of(serving) if serving and own else None,
        record=record,
    )


def steps_of(forecast: Distribution) -> list[shapes.Step]:
    """Lay out the steps of a forecast of one window.

    Args:
        forecast: The forecast.

    Returns:
        One entry a session ahead, in price units.
    """
    mean, median = forecast.price(forecast.mean)[0], _medians(forecast)[0]
    bands = _path_bands(forecast)
    return [
        shapes.Step(
            step=step + 1,
            date=forecast.target_dates[0, step].item(),
            mean=_price(mean[step]),
            median=_price(median[step]),
            intervals=ends,
            path=None if bands is None else bands[step],
        )
        for step, ends in enumerate(_intervals(forecast)[0])
    ]


def history_of(past: Sequence["Past"]) -> list[shapes.PastForecast]:
    """Lay out past forecasts and what came.

    Args:
        past: Forecasts of one symbol.

    Returns:
        The oldest first.
    """
    from closecast.serving.ledger.chain import forecast_of

    ordered = sorted(past, key=lambda one: one.entry.cutoff)
    laid_out = []
    for one in ordered:
        forecast = forecast_of([one.entry])
        medians, ends = _medians(forecast)[0], _intervals(forecast)[0]
        came = {
            score.step: _price(one.entry.last_close * np.exp(score.truth))
            for score in one.scores
        }
        laid_out.append(
            shapes.PastForecast(
                cutoff=one.entry.cutoff,
                made_at=one.entry.as_of,
                late=one.entry.late,
                last_close=_price(one.entry.last_close),
                model=one.entry.model_hash,
                steps=[
                    shapes.PastStep(
                        step=step + 1,
                        date=date,
                        median=_price(medians[step]),
                        intervals=ends[step],
                        close=came.get(step + 1),
                    )
                    for step, date in enumerate(one.entry.target_dates)
                ],
            )
        )
    return laid_out


def record_shape(
    record: Record, advice: str | None, why: Sequence[str]
) -> shapes.Record:
    """Lay out a record.

    Args:
        record: The record.
        advice: What the monitors advise; None while it is not known.
        why: What the advice rests on.

    Returns:
        What is sent.
    """
    fields = asdict(record) | {"advice": advice, "why": list(why)}
    return shapes.Record.model_validate(fields)


def verdict_of(serving: Serving) -> shapes.Verdict | None:
    """Say what the model was judged to be worth.

    Args:
        serving: The model.

    Returns:
        The verdict of its scoreboard; None if it has none.
    """
    board = serving.scoreboard
    if board is None:
        return None
    return shapes.Verdict(
        text=board["verdict"],
        why=board["why"],
        suspicious=bool(board.get("suspicious", False)),
    )


def _medians(forecast: Distribution) -> np.ndarray:
    return forecast.price(forecast.quantile(0.5))


def _intervals(forecast: Distribution) -> list[list[Ends]]:
    # of each window and step, the ends of each interval in price units
    ends = {}
    for level in LEVELS:
        tail = (1 - int(level) / 100) / 2
        ends[level] = [forecast.price(forecast.quantile(q)) for q in (tail, 1 - tail)]
    return [
        [
            {
                level: (_price(low[window, step]), _price(high[window, step]))
                for level, (low, high) in ends.items()
            }
            for step in range(forecast.horizon)
        ]
        for window in range(len(forecast))
    ]


def _path_bands(forecast: Distribution) -> list[Ends] | None:
    # of each step of one window, the ends of each band in price units
    if forecast.path_stretch is None:
        return None
    ends = {
        level: [
            forecast.price(end)[0] for end in forecast.path_interval(int(level) / 100)
        ]
        for level in LEVELS
    }
    return [
        {
            level: (_price(low[step]), _price(high[step]))
            for level, (low, high) in ends.items()
        }
        for step in range(forecast.horizon)
    ]


def _banded(forecast: Distribution, serving: Serving | None) -> Distribution:
    # a ledger keeps intervals; the band around them is its model's
    band = None if serving is None else serving.forecaster.fitted.path_band
    return forecast if band is None else band.around(forecast)


def _price(value: float) -> float:
    return float(f"{value:.10g}")
