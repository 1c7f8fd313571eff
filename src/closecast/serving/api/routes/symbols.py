"""``/v1/symbols``: which symbols there are."""

from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as Asked

from closecast.serving.api.service import Served
from closecast.serving.api.shapes import Symbols, SymbolShape

router = APIRouter(prefix="/v1", tags=["prices"])


@router.get("/symbols")
async def symbols(
    service: Served,
    query: Annotated[
        str, Asked(max_length=64, description="Letters that its name holds.")
    ] = "",
    limit: Annotated[int, Asked(ge=1, le=1000)] = 50,
    offset: Annotated[int, Asked(ge=0, le=10_000_000)] = 0,
) -> Symbols:
    """Search symbols: those that begin with the letters come first."""
    asked = query.strip().upper()
    known = service.prices.content().symbols
    found = [name for name in known if asked in name.upper()]
    found.sort(key=lambda name: (not name.upper().startswith(asked), name))
    return Symbols(
        symbols=[
            SymbolShape(
                symbol=one.symbol, bars=one.bars, first=one.first, last=one.last
            )
            for one in (known[name] for name in found[offset : offset + limit])
        ],
        total=len(found),
    )
