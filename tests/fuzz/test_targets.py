"""What is fuzzed answers sound files, refuses odd ones, and lets every find out."""

import importlib.util
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from closecast.errors import BarsError


def load_targets():
    """Load the targets as scripts/fuzz.py does."""
    path = Path(__file__).parent / "targets.py"
    spec = importlib.util.spec_from_file_location("fuzz_targets", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz_targets"] = module
    spec.loader.exec_module(module)
    return module


targets = load_targets()


@pytest.mark.parametrize("name", targets.TARGETS)
def test_seeds_are_read(name: str):
    """What a fuzzer begins with is a sound file, so that it reaches what lies deep."""
    target = targets.TARGETS[name]

    for seed in target.seeds()[:5]:
        target.feed(seed)


@pytest.mark.parametrize("name", targets.TARGETS)
def test_what_a_grammar_writes_is_read_or_refused(name: str):
    """A few of the files that scripts/fuzz.py writes for hours."""
    target = targets.TARGETS[name]

    @settings(max_examples=12, deadline=None, database=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(target.written)
    def feed(content: bytes) -> None:
        target.try_out(content)

    feed()


def raising(error: Exception):
    """A target whose reader raises."""

    def feed(_: bytes) -> None:
        raise error

    return targets.Target(feed=feed, seeds=list, written=st.binary())


def test_a_find_is_let_out():
    """Anything but an error of ours, and one of ours that is no sentence."""
    raising(BarsError("Expected bars, got none. Give some.")).try_out(b"")

    with pytest.raises(ZeroDivisionError, match="by zero"):
        raising(ZeroDivisionError("by zero")).try_out(b"")
    with pytest.raises(AssertionError, match="oops"):
        raising(BarsError("oops")).try_out(b"")
