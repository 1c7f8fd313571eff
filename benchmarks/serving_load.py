"""What the server holds: stored and computed forecasts under an open load.

`closecast serve` runs as users run it, with a ledger of forecasts of the sample's
stocks and a model on its shelf. A process of its own asks at a fixed rate, whether or
not the answers keep up (open loop), over kept connections and with several keys. A
latency counts from the moment at which the request was due, so that waiting for a slow
server counts. Times of the processor are taken of both: on two cores the one who asks
costs much.

    python benchmarks/serving_load.py --seconds 60 --out benchmarks/results/serving.json
    python benchmarks/serving_load.py --seconds 600        # memory over ten minutes
"""

import argparse
import asyncio
import datetime as dt
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

CONNECTIONS, KEYS, STARTS = 32, 8, 5
STORED, COMPUTED = 1000.0, 300.0
POSTED = 60
"""Bars in a request for a computed forecast."""

DAYS = 20
"""Cutoffs that are recorded of each symbol."""

TICKS = os.sysconf("SC_CLK_TCK")

LOOK_S = 2.0
"""Seconds between two looks at the server's memory."""


@dataclass
class Measured:
    """What was seen of a load."""

    latencies: list[float] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)

    def fail(self, what: str) -> None:
        """Count something that went wrong."""
        self.errors[what] = self.errors.get(what, 0) + 1

    def summary(self) -> dict[str, object]:
        """Give counts and percentiles in milliseconds."""
        ms = np.array(self.latencies) * 1000
        points = {"p50": 50, "p99": 99, "p99_9": 99.9, "max": 100}
        return {
            "answered": len(ms),
            "errors": self.errors,
            **{
                f"{n}_ms": round(float(np.percentile(ms, p)), 2)
                for n, p in points.items()
            },
        }


class Asker(asyncio.Protocol):
    """One kept connection: a request at a time, its answer read by its length."""

    def __init__(self) -> None:
        self.buffer, self.waiting = b"", None

    def connection_made(self, transport) -> None:
        """Keep where to write."""
        self.transport = transport

    def ask(self, request: bytes) -> "asyncio.Future[int]":
        """Send a request; its status comes later."""
        self.waiting = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self.waiting

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer."""
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if found:
            length = int(re.search(rb"content-length: (\d+)", head.lower())[1])
            if len(body) >= length:
                self.buffer = body[length:]
                self.waiting.set_result(int(head[9:12]))

    def connection_lost(self, _) -> None:
        """Tell who waits that nothing comes."""
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_result(0)


async def load(
    port: int, requests: list[bytes], rate: float, seconds: float
) -> Measured:
    """Ask at a fixed rate."""
    loop, measured = asyncio.get_running_loop(), Measured()
    free: asyncio.Queue[Asker] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        _, asker = await loop.create_connection(Asker, "127.0.0.1", port)
        free.put_nowait(asker)

    begun, tasks = time.perf_counter(), set()
    for number in range(int(rate * seconds)):
        due = begun + number / rate
        if due > time.perf_counter():
            await asyncio.sleep(due - time.perf_counter())
        request = requests[number % len(requests)]
        task = loop.create_task(one(free, due, request, measured))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    if tasks:
        await asyncio.wait(tasks, timeout=30)
    measured.errors |= {"no answer": len(tasks)} if tasks else {}
    return measured


async def one(
    free: "asyncio.Queue[Asker]", due: float, request: bytes, measured: Measured
) -> None:
    """Ask once, over the next connection that is free."""
    asker = await free.get()
    status = await asker.ask(request)
    if status == 200:
        measured.latencies.append(time.perf_counter() - due)
    else:
        measured.fail(f"status {status}")
    if status:
        free.put_nowait(asker)


def requests_of(kind: str, keys: list[str]) -> list[bytes]:
    """Lay out the requests of a load, ready to be sent."""
    from closecast.market.sample import sample_bars

    bars = sample_bars()
    made = []
    for key in keys:
        for symbol, _, end in bars:
            head = f"Host: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
            if kind == "stored":
                made.append(
                    f"GET /v1/forecasts/{symbol} HTTP/1.1\r\n{head}\r\n".encode()
                )
                continue
            body = json.dumps({"symbol": symbol, "bars": posted(bars, end)})
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            made.append(f"POST /v1/forecasts HTTP/1.1\r\n{head}\r\n{body}".encode())
    return made


def posted(bars, end: int) -> list[dict[str, object]]:
    """Give the bars before a row as they are posted."""
    names = ("open", "high", "low", "close", "volume")
    return [
        {
            "date": str(bars.dates[row]),
            **dict(zip(names, bars.values[row].tolist(), strict=True)),
        }
        for row in range(end - POSTED, end)
    ]


def prepare(home: Path) -> None:
    """Train a model, put it on a shelf, and record what it forecasts."""
    from closecast.experiments.forecaster import Forecaster
    from closecast.market.sample import sample_bars
    from closecast.models.baselines import Zero
    from closecast.serving.ledger import Ledger, Publication
    from closecast.serving.shelf import Shelf

    os.environ["CLOSECAST_INDEX"] = str(home / "index.sqlite")
    bars = sample_bars()
    forecaster = Forecaster(epochs=1).fit(bars)
    forecaster.save(home / "model")
    version = Shelf(home / "shelf").add(home / "model", reason="benchmark")
    Shelf(home / "shelf").promote(1, reason="benchmark")
    with Ledger.open(home / "ledger.sqlite") as ledger:
        for day in np.unique(bars.dates)[-DAYS:]:
            past = bars.select(bars.dates <= day)
            rows = (past.offsets[1:] - 1)[past.dates[past.offsets[1:] - 1] == day]
            forecasts = {
                "closecast": forecaster.voice.forecast(past, rows),
                "zero": Zero(horizon=5).forecast(past, rows),
            }
            hashes = {"closecast": version.model_hash, "zero": "0" * 64}
            made = Publication.of(forecasts, past, model_hashes=hashes)
            ledger.record(made, dt.datetime.combine(day.item(), dt.time(22), dt.UTC))
        ledger.score(bars, dt.datetime(2013, 3, 1, 22, 30, tzinfo=dt.UTC))


@contextmanager
def server(home: Path) -> Iterator[tuple[int, int]]:
    """Run a server; give its process and its port."""
    words = [
        "--prices",
        "sample",
        "--shelf",
        home / "shelf",
        "--port",
        "0",
        "--no-open",
    ]
    words += ["--index", home / "index.sqlite", "--keys", home / "keys"]
    words += ["--ledger", home / "ledger.sqlite"]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "closecast", "serve", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        port = int(re.findall(r":(\d+)\n", process.stdout.readline())[0])
        yield process.pid, port
    finally:
        process.terminate()
        process.wait(timeout=20)
        process.stdout.close()


def start_s(home: Path, key: str) -> float:
    """Measure from the start of the process to the first forecast."""
    begun = time.perf_counter()
    with server(home) as (_, port):
        request = requests_of_one(key)
        while asyncio.run(first(port, request)) != 200:
            time.sleep(0.005)
        return time.perf_counter() - begun


def requests_of_one(key: str) -> bytes:
    """Ask for one stored forecast."""
    head = f"Host: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
    return f"GET /v1/forecasts/AAPL HTTP/1.1\r\n{head}\r\n".encode()


async def first(port: int, request: bytes) -> int:
    """Ask once."""
    loop = asyncio.get_running_loop()
    try:
        _, asker = await loop.create_connection(Asker, "127.0.0.1", port)
    except ConnectionError:
        return 0
    status = await asker.ask(request)
    asker.transport.close()
    return status


def memory_mb(process: int) -> float:
    """Read the resident memory of a process."""
    text = Path(f"/proc/{process}/status").read_text()
    return round(int(re.findall(r"VmRSS:\s+(\d+)", text)[0]) / 1024, 1)


class MemoryWatch(threading.Thread):
    """Looks at a server's memory while it is under load."""

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self.process, self.seen, self.ended = process, [], threading.Event()

    def run(self) -> None:
        """Look until ended."""
        while not self.ended.wait(LOOK_S):
            self.seen.append((time.perf_counter(), memory_mb(self.process)))

    def end(self) -> dict[str, object]:
        """Stop looking; say how memory moved, its second half by a straight line.

        The first half is left out of the line: a process that has just met a load
        fills its pools once.
        """
        self.ended.set()
        self.join()
        at, mb = np.array(self.seen).T
        late = at >= (at[0] + at[-1]) / 2
        slope = np.polyfit(at[late], mb[late], 1)[0] * 60 if late.sum() > 1 else 0.0
        return {
            "memory_mb": [float(mb[0]), float(mb.max()), float(mb[-1])],
            "growth_mb_per_minute": round(float(slope), 3),
        }


