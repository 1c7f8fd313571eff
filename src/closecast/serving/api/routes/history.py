"""``/v1/history`` and ``/v1/ledger``: published forecasts against what happened."""

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path
from fastapi import Query as Asked

from closecast.serving.api.layout import history_of, record_shape
from closecast.serving.api.service import Served, Service
from closecast.serving.api.shapes import (
    History,
    LedgerShape,
    MonitorShape,
    Record,
    TrackedShape,
)
from closecast.serving.record import advice_of, record_of

if TYPE_CHECKING:
    from closecast.serving.ledger import Ledger, Monitor, Past

router = APIRouter(prefix="/v1", tags=["ledger"])

ONE_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Told:
    """What the ledger tells of a symbol: the record, and a forecast if there is one."""

    past: "Past | None"
    record: Record


@router.get("/ledger")
async def ledger(service: Served) -> LedgerShape:
    """Say what the ledger holds, and whether the live record is as it was meant."""
    published = service.require_ledger()
    standing = await published.standing()
    tracked = await published.read(lambda opened: opened.symbols())
    monitors = standing.monitors
    return LedgerShape(
        entries=standing.entries,
        head=standing.head,
        symbols=[
            TrackedShape(
                symbol=one.symbol,
                forecasts=one.forecasts,
                late=one.late,
                first=one.first,
                last=one.last,
            )
            for one in tracked
        ],
        monitors=None
        if monitors is None
        else [MonitorShape.model_validate(one.to_dict()) for one in monitors],
    )


@router.get("/history/{symbol:path}")
async def history(
    service: Served,
    symbol: Annotated[str, Path(description="One of /v1/symbols.")],
    before: Annotated[
        dt.date | None, Asked(description="Only cutoffs before this date.")
    ] = None,
    limit: Annotated[int, Asked(ge=1, le=1000)] = 60,
) -> History:
    """Give published forecasts of a symbol and what came, the oldest first."""
    published = service.require_ledger()
    service.require_symbol(symbol)
    monitors = (await published.standing()).monitors

    past, record = await published.read(
        lambda opened: (
            opened.history(symbol, limit=limit, before=before),
            _record(opened, symbol, monitors),
        )
    )
    return History(symbol=symbol, forecasts=history_of(past), record=record)


async def told_of(service: Service, symbol: str, cutoff: dt.date | None) -> Told | None:
    """Ask the ledger about a symbol.

    Args:
        service: What is served.
        symbol: One that has prices.
        cutoff: Cutoff of the forecast; the newest one by default.

    Returns:
        The forecast of that cutoff and the record; None without a ledger.

    Raises:
        Problem: The database does not answer.
    """
    if service.published is None:
        return None
    monitors = (await service.published.standing()).monitors
    return await service.published.read(
        lambda opened: Told(
            _past(opened, symbol, cutoff), _record(opened, symbol, monitors)
        )
    )


def _past(opened: "Ledger", symbol: str, cutoff: dt.date | None) -> "Past | None":
    if cutoff is None:
        return opened.latest(symbol)
    if cutoff == dt.date.max:
        return None
    found = opened.history(symbol, limit=1, before=cutoff + ONE_DAY)
    return found[0] if found and found[0].entry.cutoff == cutoff else None


def _record(
    opened: "Ledger", symbol: str, monitors: "tuple[Monitor, ...] | None"
) -> Record:
    tracked = next(iter(opened.symbols(symbol=symbol)), None)
    advice, why = (None, []) if monitors is None else advice_of(monitors)
    return record_shape(record_of(tracked, opened.table(symbol)), advice, why)
