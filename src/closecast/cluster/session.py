"""A session with Ray: one of our own on this machine, or one that somebody started.

Whoever reaches a Ray cluster runs code on it. So our own listens on the loopback alone
and asks for a token that no other process knows, and a foreign one that asks for none
is refused. The dashboard and the usage statistics stay off.
"""

import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from closecast.engine.choice import decide
from closecast.errors import ClusterError, MissingExtraError
from closecast.training.checkpoint import versions

LOOPBACK = "127.0.0.1"

SHORT = "/tmp" if Path("/tmp").is_dir() else None  # noqa: S108  private all the same
"""Where temporary folders have short names."""

ANSWER_S = 5.0
"""How long a cluster may take to answer."""

TRUST_S = 60.0
"""How long the first worker of a cluster may take to start and say what it is."""

SETTINGS = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_raylet_start_wait_time_s": "120",  # a busy machine starts slowly
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",  # of a task that is done again anyway
}
"""Environment that Ray reads when it starts."""

Passport = Mapping[str, str]
"""What a result depends on beside its task, and how a process lets others in."""


@contextmanager
def session(address: str | None) -> Iterator[Any]:
    """Start Ray on this machine, or join a cluster; leave no process behind.

    Args:
        address: ``HOST:PORT`` of a cluster that this machine is a node of, or "auto"
            for the one that was started here; None starts one for this process.

    Yields:
        The module ``ray``, connected.

    Raises:
        MissingExtraError: Ray is not installed.
        ClusterError: Nobody answers, a token is missing or not asked for, the cluster
            has other versions, or this process is connected already.
    """
    own = {"RAY_AUTH_TOKEN": secrets.token_hex(32)} if address is None else {}
    with ExitStack() as last, _environment({**SETTINGS, **own}), ExitStack() as left:
        ray = _ray()
        last.callback(_forget, ray)
        _forget(ray)
        folder = left.enter_context(_private_folder())
        left.enter_context(_silence(ray))
        left.callback(ray.shutdown)
        if address is None:
            _start(ray, folder)
        else:
            _join(ray, address)
            _require_trust(ray, address)
        yield ray


def passport() -> Passport:
    """Give this process's passport.

    Returns:
        Versions of what computes, the engine that "auto" is, and how others get in.
    """
    mode = os.environ.get("RAY_AUTH_MODE", "disabled")
    return {**versions(), "engine": decide().name, "RAY_AUTH_MODE": mode}


def require_same(ours: Passport, theirs: Passport, node: str) -> None:
    """Refuse a node that would compute something else, or that lets anybody in.

    Args:
        ours: The passport of the process that asks.
        theirs: That of a worker.
        node: What messages call its node.

    Raises:
        ClusterError: They differ.
    """
    differ = [name for name in ours if theirs.get(name) != ours[name]]
    if differ:
        expected = ", ".join(f"{name} {ours[name]}" for name in differ)
        got = ", ".join(f"{name} {theirs.get(name)}" for name in differ)
        raise ClusterError(
            f"Expected {expected} on every node, got {got} ({node}). Install the "
            "same there and start it with RAY_AUTH_MODE=token."
        )


def _ray() -> Any:  # noqa: ANN401  a module
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError(
            "Expected Ray to spread work with, got none installed. Install "
            "closecast[ray]."
        ) from error
    if ray.is_initialized():
        raise ClusterError(
            "Expected a process that is not connected to Ray yet, got one that is. "
            "Call ray.shutdown() first."
        )
    return ray


def _forget(ray: Any) -> None:  # noqa: ANN401
    # Ray keeps the mode and the token of a session for those that follow
    ray._raylet.Config.initialize("")
    ray._raylet.AuthenticationTokenLoader.instance().reset_cache()


def _start(ray: Any, folder: str) -> None:  # noqa: ANN401
    try:
        ray.init(
            _node_ip_address=LOOPBACK,
            _temp_dir=folder,
            include_dashboard=False,
            log_to_driver=False,
            configure_logging=False,
        )
    except Exception as error:  # Ray raises no narrower one, of a slow machine either
        first = str(error).splitlines()[0]
        raise ClusterError(
            f"Expected Ray to start on this machine, got: {first} Give the machine "
            "less to do or more memory, or leave --on ray out."
        ) from error


def _join(ray: Any, address: str) -> None:  # noqa: ANN401
    require_token()
    require_answer(address)
    try:
        ray.init(address, log_to_driver=False, configure_logging=False)
    except (ray.exceptions.RayError, ConnectionError, RuntimeError, ValueError) as err:
        first = str(err).splitlines()[0]
        raise ClusterError(
            f"Expected a cluster that lets this process in, got: {first} ({address}). "
            "Give its token in RAY_AUTH_TOKEN_PATH, install its versions of Ray and "
            "Python, and make this machine a node of it: ray start --address=HOST:PORT."
        ) from err


def _require_trust(ray: Any, address: str) -> None:  # noqa: ANN401
    # before any data leave. The workers of an open cluster could not even send their
    # results, since our process asks for a token: a task that only answers gets through
    asked = ray.remote(num_cpus=0)(passport).remote()
    try:
        theirs = ray.get(asked, timeout=TRUST_S)
    except ray.exceptions.RayError as error:
        raise ClusterError(
            f"Expected a worker that says what it has installed, got "
            f"{type(error).__name__} ({address}). Install the same closecast on every "
            "node and start it with RAY_AUTH_MODE=token."
        ) from error
    require_same(passport(), theirs, "the first that answered")


def require_token() -> None:
    """Find out whether this process knows a token, where Ray looks for it.

    Raises:
        ClusterError: It knows none.
    """
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    path = Path(named) if named else Path.home() / ".ray" / "auth_token"
    if not os.environ.get("RAY_AUTH_TOKEN") and not path.is_file():
        raise ClusterError(
            f"Expected the token of the cluster, got no file {path}. Copy it from the "
            "head, where ray get-auth-token --generate makes one."
        )


def require_answer(address: str) -> None:
    """Find out whether anybody answers at an address, sooner than Ray would.

    Args:
        address: ``HOST:PORT``, or "auto", which is not looked at.

    Raises:
        ClusterError: It is no address, or nobody answers.
    """
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        raise ClusterError(
            f"Expected HOST:PORT or auto as the address of a cluster, got {address}. "
            "Give what ray start --head printed."
        )
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER_S).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(
            f"Expected a cluster of Ray that answers, got {error} ({address}). Start "
            "it with ray start --head, or mend the address."
        ) from error


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _silence(ray: Any) -> Iterator[None]:  # noqa: ANN401
    # Ray prints the last words of a lost worker to stdout, where our JSON goes
    driver = ray._private.worker
    driver._worker_logs_enabled = False
    try:
        yield
    finally:
        driver._worker_logs_enabled = True


@contextmanager
def _private_folder() -> Iterator[str]:
    # Sockets and logs of our own session, gone with it. Ray opens its folder to all
    # users, so it gets one inside ours; the name of a socket has 107 bytes at most.
    folder = tempfile.mkdtemp(prefix="closecast-ray-", dir=SHORT)
    try:
        yield str(Path(folder) / "ray")
    finally:
        gone_by = time.monotonic() + ANSWER_S
        while Path(folder).exists() and time.monotonic() < gone_by:
            shutil.rmtree(folder, ignore_errors=True)  # a dying process may yet write
            time.sleep(0.05)
