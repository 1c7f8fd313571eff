"""Hostile requests to the API: none may be answered by a fault of the server.

A grammar writes requests that no honest client sends: paths that climb, symbols of
control characters and of ten thousand letters, numbers that are none, dates beyond the
calendar, JSON that is deep, doubled, torn or of another kind, headers that lie, keys
that are almost one. Each is asked of an app over a small model in this process. No
answer may be a 500 or a traceback, every error has to be a problem document, and every
so often an honest forecast is asked for and must be what it was at the start.

    python benchmarks/hostile_requests.py --out benchmarks/results/hostile_requests.json

100,000 requests take some ten minutes on one core.
"""

import argparse
import io
import json
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from fastapi import FastAPI
from httpx2 import Response
from machine import publish
from starlette.testclient import TestClient

from closecast.experiments.forecaster import Forecaster
from closecast.experiments.index import Index
from closecast.market.readers import to_frame
from closecast.serving.api.app import create_app
from closecast.serving.api.keys import Clock, KeyRing
from closecast.serving.api.logs import Log
from closecast.serving.api.service import Service
from closecast.serving.desk import Desk
from closecast.serving.prices import PriceBook
from closecast.serving.runs import RunBook
from closecast.serving.shelf import Shelf
from closecast.testing import random_walk

HONEST = "/v1/forecasts/W00"
EVERY = 500
"""So often the honest forecast is asked for."""

REFUSALS = {400, 401, 403, 404, 405, 408, 409, 411, 413, 414, 415, 421, 422, 429, 431}
BUSY = 503

SYMBOLS = ("W00",) * 12 + (
    "", " ", ".", "..", "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%00",
    "%0d%0aX-Evil:1", "W00%00.csv", "W" * 10_000, "\u202eW00", "🦆", "W00;DROP TABLE",
    "' OR 1=1 --", "{{7*7}}", "${jndi:ldap://x}", "http://169.254.169.254/latest",
    "file:///etc/passwd", "store:W00", "sample", "nan", "__proto__", "W00/W01", "//",
    "%ff%fe", "w00", "NULL", "-1", "W00?x", "W00#x", "W00,W01",
)  # fmt: skip
VALUES = (
    "", "0", "-1", "1", "5", "1e309", "nan", "inf", "-inf", "0x10", "١٢", "9" * 400,
    "1.5", "true", "null", "[]", "{}", "2013-01-02", "2013-02-30", "0000-00-00",
    "9999-12-31", "10000-01-01", "2013-01-02T00:00:00Z", "-2013-01-02", "yesterday",
    "auto", "ledger", "computed", "%00", "\u0000", "../..", "a" * 9_000, " 5", "5 ",
    "5;6", "en", "ko", "xx", "W00", "W00,W01", ",", "W00," * 300,
)  # fmt: skip
PATHS = (
    "/v1/health", "/metrics", "/v1/session", "/v1/symbols", "/v1/prices/{}",
    "/v1/forecasts", "/v1/forecasts/{}", "/v1/history/{}", "/v1/ledger",
    "/v1/scoreboard", "/v1/runs", "/v1/runs/{}", "/v1/runs/{}/curves",
    "/v1/runs/{}/events", "/v1/doctor", "/v1/lessons", "/v1/openapi.json", "/", "/{}",
    "/v1/{}", "/lessons/{}", "/static/{}", "/login", "/v2/health",
)  # fmt: skip
NAMES = (
    "limit", "offset", "query", "before", "cutoff", "origin", "symbols", "language",
    "key", "x", "", "limit[]", "limit%00", "__class__",
)  # fmt: skip
METHODS = ("GET",) * 6 + ("POST",) * 4 + (
    "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW", "get",
)  # fmt: skip
SCALARS: tuple[object, ...] = (
    None, True, 0, -1, 1, 1.5, 1e308, 10**400, "", "x", "2013-01-02", "nan", "1e999",
    [], {}, [[]], "\ud83e", "\u0000", "W" * 5_000,
)  # fmt: skip


