"""Patience with a database that is away for a while: the run is made again.

A run can be made again from its beginning, since each of its steps is done once and
stays done.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from closecast.errors import LedgerAwayError
from closecast.serving.daily.clock import WallClock

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")

Tell = Callable[[str], None]

FIRST_WAIT_S, LONGEST_WAIT_S, TRIES = 2.0, 32.0, 10
"""Waits of 2, 4, 8, 16 and then 32 seconds: a server has three minutes to come back."""


def until_it_answers(
    attempt: Callable[[], T], clock: WallClock, tell: Tell | None
) -> T:
    """Do something that needs the ledger, again while its server is away.

    Args:
        attempt: What to do.
        clock: Waits between two attempts.
        tell: Told of each wait.

    Returns:
        What the attempt gave.

    Raises:
        LedgerError: The server did not come back.
    """
    import tenacity

    def waits(state: "RetryCallState") -> None:
        if tell is not None and state.outcome is not None:
            tell(f"{state.outcome.exception()} Trying again in {_wait_s(state):g} s.")

    attempts = tenacity.Retrying(
        sleep=clock.sleep,
        stop=tenacity.stop_after_attempt(TRIES),
        wait=tenacity.wait_exponential(multiplier=FIRST_WAIT_S, max=LONGEST_WAIT_S),
        retry=tenacity.retry_if_exception_type(LedgerAwayError),
        before_sleep=waits,
        reraise=True,
    )
    return attempts(attempt)


def _wait_s(state: "RetryCallState") -> float:
    return 0.0 if state.next_action is None else float(state.next_action.sleep)
