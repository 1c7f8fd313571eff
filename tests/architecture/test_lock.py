"""ci.lock pins and hashes what pyproject.toml asks for."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKED = ("torch", "test", "docs")
BUILDS = ("torch", "nvidia-", "cuda-")
"""Come in the build that the machine has: an index has one for CUDA or one for CPUs."""

LINUX = {"sys_platform": "linux", "python_version": "3.11"}


def pins(text: str) -> dict[str, tuple[str, int]]:
    """Give the version and the number of hashes of each package of a lock."""
    found = {}
    for one in re.split(r"\n(?=[a-z0-9])", text):
        match = re.match(r"([a-z0-9._-]+)==(\S+)", one)
        if match is not None:
            found[match[1]] = (
                match[2],
                len(re.findall(r"--hash=sha256:[0-9a-f]{64}", one)),
            )
    return found


def asked() -> list[Requirement]:
    """Give what is installed for the tests, as pyproject.toml states it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    texts = [*project["dependencies"], *(t for name in LOCKED for t in extras[name])]
    every = map(Requirement, texts)
    return [
        one
        for one in every
        if (one.marker is None or one.marker.evaluate(LINUX)) and one.name != "torch"
    ]


def test_the_lock_has_all_that_is_asked_for():
    """A dependency that was added or moved asks for: make lock."""
    locked = pins((ROOT / "ci.lock").read_text())
    wrong = [
        str(one)
        for one in asked()
        if not one.specifier.contains(
            locked.get(canonicalize_name(one.name), ("0", 0))[0], prereleases=True
        )
        or canonicalize_name(one.name) not in locked
    ]

    assert len(asked()) > 50
    assert wrong == [], "Run: make lock"


def test_every_pin_is_hashed():
    """Nothing is installed that is not the file that was locked."""
    text = (ROOT / "ci.lock").read_text()
    locked = pins(text)

    assert len(locked) > 150
    assert [name for name, (_, hashes) in locked.items() if not hashes] == []
    assert not re.search(r"^-|://", text, flags=re.MULTILINE)


def test_no_build_of_pytorch_is_locked():
    """A CPU's would be refused where the index has CUDA's, and the other way round."""
    locked = pins((ROOT / "ci.lock").read_text())

    assert [name for name in locked if name.startswith(BUILDS)] == []


def test_ci_installs_by_hash():
    """A lock that nobody installs from locks nothing."""
    assert "\n  make locked\n" in (ROOT / ".ci" / "run").read_text()


def test_a_planted_gap_is_seen():
    """A pin without a hash, and one with two."""
    text = "a==1 \\\n    --hash=sha256:" + "0" * 64 + "\nb==2\n"

    assert pins(text) == {"a": ("1", 1), "b": ("2", 0)}
