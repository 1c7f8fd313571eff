"""A session is this process's alone: loopback, a secret token, nothing left behind."""

import socket
import sys
from types import SimpleNamespace

import pytest

from closecast.cluster.session import (
    _start,
    require_answer,
    require_same,
    require_token,
)
from closecast.errors import ClusterError, MissingExtraError

OURS = {"python": "3.11.7", "closecast": "1.0", "RAY_AUTH_MODE": "token"}


@pytest.fixture(scope="module")
def told(tell, tmp_path_factory):
    """What happened in a session of its own."""
    home = tmp_path_factory.mktemp("own")
    return tell("own", home, HOME=str(home), CLOSECAST_INDEX=str(home / "i.sqlite"))


def test_our_own_session_listens_on_the_loopback_alone(told):
    """No port is open to another machine."""
    assert told["listening"]
    assert all("127.0.0.1" in end for end in told["listening"])


def test_our_own_sockets_are_ours(told):
    """The folder that holds them is closed to other users; no token is on the disk."""
    assert "0o700" in told["modes"]
    assert told["token on disk"] is False


def test_a_session_leaves_nothing_behind(told):
    """No process, no file, no token."""
    assert told["processes after"] == []
    assert told["folder after"] is False
    assert told["token in the environment"] is False


def test_one_session_may_follow_another(told):
    """The second has a token of its own, and works."""
    assert len(told["again"]) == 1


def test_a_second_session_is_refused(told):
    """A process is connected once at a time."""
    assert "Call ray.shutdown() first" in told["nested"]


def test_a_cluster_that_asks_for_no_token_is_refused(tell, tmp_path):
    """Anybody could read the data and run code there: nothing is computed."""
    told = tell(
        "open_door", tmp_path, RAY_AUTH_MODE="disabled", RAY_AUTH_TOKEN="test" * 8
    )

    assert "got RAY_AUTH_MODE disabled" in told["text"]


def test_the_same_passport_passes():
    """A node with more to say than is asked is welcome."""
    require_same(OURS, {**OURS, "node": "x"}, "n1")


@pytest.mark.parametrize("name", OURS)
def test_another_passport_is_refused(name):
    """Each entry counts, and the message names it with both values."""
    with pytest.raises(ClusterError, match=f"Expected {name} .*, got {name} other"):
        require_same(OURS, {**OURS, name: "other"}, "n1")


def test_a_node_that_says_nothing_is_refused():
    """What is missing is no match."""
    with pytest.raises(ClusterError, match="got closecast None"):
        require_same({"closecast": "1.0"}, {}, "n1")


def test_a_token_is_looked_for_where_ray_looks(monkeypatch, tmp_path):
    """In two variables and in one file of the user's; without any the file is named."""
    monkeypatch.setattr("pathlib.Path.home", lambda: tmp_path)
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    with pytest.raises(ClusterError, match=r"got no file .*auth_token"):
        require_token()
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    require_token()
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    with pytest.raises(ClusterError, match=r"got no file .*token"):
        require_token()
    (tmp_path / "token").write_text("secret")
    require_token()


@pytest.mark.parametrize("address", ["here", "ray://h:1", "h:p", ":6379", "h:"])
def test_what_is_no_address_is_refused(address):
    """A host and a port, or auto."""
    with pytest.raises(ClusterError, match="Expected HOST:PORT or auto"):
        require_answer(address)


def test_silence_at_an_address_is_told():
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        free = f"127.0.0.1:{one.getsockname()[1]}"
    with pytest.raises(ClusterError, match=r"Expected a cluster of Ray that answers"):
        require_answer(free)


def test_somebody_at_an_address_is_enough():
    """An open port passes; Ray says who it is."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        require_answer(f"127.0.0.1:{one.getsockname()[1]}")


def test_auto_is_left_to_ray():
    """Ray knows what was started here."""
    require_answer("auto")


def test_a_ray_that_does_not_start_is_told():
    """Its own words are the reason: a slow machine, a port, a folder."""

    def init(**_settings):
        raise Exception("The current node timed out.\nMore.")  # noqa: TRY002  as Ray does

    with pytest.raises(
        ClusterError, match=r"got: The current node timed out\. Give .* leave"
    ):
        _start(SimpleNamespace(init=init), "folder")


def test_without_ray_the_extra_is_named(monkeypatch):
    """The sentence says what to install."""

    from closecast.cluster.session import session

    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(MissingExtraError, match=r"Install closecast\[ray\]"),
        session(None),
    ):
        pass
