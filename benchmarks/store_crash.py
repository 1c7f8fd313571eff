"""Kill a writer at random moments and see whether the store lost anything.

A writer process imports, appends, refreshes and compacts without end, and says on a
pipe what is acknowledged. It is killed with SIGKILL at a random moment. A new process
then opens the store, verifies every checksum, and looks for each acknowledged batch,
value by value. The store lives on from kill to kill.

    python benchmarks/store_crash.py --out benchmarks/results/store_crash.json
"""

import argparse
import json
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import filelock
import numpy as np
import pyarrow.parquet
from machine import publish
from processes import forked

from closecast.market.bars import Bars, from_columns
from closecast.market.store import Store

LOADED = (filelock, pyarrow.parquet, sqlite3)
"""What a store loads when it is used, loaded before any process begins."""

SYMBOLS, ROWS = 25, 20
"""A batch has 500 rows."""

DEEDS = {"import": 3, "append": 4, "refresh": 4, "compact": 1}
"""And how often each is done."""

MOST_DEEDS = 5
"""A writer is killed during one of its first deeds."""


def block(number: int, first: int, sessions: int, *, scale: float = 1.0) -> Bars:
    """Bars that depend on symbol and session alone, so that a reader can tell them.

    Args:
        number: Which 25 symbols.
        first: First session, in days since 1990.
        sessions: How many.
        scale: What prices are multiplied by, and volumes divided by.
    """
    symbol = np.repeat(np.arange(SYMBOLS), sessions)
    day = first + np.tile(np.arange(sessions), SYMBOLS)
    close = 10.0 + (symbol * 37 + day * 11 + number) % 1000 / 8
    volume = np.full(len(close), 1024.0)
    prices = np.stack([close, close + 1, close - 1, close], axis=1) * scale
    return from_columns(
        np.array([f"B{number:04}S{at:02}" for at in symbol]),
        np.datetime64("1990-01-01") + day,
        np.column_stack([prices, volume / scale]),
    )


def write(path: Path, run: int) -> None:
    """Write until killed; say what is acknowledged, one JSON line each."""
    store = Store(path, wait_s=60)
    dice = random.Random(run)  # noqa: S311  no secret
    say("open")
    while True:
        deed(store, dice, run)


def deed(store: Store, dice: random.Random, run: int) -> None:
    """Do one of four things to the store and acknowledge it."""
    (kind,) = dice.choices(list(DEEDS), list(DEEDS.values()))
    say("begin", deed=kind)
    if kind == "compact":
        store.compact()
        say("ack", deed=kind)
        return
    if kind == "import" or run not in written(store):
        sessions = 30 * ROWS if kind == "import" else ROWS
        number = len(written(store))
        bars = block(number, 0, sessions)
        store.append(bars, source=f"{number}:{sessions}")
        say("ack", deed=kind, number=number, sessions=sessions, splits=0)
        return
    number = dice.choice(sorted(written(store)))
    sessions = len(store.read([f"B{number:04}S00"]))
    splits = sum(a.symbol == f"B{number:04}S00" for a in store.adjustments())
    if kind == "append" and not splits:
        store.append(block(number, sessions, ROWS), source="day")
        sessions += ROWS
    elif splits < 4:
        scale = 0.5 ** (splits + 1)
        first = max(0, sessions - 15)
        bars = block(number, first, sessions - first + 1, scale=scale)
        outcome = store.refresh(bars, source="vendor")
        if outcome.conflicts:
            raise SystemExit(f"unexpected: {outcome.conflicts[0]}")
        sessions, splits = sessions + 1, splits + 1
    say("ack", deed=kind, number=number, sessions=sessions, splits=splits)


def written(store: Store) -> set[int]:
    """Numbers of the blocks that are stored."""
    if not store.exists:
        return set()
    return {int(one.symbol[1:5]) for one in store.symbols()}


def say(what: str, **more: object) -> None:
    """Write a line to the parent, at once."""
    sys.stdout.write(json.dumps({"what": what, **more}) + "\n")
    sys.stdout.flush()


def check(path: Path, acknowledged: list[dict[str, int]]) -> list[str]:
    """Hold a store against what was acknowledged; give what is wrong."""
    store = Store(path)
    if not store.exists:
        return ["no store"] if acknowledged else []
    wrong = list(store.verify())
    bars = {one.symbol: one.bars for one in store.symbols()}
    for number in written(store):
        counts = {bars.get(f"B{number:04}S{at:02}", 0) for at in range(SYMBOLS)}
        if len(counts) != 1:
            wrong.append(f"torn: block {number} has symbols of {sorted(counts)} bars")
    for ack in acknowledged:
        wrong += missing(store, bars, ack)
    return wrong


