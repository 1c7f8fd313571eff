"""Kill the daily job at random moments and see whether a forecast was lost or doubled.

A job runs on the sample, cut off at a date that moves on after each finished run, with
a clock that stands on that evening. The first runs of each session are killed with
SIGKILL at a random moment of a run's usual length; then one runs to its end. After each
kill a new process verifies the chain, and holds each head that a run has acknowledged
against it. At the end every session must be there once, live, with its scores.

    python benchmarks/daily_crash.py --out benchmarks/results/daily_crash.json

100 kills take some three minutes on two quiet cores.
"""

import argparse
import datetime as dt
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import alembic.command
import numpy as np
import pyarrow.parquet
from machine import publish
from processes import forked

import closecast
from closecast.market.calendar import session_closes
from closecast.market.readers import to_frame
from closecast.market.sample import sample_bars
from closecast.serving.daily.clock import WallClock
from closecast.serving.daily.config import DailyConfig, config_of
from closecast.serving.daily.job import daily
from closecast.serving.ledger import Head, Ledger

LOADED = (alembic.command, pyarrow.parquet)
"""What a run loads when it is used, loaded before any process begins."""

KILLS_A_SESSION = 4
SESSIONS, FIRST_DAY = 700, 260
"""Session of the prices that the job begins with; some 440 follow."""

SYMBOLS, MODELS = ("IBM", "MSFT"), 3


@dataclass
class Bench:
    """A job whose prices grow, and what its runs have acknowledged."""

    folder: Path
    dice: random.Random
    typical_s: float | None = None
    acknowledged: list[Head] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Train a small model and cut the prices."""
        every = sample_bars()
        names = every.names(np.arange(len(every)))
        newest = np.unique(every.dates)[-SESSIONS]
        self.bars = every.select(np.isin(names, SYMBOLS) & (every.dates >= newest))
        self.dates = np.unique(self.bars.dates)
        known = self.bars.select(self.bars.dates <= self.dates[250])
        settings = {"hidden_size": 4, "num_layers": 1, "epochs": 1, "batch_norm": False}
        model = closecast.Forecaster(**settings, calibrate="conformal").fit(known)
        model.save(self.folder / "model")
        session_closes("XNYS", self.dates)  # the calendar is in memory from here on

    @property
    def config(self) -> DailyConfig:
        """The settings of the job."""
        values = {"model": "model", "prices": "prices.parquet", "home": "home"}
        return config_of(values, self.folder / "daily.toml")

    def bring(self, day: int) -> None:
        """Let the prices reach up to a session."""
        known = self.bars.select(self.bars.dates <= self.dates[day])
        to_frame(known, "pandas").to_parquet(self.folder / "prices.parquet")

    def job(self, day: int) -> None:
        """Run once on the evening of a session; say the head when it is done."""
        now = dt.datetime.combine(self.dates[day].item(), dt.time(22), dt.UTC)
        done = daily(self.config, WallClock(now=lambda: now))
        print(json.dumps(done.summary["number"]), done.summary["head"], flush=True)

    def kill(self, day: int) -> None:
        """Start a run and kill it at a random moment."""
        process, said = forked(lambda: self.job(day))
        time.sleep(self.dice.uniform(0, self.typical_s or 0.0))
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        ended = os.waitstatus_to_exitcode(status) != -signal.SIGKILL
        self.counts["ended before" if ended else "killed"] += 1
        self.note(said)

    def finish(self, day: int) -> None:
        """Run to the end; learn how long that takes."""
        begun = time.monotonic()
        process, said = forked(lambda: self.job(day))
        _, status = os.waitpid(process, 0)
        if status:
            self.counts["failed"] += 1
        took = time.monotonic() - begun
        known = took if self.typical_s is None else self.typical_s
        self.typical_s = 0.7 * known + 0.3 * took
        self.note(said)

    def note(self, said: TextIO) -> None:
        """Keep the heads that a run has acknowledged."""
        with said as lines:
            for line in lines:
                number, head = line.split()
                self.acknowledged.append(Head(ledger="", number=int(number), hash=head))

    def check(self) -> None:
        """Open the ledger in a new process and count what is wrong."""
        process, said = forked(self.say_wrong)
        _, status = os.waitpid(process, 0)
        with said as lines:
            wrong = [line.strip() for line in lines if line.strip()]
        self.counts["unreadable"] += bool(status)
        for sentence in wrong:
            self.counts["wrong"] += 1
            print(sentence, file=sys.stderr)

    def say_wrong(self) -> None:
        """Verify the chain, receipts and acknowledged heads."""
        if not Path(self.config.ledger).is_file():
            return
        with Ledger.open(self.config.ledger) as ledger:
            identity = ledger.head.ledger
            heads = [
                Head(ledger=identity, number=head.number, hash=head.hash)
                for head in self.acknowledged
            ]
            for sentence in (*ledger.verify(), *ledger.verify(heads)):
                print(sentence)

    def lost_and_twice(self, days: list[int]) -> dict[str, int]:
        """Count forecasts and scores that are missing, doubled or late."""
        with Ledger.open(self.config.ledger) as ledger:
            past = list(ledger.entries())
        found = Counter((p.entry.symbol, p.entry.model, p.entry.cutoff) for p in past)
        wanted = len(days) * len(SYMBOLS) * MODELS
        sessions = {self.dates[day].item(): at for at, day in enumerate(days)}
        unscored = sum(
            min(len(days) - 1 - sessions[p.entry.cutoff], 5) - len(p.scores)
            for p in past
        )
        return {
            "forecasts": len(past),
            "lost": wanted - len(found),
            "twice": sum(found.values()) - len(found),
            "late": sum(p.entry.late for p in past),
            "unscored": unscored,
        }


def main() -> None:
    """Kill, count and say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), random.Random(arguments.seed))  # noqa: S311
        days = [FIRST_DAY]
        bench.bring(FIRST_DAY)
        bench.finish(FIRST_DAY)  # says how long a run takes
        while bench.counts["killed"] < arguments.kills:
            days.append(days[-1] + 1)
            bench.bring(days[-1])
            for _ in range(KILLS_A_SESSION):
                if bench.counts["killed"] < arguments.kills:
                    bench.kill(days[-1])
                    bench.check()
            bench.finish(days[-1])
        bench.check()
        names = ("killed", "ended before", "failed", "unreadable", "wrong")
        found = {name: bench.counts[name] for name in names}
        found |= bench.lost_and_twice(days)
    publish(found, arguments.out)


if __name__ == "__main__":
    main()
