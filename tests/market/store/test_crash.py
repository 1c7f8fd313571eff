"""A writer that is killed at any moment loses nothing that it acknowledged."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "store_crash.py"
WRONG = ("unreadable", "lost", "torn", "changed", "damaged")


@pytest.fixture
def script(monkeypatch):
    """The benchmark, as a module."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    spec = importlib.util.spec_from_file_location("store_crash", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "store_crash", module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_ten_kills(tmp_path):
    """Ten of ten stores open whole, with every acknowledged batch."""
    command = [sys.executable, SCRIPT, "--kills", "10", "--seed", "7"]
    done = subprocess.run(
        [*command, "--folder", tmp_path], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["reopened"] == 10
    assert found["acknowledged"] > 0
    assert {name: found[name] for name in WRONG} == dict.fromkeys(WRONG, 0)


def test_a_lost_batch_would_be_seen(script, tmp_path):
    """The check finds what is missing, and what is of half a batch."""
    store = script.Store(tmp_path)
    store.append(script.block(0, 0, 20), source="test")
    ack = {"number": 0, "sessions": 20, "splits": 0}
    assert script.check(tmp_path, [ack]) == []

    assert "lost" in script.check(tmp_path, [{**ack, "sessions": 40}])[0]
    assert "lost" in script.check(tmp_path, [{**ack, "splits": 1}])[0]
    more = script.block(0, 20, 1)
    store.append(more.select(more.symbol_ids < 3), source="torn")
    assert "torn" in script.check(tmp_path, [ack])[0]
