"""Kill the server at random moments while forecasts are asked for and recorded.

Each round is a session: a server starts over the ledger and a model shelf, a process
asks it for published and computed forecasts without end, and the daily job records that
evening's. At a random moment of the job, or of its own start in a fifth of the rounds,
the server is killed with SIGKILL; the job goes on. Then a new process verifies the
chain, and holds each head that a job has acknowledged against it. The next round's
server has to start on the same files, and the last one has to tell every forecast.

    python benchmarks/serve_crash.py --out benchmarks/results/serve_crash.json

100 kills take some eight minutes on two quiet cores.
"""

import argparse
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import httpx
from daily_crash import FIRST_DAY, SYMBOLS, Bench
from machine import publish
from processes import forked

from closecast.market.bars import COLUMNS
from closecast.serving.api.keys import KeyRing
from closecast.serving.daily.config import DailyConfig, config_of
from closecast.serving.shelf import Shelf

POSTED = 60
"""Bars in a request for a computed forecast."""

STARTED_S = 300.0
"""Longest that a server is waited for."""

COUNTED = (
    "killed", "of them while it started", "ended by itself", "answered",
    "other answers", "jobs that failed", "unreadable", "wrong",
)  # fmt: skip

STARTS = 0.2
"""Share of the rounds in which the server is killed while it starts."""

ASKED_S = 1.0
"""Seconds at most that a server is asked before the job begins."""

NAP_S = 0.02
"""Between two requests that found nobody."""


@dataclass
class Served(Bench):
    """A job whose forecasts are served while it records them."""

    def __post_init__(self) -> None:
        """Put the model on a shelf; make a key and a port."""
        super().__post_init__()
        shelf = Shelf(self.folder / "shelf")
        shelf.add(self.folder / "model", reason="benchmark")
        shelf.promote(1, reason="benchmark")
        self.key = KeyRing(self.folder / "keys").add("asker")[0]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.start_s = 0.0

    @property
    def config(self) -> DailyConfig:
        """The settings of the job: it forecasts with what the shelf has promoted."""
        values = {"shelf": "shelf", "prices": "prices.parquet", "home": "home"}
        return config_of(values, self.folder / "daily.toml")

    def server(self) -> subprocess.Popen[bytes]:
        """Start a server, without waiting for it."""
        words = ["serve", "--no-open", "--port", str(self.port)]
        words += ["--ledger", self.config.ledger]
        for name in ("shelf", "index", "keys"):
            words += [f"--{name}", str(self.folder / name)]
        words += ["--prices", str(self.folder / "prices.parquet")]
        with (self.folder / "server.log").open("a") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "closecast", *words],
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def requests(self, day: int) -> list[tuple[str, str, str | None]]:
        """Give what is asked for in turn: method, address and body."""
        dates = self.dates[day - POSTED + 1 : day + 1]
        rows = [int((self.bars.dates == date).argmax()) for date in dates]
        bars = [
            {"date": str(date), **dict(zip(COLUMNS, map(float, values), strict=True))}
            for date, values in zip(dates, self.bars.values[rows], strict=True)
        ]
        body = json.dumps({"symbol": "X", "bars": bars})
        stored = [("GET", f"/v1/forecasts/{symbol}", None) for symbol in SYMBOLS]
        return [*stored, ("POST", "/v1/forecasts", body), ("GET", "/v1/ledger", None)]

    def ask(self, day: int) -> None:
        """Ask without end; say each status, or that nobody was there."""
        requests, client = self.requests(day), self.client()
        while True:
            for method, address, body in requests:
                try:
                    answer = client.request(method, address, content=body)
                    said: object = answer.status_code
                except httpx.TransportError:
                    said = "nobody"
                    time.sleep(NAP_S)
                print(said, flush=True)

    def client(self) -> httpx.Client:
        """Give one who has the key."""
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={
                "Authorization": f"Bearer {self.key}",
                "Content-Type": "application/json",
            },
            timeout=STARTED_S,
        )

    def wait(self) -> None:
        """Wait until a server answers; learn how long that takes."""
        begun, client = time.monotonic(), self.client()
        while time.monotonic() - begun < STARTED_S:
            try:
                if client.get("/v1/health").json()["status"] == "ok":
                    self.start_s = time.monotonic() - begun
                    return
            except httpx.TransportError:
                time.sleep(NAP_S)
        raise SystemExit("the server did not start")

    def round(self, day: int) -> None:
        """Kill a server while it is asked, and while the job records a session."""
        server = self.server()
        asker, answers = forked(lambda: self.ask(day))
        while_it_starts = self.dice.random() < STARTS
        if not while_it_starts:
            self.wait()
            time.sleep(self.dice.uniform(0, ASKED_S))
        begun = time.monotonic()
        writer, heads = forked(lambda: self.job(day))
        longest = self.start_s if while_it_starts else 1.2 * (self.typical_s or 0.0)
        time.sleep(self.dice.uniform(0, longest))
        self.counts["killed" if server.poll() is None else "ended by itself"] += 1
        self.counts["of them while it started"] += while_it_starts
        server.kill()
        server.wait()
        _, status = os.waitpid(writer, 0)
        self.typical_s = 0.7 * (self.typical_s or 0.0) + 0.3 * (
            time.monotonic() - begun
        )
        self.counts["jobs that failed"] += bool(status)
        self.note(heads)
        os.kill(asker, signal.SIGKILL)
        os.waitpid(asker, 0)
        with answers:
            told = Counter(line.strip() for line in answers)
        self.counts["answered"] += told.pop(str(int(http.client.OK)), 0)
        del told["nobody"]
        self.counts["other answers"] += told.total()

    def told(self) -> int:
        """Start a last server and count the forecasts that it tells."""
        server = self.server()
        self.wait()
        addresses = [f"/v1/history/{symbol}?limit=1000" for symbol in SYMBOLS]
        with self.client() as client:
            answers = [client.get(address).json() for address in addresses]
        server.terminate()
        server.wait(timeout=STARTED_S)
        return sum(len(answer["forecasts"]) for answer in answers)

    @property
    def tracebacks(self) -> int:
        """Count what no server may ever log."""
        return (self.folder / "server.log").read_text().count("Traceback")


def torture(kills: int, seed: int, folder: Path) -> dict[str, object]:
    """Kill many servers and count what is wrong."""
    bench = Served(folder, random.Random(seed))  # noqa: S311  no secret
    days = [FIRST_DAY]
    bench.bring(FIRST_DAY)
    bench.finish(FIRST_DAY)  # says how long a job takes
    first = bench.server()
    bench.wait()  # and this how long a start
    first.kill()
    first.wait()
    while bench.counts["killed"] < kills:
        days.append(days[-1] + 1)
        bench.bring(days[-1])
        bench.round(days[-1])
        bench.check()
        if len(days) % 20 == 0:
            print(len(days), dict(bench.counts), file=sys.stderr, flush=True)
    found: dict[str, object] = {name: bench.counts[name] for name in COUNTED}
    recorded = bench.lost_and_twice(days)
    missing = len(days) * len(SYMBOLS) - bench.told()
    return {**found, **recorded, "not told": missing, "tracebacks": bench.tracebacks}


def main() -> None:
    """Kill, count and say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = torture(arguments.kills, arguments.seed, Path(folder))
    publish(found, arguments.out)


if __name__ == "__main__":
    main()
