"""Ray in a network of its own: it would otherwise talk over the machine's address."""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ALONE = (["unshare", "--net"], ["unshare", "--map-root-user", "--net"])
"""Ways to get a network of its own: as root, and as anybody else."""

LOOPBACK_UP = 'ip link set lo up && exec "$@"'

PATIENT = {"RAY_raylet_start_wait_time_s": "200", "RAY_worker_niceness": "0"}
"""A machine that runs other tests beside starts nodes slowly, and starves the nice."""


@pytest.fixture(scope="session")
def network():
    """Give the words before a command that give it a network of its own."""
    if find_spec("ray") is None:
        pytest.skip("Ray is not installed")
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("unshare and ip are not installed")
    for words in ALONE:
        command = [*words, "sh", "-c", LOOPBACK_UP, "sh"]
        if _works([*command, "true"]):
            return command
    pytest.skip("this system gives no process a network of its own")


def _works(command):
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.fixture(scope="session")
def tell(network):
    """Run a scene of scenes.py and give what it tells."""

    def run(scene, home, **environment):
        script = Path(__file__).with_name("scenes.py")
        done = subprocess.run(
            [*network, sys.executable, str(script), scene, str(home)],
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
            env=clean_environment() | PATIENT | environment,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(Path(home, f"{scene}.json").read_text())

    return run


def clean_environment():
    """Give the environment without what the tests' own runner has set."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "OMP_"))}
