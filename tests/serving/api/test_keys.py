"""Keys: shown once, kept as hashes, refused when they are old."""

import stat
from pathlib import Path

import pytest

from closecast.errors import SettingError
from closecast.serving.api.keys import Clock, KeyRing
from closecast.serving.api.sessions import Sessions


def test_the_file_holds_no_key(tmp_path: Path):
    """Who reads the file cannot come in with it, and few can read it."""
    ring = KeyRing(tmp_path / "keys")

    token, key = ring.add("laptop")

    assert token not in ring.path.read_text()
    assert key.sha256 in ring.path.read_text()
    assert stat.S_IMODE(ring.path.stat().st_mode) == 0o600


def test_another_process_finds_the_key(tmp_path: Path):
    """What one ring added another one reads from the file."""
    token, _ = KeyRing(tmp_path / "keys").add("laptop")

    found = KeyRing(tmp_path / "keys").find(token)

    assert found.name == "laptop"


def test_no_two_keys_are_alike(tmp_path: Path):
    """Each key is drawn anew, from 256 bits."""
    ring = KeyRing(tmp_path / "keys")

    tokens = {ring.add(f"key{number}")[0] for number in range(5)}

    assert len(tokens) == 5
    assert min(map(len, tokens)) >= 43


@pytest.mark.parametrize("name", ["", "../keys", "a b", "x" * 65, "<script>", "é"])
def test_a_name_is_letters_and_digits(tmp_path: Path, name: str):
    """A name that could be a path or markup is refused."""
    with pytest.raises(SettingError, match="Expected a name of letters"):
        KeyRing(tmp_path / "keys").add(name)


def test_a_name_has_one_key(tmp_path: Path):
    """To say whom a key belongs to, a name is given once."""
    ring = KeyRing(tmp_path / "keys")
    ring.add("laptop")

    with pytest.raises(SettingError, match="Expected a new name, got 'laptop'"):
        ring.add("laptop")


@pytest.mark.parametrize("days", [0, -1, 4000, float("nan")])
def test_a_key_lives_some_days(tmp_path: Path, days: float):
    """No key is born dead, and none lives for ever."""
    with pytest.raises(SettingError, match="Expected days above 0"):
        KeyRing(tmp_path / "keys").add("laptop", days)


def test_only_a_key_that_is_there_is_revoked(tmp_path: Path):
    """A wrong name is told beside the names that there are."""
    ring = KeyRing(tmp_path / "keys")
    ring.add("laptop")

    with pytest.raises(SettingError, match=r"name of a key \(laptop\), got 'phone'"):
        ring.revoke("phone")


def test_a_damaged_file_is_told(tmp_path: Path):
    """A file that is no file of keys lets nobody in and says so."""
    (tmp_path / "keys").write_text("{")

    with pytest.raises(SettingError, match="one that cannot be read"):
        KeyRing(tmp_path / "keys").find("cc_x")


def test_a_ring_learns_the_time_from_its_keys(tmp_path: Path):
    """A server started with its clock set back knows that newer keys were made."""
    token, old = KeyRing(tmp_path / "keys", Clock(lambda: 1e9)).add("old", days=1)
    KeyRing(tmp_path / "keys", Clock(lambda: 1e9 + 10 * 86_400)).add("new")

    ring = KeyRing(tmp_path / "keys", Clock(lambda: 1e9))

    assert ring.expired(ring.find(token))
    assert old.name == "old"


def test_a_link_lies_ten_minutes_and_a_session_twelve_hours():
    """Both end by a clock that nobody sets back."""
    now = [0.0]
    sessions = Sessions(lambda: now[0])
    early, late = sessions.ticket("me"), sessions.ticket("me")
    cookie = sessions.redeem(early)

    now[0] = 601.0
    assert sessions.redeem(late) is None
    assert sessions.owner_of(cookie) == "me"
    now[0] = 12 * 3600.0
    assert sessions.owner_of(cookie) is None


def test_sessions_do_not_pile_up():
    """The oldest goes when there are too many."""
    sessions = Sessions()
    first = sessions.open("me")

    for _ in range(1000):
        newest = sessions.open("me")

    assert sessions.owner_of(first) is None
    assert sessions.owner_of(newest) == "me"
