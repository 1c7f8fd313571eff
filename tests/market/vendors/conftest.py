"""A network of our own: vendors' real addresses, answered on this machine.

The vendors' libraries run as they are, in their own processes, and ask the addresses
that they always ask. A proxy in the environment leads every request here, where a
certificate of our own speaks for every host.
"""

import json
import os
import socketserver
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
import trustme

from closecast.market.vendors.manners import Clock, Manners
from closecast.market.vendors.vendor import open_vendor

ROOT = Path(__file__).parents[3]
ENVIRONMENTS = {"krx": ".venv-krx"}


@dataclass
class Request:
    """What a library asked."""

    method: str
    host: str
    path: str
    query: dict[str, str]
    form: dict[str, str]


@dataclass
class Reply:
    """What the vendor answers: status, body, further headers, a wait before it."""

    body: str | bytes | dict | list = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait_s: float = 0.0
    cut: int | None = None


class Network:
    """Every host there is; ``on`` says who answers what."""

    def __init__(self):
        self.requests: list[Request] = []
        self.routes = {}
        self.released = threading.Event()

    def on(self, host, path, reply):
        """Let a host answer a path with a reply, a function of the request, or some."""
        self.routes[host, path] = reply

    def answer(self, request):
        """Find the reply to a request."""
        self.requests.append(request)
        reply = self.routes.get((request.host, request.path))
        if isinstance(reply, list):
            reply = reply.pop(0) if len(reply) > 1 else reply[0]
        if callable(reply):
            reply = reply(request)
        return reply if reply is not None else Reply("not here", status=404)

    def asked(self, path):
        """Give the requests for a path."""
        return [request for request in self.requests if request.path == path]

    def clear(self):
        """Forget who answers what, and what was asked."""
        self.released.set()
        self.requests.clear()
        self.routes.clear()
        self.released = threading.Event()


def handler(network, authority):  # noqa: C901  a class that knows its network
    """Make the handler of a proxy that is every host itself."""
    contexts = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        host = ""

        def do_CONNECT(self):
            self.send_response(200)
            self.end_headers()
            host = self.path.split(":")[0]
            if host not in contexts:
                contexts[host] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                authority.issue_cert(host).configure_cert(contexts[host])
            try:
                self.connection = contexts[host].wrap_socket(
                    self.connection, server_side=True
                )
            except OSError:
                self.close_connection = True
                return
            self.rfile = self.connection.makefile("rb")
            self.wfile = self.connection.makefile("wb", buffering=0)
            self.host = host
            self.close_connection = False

        def do_GET(self):
            url = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            form = dict(parse_qsl(self.rfile.read(length).decode()))
            host = self.host or url.hostname
            query = dict(parse_qsl(url.query))
            self.reply(
                network.answer(Request(self.command, host, url.path, query, form))
            )

        do_POST = do_GET  # noqa: N815

        def reply(self, reply):
            network.released.wait(reply.wait_s) if reply.wait_s else None
            body = reply.body
            if isinstance(body, dict | list):
                body = json.dumps(body)
            raw = body.encode() if isinstance(body, str) else body
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw[: reply.cut])
            self.close_connection = reply.cut is not None

        def log_message(self, *_):
            pass

        def handle(self):
            with suppress(OSError):  # the other side is gone: its process was ended
                super().handle()

        def finish(self):
            with suppress(OSError):
                super().finish()
            self.rfile.close()
            self.connection.close()

    return Handler


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True


@pytest.fixture(scope="session")
def everywhere(tmp_path_factory):
    """The proxy, and what a process needs to find it."""
    authority = trustme.CA()
    folder = tmp_path_factory.mktemp("network")
    certificate = folder / "authority.pem"
    authority.cert_pem.write_to_path(certificate)
    network = Network()
    with Server(("127.0.0.1", 0), handler(network, authority)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        proxy = f"http://127.0.0.1:{server.server_address[1]}"
        yield (
            network,
            {
                "HTTP_PROXY": proxy,
                "HTTPS_PROXY": proxy,
                "http_proxy": proxy,
                "https_proxy": proxy,
                "REQUESTS_CA_BUNDLE": str(certificate),
                "CURL_CA_BUNDLE": str(certificate),
                "SSL_CERT_FILE": str(certificate),
                "XDG_CACHE_HOME": str(folder),
                "MPLCONFIGDIR": str(folder),
                "NO_PROXY": "",
                "no_proxy": "",
            },
        )
        server.shutdown()


@pytest.fixture
def network(everywhere, monkeypatch):
    """The network, silent at first."""
    network, environment = everywhere
    network.clear()
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    yield network
    network.clear()


def python_of(base):
    """Find the Python that has a vendor's library; make test makes it."""
    path = ROOT / ENVIRONMENTS.get(base, ".venv-vendors") / "bin" / "python"
    if not path.exists():
        missing = f"{path} is not there; `make vendors` makes it"
        assert not os.environ.get("CI"), missing
        pytest.skip(missing)
    return str(path)


class FakeClock(Clock):
    """A clock that sleeps at once and remembers how long."""

    def __init__(self):
        self.time, self.slept = 0.0, []
        super().__init__(now=lambda: self.time, sleep=self.pass_by, chance=lambda: 0.5)

    def pass_by(self, seconds):
        """Let time pass."""
        self.slept.append(seconds)
        self.time += seconds


@pytest.fixture
def clock():
    """A clock of the test's own."""
    return FakeClock()


QUICK = Manners(
    request_s=5.0,
    question_s=20.0,
    retries=3,
    per_second=1e6,
    burst=1000,
    failures=1000,
)


@pytest.fixture(scope="module")
def opened():
    """Open each vendor once a module: its process takes a second to start."""
    vendors = {}

    def get(name, **options):
        if name not in vendors:
            vendors[name] = open_vendor(
                name,
                manners=QUICK,
                clock=FakeClock(),
                python=python_of(name.partition(":")[0]),
                **options,
            )
        vendors[name].turnstile.clock.slept.clear()
        return vendors[name]

    yield get
    for vendor in vendors.values():
        vendor.close()


@pytest.fixture
def reply():
    """The class of replies."""
    return Reply


@pytest.fixture
def now_s():
    """This moment in seconds of Unix time."""
    return time.time()