def missing(store: Store, bars: dict[str, int], ack: dict[str, int]) -> list[str]:
    """Look for one acknowledged batch, value by value."""
    name = f"B{ack['number']:04}S{ack['number'] % SYMBOLS:02}"
    if bars.get(name, 0) < ack["sessions"]:
        return [f"lost: {name} has {bars.get(name, 0)} of {ack['sessions']} bars"]
    splits = sum(one.symbol == name for one in store.adjustments())
    if splits < ack["splits"]:
        return [f"lost: {name} has {splits} of {ack['splits']} adjustments"]
    found = store.read([name])
    every = block(ack["number"], 0, len(found), scale=0.5**splits)
    expected = every.select(every.names(np.arange(len(every))) == name)
    same = np.array_equal(found.values, expected.values)
    return [] if same else [f"changed: {name}"]


@dataclass
class Killer:
    """Kills writers at random moments, as fast or slow as the machine is.

    A writer lives for some acknowledged deeds, and then for a part of one more: a
    fixed time would always hit the first deed of a busy machine.
    """

    dice: random.Random
    typical_s: float = 0.2

    def kill(self, path: Path, run: int) -> tuple[str, list[dict[str, int]]]:
        """Start a writer and kill it; give what it did last and what it said."""
        writer, said = forked(lambda: write(path, run))
        with said:
            lines = self.watched(said, self.dice.randrange(MOST_DEEDS))
            time.sleep(self.dice.uniform(0, 1.5 * self.typical_s))
            os.kill(writer, signal.SIGKILL)
            _, status = os.waitpid(writer, 0)
            if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
                raise SystemExit(f"the writer ended by itself: {status}")
            lines += [json.loads(line) for line in said.read().splitlines() if line]
        last = lines[-1]
        at = last["deed"] if last["what"] == "begin" else "between"
        return at, [one for one in lines if one["what"] == "ack" and "number" in one]

    def watched(self, said: TextIO, deeds: int) -> list[dict[str, Any]]:
        """Read what a writer says until it began its last deed."""
        lines, begun = [], time.monotonic()
        while line := said.readline():
            lines.append(json.loads(line))
            if lines[-1]["what"] == "begin":
                if deeds == 0:
                    return lines
                begun, deeds = time.monotonic(), deeds - 1
            elif lines[-1]["what"] == "ack":
                took = time.monotonic() - begun
                self.typical_s = 0.9 * self.typical_s + 0.1 * took
        raise SystemExit("the writer ended by itself")


def reopened(path: Path, acknowledged: list[dict[str, int]]) -> tuple[bool, list[str]]:
    """Check a store in a new process; say whether it opened, and what is wrong."""
    checker, said = forked(lambda: print(*check(path, acknowledged), sep="\n"))
    with said:
        lines = [line for line in said.read().splitlines() if line]
    _, status = os.waitpid(checker, 0)
    return status == 0, lines


def torture(kills: int, seed: int, folder: Path) -> dict[str, object]:
    """Kill many writers; count what was found.

    Args:
        kills: How many.
        seed: Of the moments.
        folder: An empty folder; a new store is begun there after every 30 kills.
    """
    killer = Killer(random.Random(seed))  # noqa: S311  no secret
    moments: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    acknowledged: dict[int, dict[str, int]] = {}
    for run in range(kills):
        store = folder / f"store-{run // 30}"
        if run % 30 == 0:
            acknowledged = {}
        moment, acks = killer.kill(store, run)
        moments[moment] += 1
        counts["acknowledged"] += len(acks)
        acknowledged |= {ack["number"]: ack for ack in acks}
        opened, lines = reopened(store, list(acknowledged.values()))
        counts["reopened" if opened else "unreadable"] += 1
        for line in lines:
            counts[line.split(":")[0] if ":" in line else "damaged"] += 1
            print(f"run {run}: {line}", file=sys.stderr)
        if (run + 1) % 20 == 0:
            print(f"{run + 1} kills, {dict(counts)}", file=sys.stderr, flush=True)
    names = ("acknowledged", "reopened", "unreadable", "lost", "torn", "changed")
    return {
        "kills": kills,
        "killed_during": dict(sorted(moments.items())),
        **{name: counts[name] for name in names},
        "damaged": sum(n for name, n in counts.items() if name not in names),
    }


def main() -> None:
    """Kill, count and say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where stores go; a temporary")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        found = torture(arguments.kills, arguments.seed, Path(folder))
    publish(found, arguments.out)


if __name__ == "__main__":
    main()
