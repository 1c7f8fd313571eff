"""The server on its socket: who can reach it, and how one gets in."""

import http.client
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from closecast.errors import LedgerError, MissingExtraError, SettingError
from closecast.serving.api import server
from closecast.serving.api.server import (
    ServerSettings,
    Sources,
    hosts_of,
    is_loopback,
    service_of,
)


@pytest.fixture
def started(shelf, prices_file: Path, tmp_path: Path) -> Iterator[tuple[int, str, str]]:
    """Start a server in a process of its own."""
    places = {
        "--prices": prices_file,
        "--shelf": shelf.path,
        "--index": tmp_path / "index.sqlite",
        "--keys": tmp_path / "keys",
    }
    words = [str(word) for pair in places.items() for word in pair]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "closecast", "serve", "--port", "0", *words],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    lines = [process.stdout.readline() for _ in range(3)]
    port = int(re.findall(r":(\d+)\n", lines[0])[0])
    yield port, re.findall(r"(/login\S+)", lines[1])[0], lines[2].split()[-1]
    process.send_signal(signal.SIGINT)
    process.wait(timeout=20)
    process.stdout.close()


def ask(port: int, method: str, path: str, body: bytes = b"", **headers: str):
    """Ask the server, and give the status and what it said."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    said = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), said


def test_a_server_starts_answers_and_writes_json(started, tmp_path: Path):
    """The key and the link that it prints let one in; its log is a line a request."""
    port, link, key = started
    bearer = {"Authorization": f"Bearer {key}"}

    assert ask(port, "GET", "/v1/symbols")[0] == 401
    status, headers, said = ask(port, "GET", "/v1/forecasts/AAPL", **bearer)
    assert status == 200
    assert json.loads(said)["symbol"] == "AAPL"
    assert "server" not in {name.lower() for name in headers}
    status, headers, _ = ask(port, "GET", link)
    assert status == 303
    cookie = headers["set-cookie"].split(";")[0]
    assert ask(port, "GET", "/v1/session", Cookie=cookie)[0] == 200
    # a line is written once its answer has gone out
    for _ in range(100):
        lines = (tmp_path / "log").read_text().splitlines()
        if len(lines) >= 4:
            break
        time.sleep(0.1)
    assert [json.loads(line)["status"] for line in lines] == [401, 200, 303, 200]
    assert link.split("=")[1] not in (tmp_path / "log").read_text()


def test_100_mb_are_refused_while_they_are_sent(started):
    """The answer comes before the body was taken, and the server goes on."""
    port, _, key = started
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.putrequest("POST", "/v1/forecasts")
    connection.putheader("Authorization", f"Bearer {key}")
    connection.putheader("Content-Length", str(100 * 1024 * 1024))
    connection.endheaders()
    begun = time.monotonic()

    answer = connection.getresponse()

    assert answer.status == 413
    assert time.monotonic() - begun < 5
    connection.close()
    assert ask(port, "GET", "/v1/health")[0] == 200


def test_others_need_encryption_or_a_word_that_says_so():
    """A careless --host 0.0.0.0 is refused; both ways out are told."""
    with pytest.raises(SettingError, match="--tls-cert and --tls-key, or --insecure"):
        ServerSettings(host="0.0.0.0")  # noqa: S104
    assert ServerSettings(host="0.0.0.0", insecure=True).scheme == "http"  # noqa: S104
    with_tls = ServerSettings(host="::", tls_cert=Path("c"), tls_key=Path("k"))
    assert with_tls.scheme == "https"


def test_half_a_certificate_is_refused():
    """A certificate without its key serves nothing."""
    with pytest.raises(SettingError, match="--tls-cert and --tls-key together"):
        ServerSettings(tls_cert=Path("c"))


@pytest.mark.parametrize("rate", [0.0, -1.0])
def test_a_rate_that_lets_nobody_in_is_refused(rate: float):
    """Nobody could ask anything."""
    with pytest.raises(SettingError, match="Expected a rate above 0"):
        ServerSettings(rate=rate)


@pytest.mark.parametrize(
    ("host", "own"),
    [("127.0.0.1", True), ("127.0.0.9", True), ("::1", True), ("localhost", True),
     ("0.0.0.0", False), ("10.0.0.1", False), ("example.org", False)],  # noqa: S104
)  # fmt: skip
def test_only_loopback_is_this_machine(host: str, own: bool):
    """An address that others can reach is never taken for our own."""
    assert is_loopback(host) is own


def test_a_server_goes_by_the_names_that_it_was_given():
    """Its address, IPv6 in brackets, and those of a proxy."""
    settings = ServerSettings(host="::1", allow_hosts=("forecasts.example",))

    assert {"127.0.0.1", "[::1]", "forecasts.example"} <= set(hosts_of(settings))


def test_a_port_that_is_taken_is_told():
    """In a sentence, with the remedy."""
    with server._bound(ServerSettings(port=0)) as bound:
        taken = bound.getsockname()[1]
        with pytest.raises(SettingError, match="Choose another --port"):
            server._bound(ServerSettings(port=taken))


def test_what_is_missing_is_named(monkeypatch):
    """Without the extra the command says how to get it."""
    monkeypatch.setattr(server, "find_spec", lambda name: name != "uvicorn" or None)

    with pytest.raises(MissingExtraError, match=r"closecast\[serve\]"):
        server.require_extra()


def test_a_ledger_that_is_not_there_is_told_at_the_start(
    shelf, prices_file: Path, tmp_path: Path
):
    """A server with a misspelt ledger does not start and does not make one."""
    sources = Sources(
        prices=str(prices_file),
        shelf=shelf.path,
        index=tmp_path / "index.sqlite",
        keys=tmp_path / "keys",
        ledger=str(tmp_path / "none.sqlite"),
    )

    with pytest.raises(LedgerError, match="Expected a ledger, got no such file"):
        service_of(sources)