def serve(folder: Path) -> tuple[FastAPI, Service, str, io.StringIO]:
    """Make an app over a small model and its prices."""
    bars = random_walk(2, 300)
    to_frame(bars, "pandas").to_csv(folder / "prices.csv", index=False)
    tiny = {"hidden_size": 4, "num_layers": 1, "epochs": 1, "batch_size": 128}
    Forecaster(**tiny).fit(bars).save(folder / "model")
    shelf = Shelf(folder / "shelf")
    shelf.promote(shelf.add(folder / "model", reason="new").number, reason="new")
    prices = PriceBook(str(folder / "prices.csv"))
    service = Service(
        prices=prices,
        desk=Desk(shelf, prices),
        runs=RunBook(Index(folder / "index.sqlite")),
        keys=KeyRing(folder / "keys", Clock()),
    )
    log = io.StringIO()
    app = create_app(service, hosts=["127.0.0.1"], log=Log(log), rate=1e9, burst=1e9)
    return app, service, service.keys.add_for_now("tester", 1), log


class Enemy:
    """Writes requests that no honest client sends.

    Args:
        dice: What decides.
        key: A key that opens the server.
        last_day: A date that the prices hold.
    """

    def __init__(self, dice: random.Random, key: str, last_day: str) -> None:
        self.dice, self.key, self.last_day = dice, key, last_day

    def request(self) -> dict[str, object]:
        """Give the arguments of one request."""
        made: dict[str, object] = {
            "method": self.dice.choice(METHODS),
            "url": self.url(),
            "headers": self.headers(),
        }
        if made["method"] != "GET" and self.dice.random() < 0.9:
            made["content"] = self.body()
        return made

    def url(self) -> str:
        """Give an address with odd parts."""
        path = self.dice.choice(PATHS)
        if "{}" in path:
            path = path.replace("{}", self.dice.choice(SYMBOLS))
        count = self.dice.choice((0, 0, 1, 1, 2, 3, 40))
        pairs = [
            f"{self.dice.choice(NAMES)}={self.dice.choice(VALUES)}"
            for _ in range(count)
        ]
        url = f"{path}?{'&'.join(pairs)}" if pairs else path
        return "".join(c if c.isprintable() and c.isascii() else quoted(c) for c in url)

    def headers(self) -> dict[str, str]:
        """Give headers, most with a key that opens, so that routes are reached."""
        found = {"Authorization": f"Bearer {self.key}"} if self.chance(0.8) else {}
        if self.chance(0.1):
            found["Authorization"] = self.dice.choice(
                ("Bearer", "Bearer ", "Basic YTpi", f"Bearer {self.key[:-1]}",
                 "x" * 9999, f"bearer  {self.key}", f"Bearer {self.key} {self.key}")
            )  # fmt: skip
        odd = {
            "Host": ("evil.example", "127.0.0.1:99999", "", "127.0.0.1.evil.example"),
            "Origin": ("https://evil.example", "null", "http://127.0.0.1:8765"),
            "Cookie": ("closecast=x", "=;=;", "a" * 5000, "closecast=\x7f"),
            "Content-Type": (
                "application/json",
                "text/plain",
                "x",
                "multipart/form-data",
            ),
            "Accept": ("text/html", "application/xml", "*/*;q=9"),
            "Accept-Encoding": ("gzip", "zstd;q=x", "identity;q=0"),
            "If-None-Match": ('"x"', "*", "W/"),
            "Last-Event-ID": ("-1", "x" * 999),
            "Range": ("bytes=0-", "bytes=9-1"),
            "X-Forwarded-For": ("127.0.0.1", "x"),
            "X-HTTP-Method-Override": ("DELETE",),
            "Content-Length": ("-1", "9999999999", "x"),
        }
        for name, values in odd.items():
            if self.chance(0.06):
                found[name] = self.dice.choice(values)
        return found

    def body(self) -> bytes:
        """Give a body: torn, deep, doubled, or almost a request for a forecast."""
        made = json.dumps(self.almost()).encode("utf-8", "surrogatepass")
        return self.dice.choice(
            (
                self.dice.randbytes(self.dice.randrange(200)),
                b"[" * self.dice.choice((10, 1_000, 100_000)),
                b'{"symbol": "X", "symbol": "Y", "bars": []}',
                made[: self.dice.randrange(len(made))],
                made.decode("utf-8", "replace").encode("utf-16"),
                *[made] * 3,
            )
        )

    def almost(self) -> object:
        """Give a request for a forecast with some parts replaced."""
        count = self.dice.choice((0, 1, 11, 30, 60))
        bars = [self.bar(day) for day in range(count)]
        whole: dict[str, object] = {"symbol": "X", "bars": bars, "cutoff": None}
        for name in ("symbol", "bars", "cutoff", "key", "extra"):
            if self.chance(0.2):
                whole[name] = self.dice.choice(SCALARS)
        return whole if self.chance(0.95) else self.dice.choice(SCALARS)

    def bar(self, day: int) -> object:
        """Give a bar, a few of them odd."""
        date = str(np.datetime64("2010-01-04") + day)
        close = 10.0 + day % 3 / 4
        bar: dict[str, object] = {
            "date": date, "open": 10.0, "high": 11.0, "low": 9.0, "close": close,
            "volume": 1e3,
        }  # fmt: skip
        if self.chance(0.02):
            bar[self.dice.choice((*bar, "x"))] = self.dice.choice(SCALARS)
        return bar if self.chance(0.998) else self.dice.choice(SCALARS)

    def chance(self, share: float) -> bool:
        """Tell whether something happens."""
        return self.dice.random() < share


