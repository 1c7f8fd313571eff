"""``/v1/forecasts``: the next closes of a symbol, of several, or of posted bars."""

import datetime as dt
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Path
from fastapi import Query as Asked
from fastapi.responses import Response

from closecast.market.bars import Bars, from_columns
from closecast.serving.api.answers import Ready
from closecast.serving.api.layout import computed, recorded
from closecast.serving.api.problems import Problem
from closecast.serving.api.published import Standing
from closecast.serving.api.routes.history import Told, told_of
from closecast.serving.api.service import Served, Service
from closecast.serving.api.shapes import Forecast, Forecasts, PostedBars
from closecast.serving.desk import Serving, make

router = APIRouter(prefix="/v1", tags=["forecasts"])

JSON = "application/json"

EPOCH = dt.date(1970, 1, 1).toordinal()

MOST_SYMBOLS = 100
"""Symbols of one request."""

Cutoff = Annotated[
    dt.date | None,
    Asked(description="The last bar known; by default the newest one."),
]
Origin = Annotated[
    Literal["auto", "ledger", "computed"],
    Asked(
        description="ledger: as it was published. computed: made now. auto: as it was "
        "published, if that was from the newest bar, else made now."
    ),
]


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked for."""

    symbol: str
    cutoff: dt.date | None = None
    origin: str = "auto"


@router.get("/forecasts", response_model=Forecasts)
async def forecasts(
    service: Served,
    symbols: Annotated[
        str,
        Asked(max_length=8000, description="Symbols with commas between, up to 100."),
    ],
) -> Response:
    """Forecast several symbols at once, each from its newest bar."""
    names = list(dict.fromkeys(name.strip() for name in symbols.split(",")))
    if len(names) > MOST_SYMBOLS:
        raise Problem(
            422,
            f"Expected at most {MOST_SYMBOLS} symbols, got {len(names):,}. Ask for "
            "them in parts.",
            kind="too-many-symbols",
        )
    for name in names:
        service.require_symbol(name)
    known = await _known(service)
    parts = [await _answer(service, Question(name), known) for name in names]
    content = b'{"forecasts":[' + b",".join(parts) + b"]}"
    return Response(content, headers=_age(service, known), media_type=JSON)


@router.get("/forecasts/{symbol:path}", response_model=Forecast)
async def forecast(
    service: Served,
    symbol: Annotated[str, Path(description="One of /v1/symbols.")],
    cutoff: Cutoff = None,
    origin: Origin = "auto",
) -> Response:
    """Forecast the next closes of a symbol, with verdict and record."""
    service.require_symbol(symbol)
    known = await _known(service)
    content = await _answer(service, Question(symbol, cutoff, origin), known)
    return Response(content, headers=_age(service, known), media_type=JSON)


@router.post("/forecasts", response_model=Forecast)
async def forecast_posted(service: Served, posted: PostedBars) -> Response:
    """Forecast the next closes of posted bars; nothing of them is kept."""
    serving = service.require_serving()
    content = await service.work(lambda: _posted(serving, posted))
    service.metrics.forecasts.labels("posted").inc()
    return Response(content, media_type=JSON)


def _posted(serving: Serving, posted: PostedBars) -> str:
    made = make(serving, bars_of(posted), posted.symbol, posted.cutoff)
    return computed(serving, made).model_dump_json()


def bars_of(posted: PostedBars) -> Bars:
    """Make a panel of posted bars.

    Args:
        posted: Bars in any order.

    Returns:
        The panel.

    Raises:
        Problem: A bar is of a day that has not come.
        BarsError: The bars break a rule.
    """
    days = [bar.date.toordinal() for bar in posted.bars]
    tomorrow = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1)
    if max(days) > tomorrow.toordinal():  # somewhere it is tomorrow already
        newest = dt.date.fromordinal(max(days))
        raise Problem(
            422,
            f"Expected bars of days that have come, got one of {newest} (symbol "
            f"{posted.symbol}). Drop it.",
            kind="future-bar",
        )
    return from_columns(
        np.full(len(posted.bars), posted.symbol),
        (np.array(days) - EPOCH).astype("datetime64[D]"),
        np.array(
            [(b.open, b.high, b.low, b.close, b.volume) for b in posted.bars],
            dtype=np.float64,
        ),
    )


async def _known(service: Service) -> Standing | None:
    if service.published is None:
        return None
    return await service.published.last_standing()


def _age(service: Service, known: Standing | None) -> dict[str, str] | None:
    # RFC 9111: an answer that lay ready, not confirmed by the ledger since
    if service.published is None or known is None:
        return None
    age_s = service.published.age_s(known)
    return {"Age": str(age_s)} if age_s else None


async def _answer(
    service: Service, question: Question, known: Standing | None
) -> bytes:
    serving = service.desk.serving()
    epoch = (
        serving and (serving.model_hash, serving.version),
        service.prices.content().version,
        known and known.epoch,
    )
    ready = await service.answers.get(
        epoch, question, lambda: _made(service, serving, question)
    )
    service.metrics.forecasts.labels(ready.origin).inc()
    return ready.content


async def _made(service: Service, serving: Serving | None, question: Question) -> Ready:
    told = await told_of(service, question.symbol, question.cutoff)
    if told is not None and _is_wanted(service, told, question):
        assert told.past is not None  # noqa: S101  for mypy: it is wanted
        answer = recorded(serving, told.past, told.record)
    elif question.origin == "ledger":
        raise Problem(
            404,
            f"Expected a forecast of {question.symbol} in the ledger, got none of "
            f"{question.cutoff or 'any cutoff'}. See /v1/history/{question.symbol}.",
            kind="not-recorded",
        )
    else:
        own = serving or service.require_serving()
        made = await service.work(
            lambda: service.desk.forecast(own, question.symbol, question.cutoff)
        )
        answer = computed(own, made, None if told is None else told.record)
    return Ready(answer.model_dump_json().encode(), answer.origin)


def _is_wanted(service: Service, told: Told, question: Question) -> bool:
    if told.past is None or question.origin == "computed":
        return False
    if question.origin == "ledger" or question.cutoff is not None:
        return True
    newest = service.prices.content().symbols[question.symbol].last
    return told.past.entry.cutoff >= newest
