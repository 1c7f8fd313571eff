"""``/v1/prices/SYMBOL``: bars of a symbol."""

import datetime as dt
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Path
from fastapi import Query as Asked

from closecast.market.bars import COLUMNS, Bars
from closecast.serving.api.service import Served
from closecast.serving.api.shapes import Prices

router = APIRouter(prefix="/v1", tags=["prices"])


@router.get("/prices/{symbol:path}")
async def prices(
    service: Served,
    symbol: Annotated[str, Path(description="One of /v1/symbols.")],
    before: Annotated[
        dt.date | None, Asked(description="Only bars before this date.")
    ] = None,
    limit: Annotated[int, Asked(ge=1, le=5000)] = 500,
) -> Prices:
    """Give the newest bars of a symbol, or those before a date, oldest first."""
    service.require_symbol(symbol)
    bars = await service.work(lambda: service.prices.bars(symbol))
    return _laid_out(symbol, bars, before, limit)


def _laid_out(symbol: str, bars: Bars, before: dt.date | None, limit: int) -> Prices:
    end = len(bars)
    if before is not None:
        end = int(np.searchsorted(bars.dates, np.datetime64(before, "D")))
    start = max(0, end - limit)
    columns = {
        name: bars.values[start:end, place].tolist()
        for place, name in enumerate(COLUMNS)
    }
    return Prices(
        symbol=symbol, dates=bars.dates[start:end].tolist(), more=start > 0, **columns
    )
