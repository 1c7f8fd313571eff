"""A training that would not fit is refused before it begins, where that is known."""

import math
import os

from closecast.engine import memory


def test_this_machine_has_memory():
    """In bytes."""
    assert 1e8 < memory._memory() < 1e15


def test_a_system_that_does_not_tell_refuses_nothing(monkeypatch):
    """Windows has no such question."""
    monkeypatch.setattr(os, "sysconf_names", {})

    assert memory._memory() == math.inf