def processor_s(process: int) -> float:
    """Read the time of the processor that a process has taken."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def stage(
    kind: str, at: tuple[int, int], keys: list[str], rate: float, seconds: float
) -> dict[str, object]:
    """Put a load on the server and say what it took."""
    import uvloop

    process, port = at
    requests = requests_of(kind, keys)
    uvloop.run(load(port, requests, rate, min(5.0, seconds)))  # warm
    own, there = time.process_time(), processor_s(process)
    watch = MemoryWatch(process)
    watch.start()
    begun = time.perf_counter()
    measured = uvloop.run(load(port, requests, rate, seconds))
    took = time.perf_counter() - begun
    return {
        "rate": rate,
        "seconds": round(took, 1),
        **measured.summary(),
        "server_cores": round((processor_s(process) - there) / took, 2),
        "client_cores": round((time.process_time() - own) / took, 2),
        **watch.end(),
    }


def main() -> None:
    """Measure starts, stored and computed forecasts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument(
        "--stored", type=float, default=STORED, help="requests a second"
    )
    parser.add_argument("--computed", type=float, default=COMPUTED)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    from machine import publish

    from closecast.serving.api.keys import KeyRing

    result: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        prepare(home)
        keys = [KeyRing(home / "keys").add(f"load{n}")[0] for n in range(KEYS)]
        starts = [start_s(home, keys[0]) for _ in range(STARTS)]
        result["start_to_first_answer_s"] = [round(one, 2) for one in starts]
        with server(home) as at:
            for kind, rate in (
                ("stored", arguments.stored),
                ("computed", arguments.computed),
            ):
                result[kind] = stage(kind, at, keys, rate, arguments.seconds)
                print(kind, result[kind], file=sys.stderr, flush=True)
    publish(result, arguments.out)


if __name__ == "__main__":
    main()
