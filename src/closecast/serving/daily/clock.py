"""Where the daily job takes its time from; a test brings its own."""

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class WallClock:
    """The time of day.

    Attributes:
        now: Gives the time, with its zone.
        sleep: Waits for some seconds.
    """

    now: Callable[[], dt.datetime] = _now
    sleep: Callable[[float], None] = time.sleep
