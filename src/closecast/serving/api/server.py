"""The server: an app on a socket, for this machine unless its owner says otherwise."""

import ipaddress
import secrets
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from closecast.errors import MissingExtraError, SettingError
from closecast.experiments.index import Index
from closecast.market.store import Store
from closecast.serving.desk import Desk
from closecast.serving.prices import PriceBook
from closecast.serving.runs import RunBook
from closecast.serving.shelf import Shelf

if TYPE_CHECKING:
    from closecast.serving.api.published import Published
    from closecast.serving.api.service import Lessons, Service

NEEDED = ("fastapi", "uvicorn", "prometheus_client")

HOST, PORT = "127.0.0.1", 8765

MOST_CONNECTIONS = 1024
IDLE_S = 30
"""Seconds that a connection may lie idle."""

GOODBYE_S = 3
"""Seconds that open answers get when the server stops."""

SWITCH_S = 0.001
"""Seconds after which a thread that computes lets the event loop go on."""

START_DAYS = 1.0
"""Days that the key of a start lives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """How a server is reached, and how much it takes.

    Attributes:
        host: Address to bind.
        port: Port to bind; 0 for any that is free.
        tls_cert: Certificate in PEM; None for none.
        tls_key: Its key in PEM.
        insecure: Whether others may reach it without encryption.
        allow_hosts: More names that it goes by.
        rate: Requests a second that a key may make, twice as many at once.

    Raises:
        SettingError: Others could reach it without encryption, or half a pair is given.
    """

    host: str = HOST
    port: int = PORT
    tls_cert: Path | None = None
    tls_key: Path | None = None
    insecure: bool = False
    allow_hosts: Sequence[str] = ()
    rate: float = 300.0

    def __post_init__(self) -> None:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise SettingError(
                f"Expected --tls-cert and --tls-key together, got {self.tls_cert} and "
                f"{self.tls_key}. Give both, or none."
            )
        if not (is_loopback(self.host) or self.tls_cert or self.insecure):
            raise SettingError(
                f"Expected 127.0.0.1, encryption, or --insecure, got {self.host}: keys "
                "and forecasts would go over the network in the clear. Give --tls-cert "
                "and --tls-key, or --insecure where a proxy encrypts."
            )
        if self.rate <= 0:
            raise SettingError(
                f"Expected a rate above 0, got {self.rate:g}. Give requests a second."
            )

    @property
    def scheme(self) -> str:
        """What an address begins with."""
        return "http" if self.tls_cert is None else "https"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What a server serves.

    Attributes:
        prices: As commands take PRICES; None for the store, or the sample without one.
        shelf: Folder of the shelf; None for the user's own.
        index: File of the index; None for the user's own.
        keys: File of keys; None for the user's own.
        ledger: File or URL of the ledger; None for none.
        onnx: Whether ONNX Runtime runs the networks.
        lessons: The lab's lessons in a language; None where the lab is not open.
    """

    prices: str | None = None
    shelf: Path | None = None
    index: Path | None = None
    keys: Path | None = None
    ledger: str | None = None
    onnx: bool = False
    lessons: "Lessons | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What the owner of a server is told once.

    Attributes:
        address: Where it is.
        link: What logs one browser in.
        key: A key for programs, until the server stops.
    """

    address: str
    link: str
    key: str


def require_extra() -> None:
    """Refuse to serve without what it needs.

    Raises:
        MissingExtraError: A library of the extra ``serve`` is not installed.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"Expected {', '.join(NEEDED)} to serve, got no installation of "
            f'{", ".join(missing)}. Install them with: pip install "closecast[serve]"'
        )


def run(
    sources: Sources, settings: ServerSettings, announce: Callable[[Started], None]
) -> None:
    """Serve until it is stopped.

    Args:
        sources: What to serve.
        settings: How.
        announce: Told how to get in, once the socket listens.

    Raises:
        SettingError: The address cannot be bound, or the certificate cannot be read.
        IntegrityError: The model that serves is not as it was put on the shelf.
        BarsError: The prices cannot be read.
        StoreError: There is no store, or it is damaged.
    """
    import uvicorn

    from closecast.serving.api.app import create_app

    service = service_of(sources)
    key = service.keys.add_for_now(f"start-{secrets.token_hex(4)}", START_DAYS)
    found = service.keys.find(key)
    assert found is not None  # noqa: S101  for mypy: it was made above
    with _bound(settings) as bound:
        app = create_app(
            service,
            hosts=hosts_of(settings),
            rate=settings.rate,
            burst=2 * settings.rate,
        )
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_keep_alive=IDLE_S,
            timeout_graceful_shutdown=GOODBYE_S,
            ssl_certfile=settings.tls_cert,
            ssl_keyfile=settings.tls_key,
        )
        address = _address(settings, bound)
        ticket = service.sessions.ticket(found.name)
        announce(
            Started(address=address, link=f"{address}/login?ticket={ticket}", key=key)
        )
        sys.setswitchinterval(SWITCH_S)
        service.warm_up()
        uvicorn.Server(config).run(sockets=[bound])


def service_of(sources: Sources) -> "Service":
    """Open what is served.

    Args:
        sources: What.

    Returns:
        All of it.

    Raises:
        IntegrityError: The model that serves is not as it was put on the shelf.
        BarsError: The prices cannot be read.
        StoreError: There is no store, or it is damaged.
    """
    from closecast.serving.api.keys import KeyRing, default_keys
    from closecast.serving.api.service import Service

    prices = PriceBook(sources.prices or ("store:" if Store().exists else "sample"))
    return Service(
        prices=prices,
        desk=Desk(Shelf(sources.shelf), prices, onnx=sources.onnx),
        runs=RunBook(Index(sources.index)),
        published=None if sources.ledger is None else _published(sources.ledger),
        lessons=sources.lessons,
        keys=KeyRing(sources.keys or default_keys()),
    )


def _published(place: str) -> "Published":
    from closecast.serving.api.published import Published
    from closecast.serving.ledger import Ledger

    return Published(Ledger.open(place, create=False))


def is_loopback(host: str) -> bool:
    """Tell whether an address is of this machine alone.

    Args:
        host: An address or a name.

    Returns:
        Whether nobody else can reach it.
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def hosts_of(settings: ServerSettings) -> list[str]:
    """List the names that a server goes by.

    Args:
        settings: How it is reached.

    Returns:
        Names as they stand in a Host header, without ports.
    """
    from closecast.serving.api.guard import LOOPBACK

    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return [*LOOPBACK, host, *settings.allow_hosts]


def _bound(settings: ServerSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family)
    except (OSError, OverflowError) as error:
        raise SettingError(
            f"Expected an address that is free, got {settings.host} port "
            f"{settings.port} ({error}). Choose another --port."
        ) from error


def _address(settings: ServerSettings, bound: socket.socket) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{settings.scheme}://{host}:{bound.getsockname()[1]}"
