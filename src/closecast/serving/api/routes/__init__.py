"""The routes, one file a noun."""

from fastapi import APIRouter

from closecast.serving.api.routes import (
    dashboard,
    doctor,
    events,
    forecasts,
    health,
    history,
    lessons,
    prices,
    runs,
    scoreboard,
    sentences,
    session,
    symbols,
)

ROUTERS: tuple[APIRouter, ...] = tuple(
    module.router
    for module in (
        health,
        session,
        symbols,
        prices,
        forecasts,
        history,
        scoreboard,
        events,
        runs,
        doctor,
        sentences,
        lessons,
        dashboard,
    )
)
