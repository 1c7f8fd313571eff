"""Where a running experiment stands, as a small file that others may read.

``progress.json`` lies in the run's folder while it is under way, is written at most
once a second and is gone when the run is done. It is replaced whole, and not flushed
to the disk: a run that is cut off goes on from its members, never from this file.
"""

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from closecast.durable import stage

PROGRESS = "progress.json"

EVERY_S = 1.0
"""Seconds between two writings."""


class ProgressFile:
    """Writes where a run stands.

    Args:
        folder: The run.
        clock: Seconds that never go back.
    """

    def __init__(
        self, folder: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.path, self._clock, self._written = folder / PROGRESS, clock, -math.inf

    def write(self, standing: Callable[[], dict[str, Any]]) -> None:
        """Write, unless it was written a moment ago.

        Args:
            standing: Gives plain values, none of them NaN; asked only where it is due.

        Raises:
            DiskError: The disk is full.
        """
        if self._clock() - self._written < EVERY_S:
            return
        self._written = self._clock()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(standing(), ensure_ascii=False, allow_nan=False)
        stage(self.path, text.encode(), flush=False)

    def remove(self) -> None:
        """Take the file away: the run is done."""
        self.path.unlink(missing_ok=True)
