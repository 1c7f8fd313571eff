"""What an app serves: prices, the desk, the runs, and who may ask for them."""

import asyncio
import gc
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from closecast.serving.api.answers import Answers
from closecast.serving.api.keys import KeyRing
from closecast.serving.api.metrics import Metrics
from closecast.serving.api.problems import Problem, not_now
from closecast.serving.api.published import Published
from closecast.serving.api.sessions import Sessions
from closecast.serving.api.shapes import LessonShape
from closecast.serving.api.static import Assets
from closecast.serving.desk import Desk, Serving
from closecast.serving.examination import Examination
from closecast.serving.prices import PriceBook, nearest
from closecast.serving.runs import RunBook

T = TypeVar("T")

Lessons = Callable[[str], Sequence[LessonShape]]
"""Gives the lessons in a language."""

WORKERS = 2
"""Threads that compute; the event loop itself only hands out."""

WORK_S = 10.0
"""Seconds that a computation may take."""

WARM_AFTER_S = 2.0
"""Seconds after the start at which what a first computed forecast needs is loaded."""

MOST_WAITING = 256
"""Computations that may wait; the next one is told to come again."""


@dataclass(kw_only=True, eq=False)
class Service:
    """What an app serves.

    Attributes:
        prices: Bars by symbol.
        desk: The model that serves.
        runs: The runs of this machine.
        keys: Who may ask.
        published: The ledger; None without one.
        lessons: The lab's lessons in a language; None where the lab is not open.
        sessions: Which browsers are logged in.
        metrics: What is counted.
        answers: Forecasts that are ready to be sent.
        assets: The dashboard's files.
        examined: What the doctor found last.
        work_s: Seconds that a computation may take.
        streams: Event streams that are open.
    """

    prices: PriceBook
    desk: Desk
    runs: RunBook
    keys: KeyRing
    published: Published | None = None
    lessons: Lessons | None = None
    sessions: Sessions = field(default_factory=Sessions)
    metrics: Metrics = field(default_factory=Metrics)
    answers: Answers = field(default_factory=Answers)
    assets: Assets = field(default_factory=Assets)
    examined: Examination | None = None
    work_s: float = WORK_S
    streams: int = 0
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(WORKERS, "closecast-work")
    )
    _waiting: int = 0
    _cold: bool = False
    _turn: threading.Lock = field(default_factory=threading.Lock)

    async def work(self, task: Callable[[], T]) -> T:
        """Compute something beside the event loop.

        Args:
            task: What to compute.

        Returns:
            What it gave.

        Raises:
            Problem: It took too long, or too many wait already.
        """  # noqa: DOC501  not_now gives a Problem
        if self._waiting >= MOST_WAITING:
            raise Problem(
                503,
                f"Expected at most {MOST_WAITING} computations to wait, got another "
                "one. Nothing is lost; ask again in 1 s.",
                retry_after_s=1,
                kind="unavailable",
            )
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            running = loop.run_in_executor(self._pool, self._in_turn, task)
            return await asyncio.wait_for(running, self.work_s)
        except TimeoutError as error:
            raise not_now(
                "a computation", f"to end within {self.work_s:g} s"
            ) from error
        finally:
            self._waiting -= 1

    def require_symbol(self, symbol: str) -> None:
        """Refuse a symbol that is not served.

        Args:
            symbol: What was asked for.

        Raises:
            Problem: There is no such symbol.
        """
        known = self.prices.content().symbols
        if symbol in known:
            return
        near = nearest(symbol, known)
        hint = f"Did you mean {', '.join(near)}?" if near else "See /v1/symbols."
        raise Problem(
            404,
            f"Expected one of {len(known):,} symbols, got {symbol[:64]!r}. {hint}",
            nearest=near,
            kind="unknown-symbol",
        )

    def require_serving(self) -> Serving:
        """Refuse while no model serves.

        Returns:
            The model that serves.

        Raises:
            Problem: None was promoted.
        """
        serving = self.desk.serving()
        if serving is None:
            raise Problem(
                404,
                "Expected a model that serves, got an empty shelf. Put one there: "
                "closecast shelf add MODEL --reason WHY --promote.",
                kind="no-model",
            )
        return serving

    def require_ledger(self) -> Published:
        """Refuse without a ledger.

        Returns:
            The ledger.

        Raises:
            Problem: There is none.
        """
        if self.published is None:
            raise Problem(
                404,
                "Expected a ledger, got a server without one. Start it with --ledger, "
                "and let closecast daily record forecasts.",
                kind="no-ledger",
            )
        return self.published

    def warm_up(self, after_s: float = WARM_AFTER_S) -> None:
        """Load what a first computed forecast needs, a while after the start.

        Until then one task computes at a time: two threads that import parts of one
        library for the first time can each see half of it.

        Args:
            after_s: Seconds from now; who asks before is answered first.
        """
        self._cold = True
        timer = threading.Timer(after_s, self._warm)
        timer.daemon = True
        timer.start()

    def _warm(self) -> None:
        # what is in memory then stays: the garbage collector need not look at it again
        try:
            with self._turn:
                serving = self.desk.serving()
                symbol = next(iter(self.prices.content().symbols))
                if serving is not None:
                    self.desk.forecast(serving, symbol)
        finally:
            self._cold = False
        gc.collect()
        gc.freeze()

    def _in_turn(self, task: Callable[[], T]) -> T:
        if not self._cold:
            return task()
        with self._turn:
            return task()

    def close(self) -> None:
        """Let the threads go, and the ledger."""
        if self.published is not None:
            self.published.close()
        self._pool.shutdown(wait=False, cancel_futures=True)


async def service_of(request: Request) -> Service:
    """Find what the app of a request serves.

    A coroutine, as FastAPI sends plain functions to a thread, on every request.

    Args:
        request: The request.

    Returns:
        Its service.
    """
    service = request.app.state.service
    assert isinstance(service, Service)  # noqa: S101  for mypy: state is untyped
    return service


Served = Annotated[Service, Depends(service_of)]
