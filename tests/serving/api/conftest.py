"""An app over a small model and few prices, and a client that may ask it."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from closecast.experiments.index import Index
from closecast.serving.api.app import create_app
from closecast.serving.api.keys import Clock, KeyRing
from closecast.serving.api.logs import Log
from closecast.serving.api.service import Service
from closecast.serving.desk import Desk
from closecast.serving.prices import PriceBook
from closecast.serving.runs import RunBook
from closecast.serving.shelf import Shelf

HOST = "127.0.0.1"


class Time:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.seconds = 1_000_000_000.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Served:
    """An app under test."""

    app: FastAPI
    service: Service
    key: str
    log: io.StringIO
    time: Time

    def client(self, **headers: str) -> TestClient:
        """Give a client without a key, and without exceptions for faults."""
        return TestClient(
            self.app,
            base_url=f"http://{HOST}:8765",
            headers=headers,
            raise_server_exceptions=False,
            follow_redirects=False,
        )

    def lines(self) -> list[dict]:
        """Read the log."""
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


@pytest.fixture
def new_served(shelf: Shelf, prices_file: Path, tmp_path: Path):
    """Make apps with settings of their own."""
    made: list[Served] = []

    def make(**settings) -> Served:
        time, log = Time(), io.StringIO()
        prices = PriceBook(str(prices_file))
        service = Service(
            prices=prices,
            desk=Desk(shelf, prices),
            runs=RunBook(Index(tmp_path / "index.sqlite")),
            keys=KeyRing(tmp_path / "keys", Clock(time)),
        )
        app = create_app(service, hosts=[HOST], log=Log(log), **settings)
        key = service.keys.add_for_now("tester", 1)
        made.append(Served(app, service, key, log, time))
        return made[-1]

    yield make
    for one in made:
        one.service.close()


@pytest.fixture
def served(new_served: Callable[..., Served]) -> Served:
    """Give an app with the usual settings."""
    return new_served()


@pytest.fixture
def client(served: Served) -> Iterator[TestClient]:
    """Give a client that has a key."""
    with served.client(Authorization=f"Bearer {served.key}") as one:
        yield one


@pytest.fixture
def stranger(served: Served) -> TestClient:
    """Give a client that has none."""
    return served.client()