def quoted(character: str) -> str:
    """Write a character as a path may hold it."""
    return "".join(f"%{byte:02x}" for byte in character.encode("utf-8", "replace"))


def judged(client: TestClient, made: dict[str, object], statuses: Counter[int]) -> str:
    """Ask; say how it ended, and count its status."""
    try:
        answer = client.request(**made)  # type: ignore[arg-type]
    except Exception as error:
        name = type(error).__name__
        if name in {"InvalidURL", "UnicodeEncodeError", "LocalProtocolError"}:
            return "not sent"  # the client itself refuses to write it
        return f"raised: {error!r}"
    statuses[answer.status_code] += 1
    return fault_in(answer, made) or (
        "answered" if answer.status_code < 400
        else "busy" if answer.status_code == BUSY
        else "refused"
    )  # fmt: skip


def fault_in(answer: Response, made: dict[str, object]) -> str:
    """Say what is wrong with an answer; nothing if it is as it should be."""
    status, kind = answer.status_code, answer.headers.get("content-type", "")
    if "Traceback" in answer.text:
        return f"traceback: {status}"
    if status >= 400 and status not in REFUSALS | {BUSY}:
        return f"fault: {status} {answer.text[:200]}"
    is_problem = kind.startswith("application/problem+json")
    if status >= 400 and made["method"] != "HEAD" and not is_problem:
        return f"no problem document: {status} {kind} {answer.text[:100]}"
    return ""


def attack(requests: int, seed: int, folder: Path) -> dict[str, object]:
    """Ask many times and count how it ended."""
    app, service, key, log = serve(folder)
    counts: Counter[str] = Counter()
    statuses: Counter[int] = Counter()
    began = time.perf_counter()
    enemy = Enemy(random.Random(seed), key, "2010-01-04")  # noqa: S311  no secret
    honest = {"Authorization": f"Bearer {key}"}
    with TestClient(
        app,
        base_url="http://127.0.0.1:8765",
        raise_server_exceptions=False,
        follow_redirects=False,
    ) as client:
        first = said(client, honest)
        for number in range(requests):
            made = enemy.request()
            ended = judged(client, made, statuses)
            kind = ended.split(":")[0]
            counts[kind] += 1
            sound = kind in {"answered", "refused", "busy", "not sent"}
            if not sound and counts[kind] <= 5:
                shown = {k: str(v)[:300] for k, v in made.items()}
                print(f"{number}: {ended}\n  {shown}", file=sys.stderr, flush=True)
            if number % EVERY == 0:
                counts["changed"] += said(client, honest) != first
    service.close()
    secrets = sum(key in line for line in log.getvalue().splitlines())
    names = ("answered", "refused", "busy", "not sent", "fault", "raised", "traceback",
             "no problem document", "changed")  # fmt: skip
    return {
        "requests": requests,
        "seconds": round(time.perf_counter() - began, 1),
        **{name: counts[name] for name in names},
        "log_lines_with_the_key": secrets,
        "statuses": {str(status): n for status, n in sorted(statuses.items())},
    }


def said(client: TestClient, headers: dict[str, str]) -> object:
    """Give an honest forecast, without the time that it was made at."""
    answer = client.get(HONEST, headers=headers)
    if answer.status_code != 200:
        return answer.text
    return {name: v for name, v in answer.json().items() if name != "made_at"}


def main() -> None:
    """Attack, count and say it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        found = attack(arguments.requests, arguments.seed, Path(folder))
    publish(found, arguments.out)


if __name__ == "__main__":
    main()
