"""An hour of mixed load on a server: does memory, a file or a latency grow?

``closecast serve`` runs as users run it and is asked for stored and for computed
forecasts at a fixed rate, as in ``serving_load.py``; every fifth minute another version
is promoted or rolled back under the load. Every five seconds its resident memory, open
files and threads are read. Memory's slope is a straight line after the first tenth,
with the 95 % interval of ten pieces left out in turn; p99 of the first and of the last
sixth of the time stand side by side.

    python benchmarks/soak.py --out benchmarks/results/soak.json   # an hour
    python benchmarks/soak.py --minutes 480                        # a night
"""

import argparse
import asyncio
import os
import tempfile
import threading
from collections import Counter
from pathlib import Path

import numpy as np
from machine import publish
from serving_load import Measured, load, memory_mb, prepare, requests_of, server

from closecast.serving.api.keys import KeyRing
from closecast.serving.shelf import Shelf

LOOK_S, PIECES, KEYS = 5.0, 10, 4
T_95 = 2.262
"""Student's t at 97.5 % with nine degrees of freedom."""


class Watch(threading.Thread):
    """Reads what a process holds, until ended."""

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self.process, self.ended = process, threading.Event()
        self.seen: list[tuple[float, int, int]] = []

    def run(self) -> None:
        """Look until ended."""
        place = Path(f"/proc/{self.process}")
        while not self.ended.wait(LOOK_S):
            files = len(os.listdir(place / "fd"))  # noqa: PTH208  counted, not walked
            threads = len(os.listdir(place / "task"))  # noqa: PTH208
            self.seen.append((memory_mb(self.process), files, threads))

    def summary(self) -> dict[str, object]:
        """Say how memory, files and threads moved."""
        mb, files, threads = np.array(self.seen, float).T
        late = mb[len(mb) // 10 :]
        slope, interval = slope_of(late, LOOK_S / 3600)
        return {
            "memory_mb": [float(mb[0]), float(mb.max()), float(mb[-1])],
            "memory_mb_per_hour": slope,
            "memory_mb_per_hour_95": interval,
            "open_files": [int(files[0]), int(files.max()), int(files[-1])],
            "threads": [int(threads[0]), int(threads.max()), int(threads[-1])],
        }


def slope_of(values: np.ndarray, hours: float) -> tuple[float, list[float]]:
    """Fit a line, and again without each tenth, for the interval of its slope."""
    at = np.arange(len(values)) * hours
    whole = np.polyfit(at, values, 1)[0]
    pieces = np.array_split(np.arange(len(values)), PIECES)
    without = [
        np.polyfit(np.delete(at, piece), np.delete(values, piece), 1)[0]
        for piece in pieces
    ]
    error = np.sqrt((PIECES - 1) / PIECES * np.sum((without - np.mean(without)) ** 2))
    return round(float(whole), 3), [
        round(float(whole + sign * T_95 * error), 3) for sign in (-1, 1)
    ]


async def minute(port: int, asked: dict[str, list[bytes]], rates: dict[str, float],
                 seconds: float) -> list[Measured]:  # fmt: skip
    """Ask for stored and computed forecasts side by side."""
    return await asyncio.gather(
        *(load(port, asked[kind], rates[kind], seconds) for kind in asked)
    )


def soak(minutes: int, rates: dict[str, float], home: Path) -> dict[str, object]:
    """Run the load and say what was seen."""
    prepare(home)
    ring = KeyRing(home / "keys")
    keys = [ring.add(f"key-{n}")[0] for n in range(KEYS)]
    asked = {kind: requests_of(kind, keys) for kind in rates}
    shelf, latencies, errors = Shelf(home / "shelf"), [], Counter()
    shelf.add(home / "model", reason="another")
    with server(home) as (process, port):
        watch = Watch(process)
        watch.start()
        for number in range(minutes):
            if number % 5 == 4:
                serving = shelf.current()
                if serving is not None and serving.number == 1:
                    shelf.promote(2, reason="soak")
                else:
                    shelf.rollback(reason="soak")
            parts = asyncio.run(minute(port, asked, rates, 60.0))
            latencies.append([x for part in parts for x in part.latencies])
            for part in parts:
                errors.update(part.errors)
        watch.ended.set()
        watch.join()
    sixth = max(1, minutes // 6)
    first, last = (np.concatenate(part) for part in (latencies[:sixth],
                                                     latencies[-sixth:]))  # fmt: skip
    return {
        "minutes": minutes,
        "rates": rates,
        "answered": sum(map(len, latencies)),
        "errors": dict(errors),
        "p99_ms_first_sixth": round(1000 * float(np.percentile(first, 99)), 2),
        "p99_ms_last_sixth": round(1000 * float(np.percentile(last, 99)), 2),
        **watch.summary(),
    }


def main() -> None:
    """Soak and say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--stored", type=float, default=100.0, help="a second")
    parser.add_argument("--computed", type=float, default=20.0, help="a second")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rates = {"stored": arguments.stored, "computed": arguments.computed}
    with tempfile.TemporaryDirectory() as home:
        found = soak(arguments.minutes, rates, Path(home))
    publish(found, arguments.out)


if __name__ == "__main__":
    main()
