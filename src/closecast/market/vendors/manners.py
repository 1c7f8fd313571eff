"""How a vendor is asked: not too often, again after a passing fault, and not for ever.

Free vendors owe nobody an answer. A bucket of tokens spaces the questions, a passing
fault is met with up to three more attempts, the time that a vendor asks to wait is
waited, and after several failed questions in a row the vendor is left alone.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from closecast.errors import VendorError
from closecast.market.vendors.wire import PASSING, Fault

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Manners:
    """What a vendor is spared.

    Attributes:
        request_s: Seconds for one request over the network.
        question_s: Seconds for a whole question; then its process is ended.
        retries: Further attempts after a passing fault.
        backoff_s: The first wait; each further one is twice as long, up to half of
            it left to chance.
        longest_wait_s: A vendor that asks to wait longer is not waited for.
        per_second: Questions a second, in the long run.
        burst: Questions that may follow each other at once.
        failures: Failed questions in a row after which the vendor is left alone.
        rest_s: Seconds for which it is left alone.
    """

    request_s: float = 20.0
    question_s: float = 120.0
    retries: int = 3
    backoff_s: float = 2.0
    longest_wait_s: float = 300.0
    per_second: float = 1.0
    burst: int = 3
    failures: int = 5
    rest_s: float = 300.0


@dataclass(kw_only=True)
class Clock:
    """Where time comes from; tests bring their own."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random  # noqa: S311  spaces requests


@dataclass(kw_only=True)
class Bucket:
    """Tokens that refill with time; each question takes one.

    Attributes:
        per_second: Tokens that come back each second.
        burst: Tokens that it holds.
        clock: Where time comes from.
    """

    per_second: float
    burst: int
    clock: Clock
    _tokens: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._tokens, self._at = float(self.burst), self.clock.now()

    def take(self) -> None:
        """Take a token; wait for it if there is none."""
        now = self.clock.now()
        self._tokens += (now - self._at) * self.per_second
        self._tokens, self._at = min(float(self.burst), self._tokens) - 1, now
        if self._tokens < 0:
            self.clock.sleep(-self._tokens / self.per_second)


@dataclass(kw_only=True)
class Breaker:
    """Leaves a vendor alone that keeps failing; then one question tries it again.

    Attributes:
        failures: Failed questions in a row that open it.
        rest_s: Seconds that it stays open.
        clock: Where time comes from.
    """

    failures: int
    rest_s: float
    clock: Clock
    _failed: int = 0
    _until: float = 0.0

    def rest_left_s(self) -> float:
        """Say how long the vendor is still left alone.

        Returns:
            Seconds; 0 if it may be asked.
        """
        if self._failed < self.failures:
            return 0.0
        return max(0.0, self._until - self.clock.now())

    def note(self, *, passed: bool) -> None:
        """Count how a question ended.

        Args:
            passed: The vendor answered, if only that there are no data.
        """
        self._failed = 0 if passed else self._failed + 1
        self._until = self.clock.now() + self.rest_s


class Turnstile:
    """Lets questions to one vendor through, as its manners say.

    Args:
        name: Of the vendor, for messages.
        manners: What it is spared.
        clock: Where time comes from.
    """

    def __init__(self, name: str, manners: Manners, clock: Clock) -> None:
        self.name, self.manners, self.clock = name, manners, clock
        self.bucket = Bucket(
            per_second=manners.per_second, burst=manners.burst, clock=clock
        )
        self.breaker = Breaker(
            failures=manners.failures, rest_s=manners.rest_s, clock=clock
        )

    def ask(self, question: Callable[[], T]) -> T:
        """Ask a question, more than once if need be.

        Args:
            question: Raises a ``Fault`` if there is no answer.

        Returns:
            The answer.

        Raises:
            Fault: Every attempt failed, or another attempt would not help.
            VendorError: The vendor has failed too often to be asked now.
        """
        rest = self.breaker.rest_left_s()
        if rest > 0:
            raise VendorError(
                f"Expected {self.name} to answer, got {self.manners.failures} failed "
                f"questions in a row, so that it is left alone for {rest:.0f} s. "
                "Ask again then."
            )
        try:
            answer = self._attempts(question)
        except Fault as fault:
            self.breaker.note(passed=fault.kind not in PASSING)
            raise
        self.breaker.note(passed=True)
        return answer

    def _attempts(self, question: Callable[[], T]) -> T:
        from tenacity import Retrying, retry_if_exception, stop_after_attempt

        attempts = Retrying(
            stop=stop_after_attempt(self.manners.retries + 1),
            retry=retry_if_exception(self._is_passing),
            wait=lambda state: self._wait_s(
                state.attempt_number,
                None if state.outcome is None else state.outcome.exception(),
            ),
            sleep=self.clock.sleep,
            reraise=True,
        )

        def once() -> T:
            self.bucket.take()
            return question()

        return attempts(once)

    def _is_passing(self, error: BaseException) -> bool:
        return (
            isinstance(error, Fault)
            and error.kind in PASSING
            and (error.retry_after_s or 0.0) <= self.manners.longest_wait_s
        )

    def _wait_s(self, attempt: int, error: BaseException | None) -> float:
        backoff = self.manners.backoff_s * 2.0 ** (attempt - 1)
        jittered = backoff * (0.5 + 0.5 * self.clock.chance())
        asked = error.retry_after_s if isinstance(error, Fault) else None
        return max(jittered, asked or 0.0)
