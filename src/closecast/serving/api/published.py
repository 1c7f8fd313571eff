"""The ledger as the API reads it: beside the event loop, and with patience.

Whether something new was recorded is looked up once a second in a thread of its own; a
request waits for it only when nothing was heard for a while. While a database is away,
answers that lie ready are still sent, with their age; all else of the ledger is 503
until it answers.
"""

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from closecast.serving.api.problems import Problem, not_now

if TYPE_CHECKING:
    from closecast.serving.ledger import Ledger, Monitor

T = TypeVar("T")

LOOK_S = 1.0
"""Seconds between two looks at the ledger."""

SCORED_S = 10.0
"""Seconds between two looks at its scores, which are more to count."""

TRUSTED_S = 5.0
"""Seconds that what was seen is believed without an answer."""

KEPT_S = 600.0
"""Seconds that what lies ready is sent while the database is away."""

PATIENCE_S = 5.0
"""Seconds that a request waits for the database."""

THREADS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What was seen of the ledger.

    Attributes:
        head: Hash of its last row.
        entries: Rows in it.
        scored: What changes when closes are scored.
        seen_at: When the ledger answered last, in seconds of the clock.
        monitors: What its monitors say; None until they were asked.
    """

    head: str
    entries: int
    scored: str
    seen_at: float
    monitors: tuple["Monitor", ...] | None = None

    @property
    def epoch(self) -> tuple[object, ...]:
        """What every answer from the ledger depends on."""
        return self.head, self.scored, self.monitors


class Published:
    """Reads a ledger.

    Args:
        ledger: The ledger.
        clock: Seconds that never go back.
    """

    def __init__(
        self, ledger: "Ledger", *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.ledger, self._clock = ledger, clock
        self._pool = ThreadPoolExecutor(THREADS, "closecast-ledger")
        self._known: Standing | None = None
        self._monitors: tuple[Monitor, ...] | None = None
        self._monitored: object = None
        self._looking: Future[Standing] | None = None
        self._asked_at = self._counted_at = -math.inf

    async def standing(self) -> Standing:
        """Say what the ledger holds.

        Returns:
            What was seen, some seconds ago at most.

        Raises:
            Problem: The database does not answer.
        """
        known, now = self._known, self._clock()
        age = math.inf if known is None else now - known.seen_at
        looking = self._looking
        if looking is None or (
            age >= LOOK_S and looking.done() and now - self._asked_at >= LOOK_S
        ):
            self._asked_at = now
            looking = self._looking = self._pool.submit(self._look)
        if known is None or age >= TRUSTED_S:
            known = await self._awaited(looking, PATIENCE_S + self._asked_at - now)
        return replace(known, monitors=self._monitors)

    async def last_standing(self) -> Standing:
        """Say what the ledger held when it was seen last, while it is away too.

        Returns:
            What was seen, ``KEPT_S`` ago at most.

        Raises:
            Problem: The database has not answered for longer.
        """
        try:
            return await self.standing()
        except Problem:
            known = self._known
            if known is None or self._clock() - known.seen_at > KEPT_S:
                raise
            return replace(known, monitors=self._monitors)

    def age_s(self, standing: Standing) -> int:
        """Say how long ago something was seen.

        Args:
            standing: What was seen.

        Returns:
            Whole seconds; 0 while it is believed without an answer.
        """
        age = self._clock() - standing.seen_at
        return int(age) if age >= TRUSTED_S else 0

    async def read(self, task: Callable[["Ledger"], T]) -> T:
        """Read from the ledger.

        Args:
            task: What to read.

        Returns:
            What it gave.

        Raises:
            Problem: The database does not answer.
        """
        reading = self._pool.submit(task, self.ledger)
        try:
            return await self._awaited(reading, PATIENCE_S)
        finally:
            reading.cancel()  # where nobody waits any more, and it has not begun

    def close(self) -> None:
        """Close the ledger, and let the threads go."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.ledger.close()

    async def _awaited(self, future: "Future[T]", patience_s: float) -> T:
        from closecast.errors import LedgerError

        try:
            waiting = asyncio.shield(asyncio.wrap_future(future))
            return await asyncio.wait_for(waiting, max(patience_s, 0.0))
        except (LedgerError, TimeoutError) as error:
            raise not_now("the ledger") from error

    def _look(self) -> Standing:
        known, head = self._known, self.ledger.head
        scored = "" if known is None else known.scored
        now = self._clock()
        if now - self._counted_at >= SCORED_S:
            scored, self._counted_at = self.ledger.scored, now
        seen = Standing(
            head=head.hash,
            entries=head.number,
            scored=scored,
            seen_at=now,
        )
        self._known = seen
        if self._monitored != (seen.head, seen.scored):
            self._pool.submit(self._ask_monitors, seen)
        return seen

    def _ask_monitors(self, seen: Standing) -> None:
        # where it fails, the next look asks again
        self._monitors = self.ledger.monitors()
        self._monitored = seen.head, seen.scored
