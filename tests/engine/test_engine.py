"""An engine is chosen by name, and nothing heavy is loaded before."""

import subprocess
import sys

import pytest

from closecast.engine import choose_engine
from closecast.engine.choice import decide
from closecast.engine.fleet import Engine
from closecast.errors import MissingExtraError, SettingError


@pytest.mark.parametrize("name", ["auto", "torch"])
def test_an_engine_keeps_the_interface(name):
    """What is chosen is an engine with its name."""
    engine = choose_engine(name)

    assert isinstance(engine, Engine)
    assert engine.name == decide(name).name


def test_an_unknown_engine_is_refused():
    """The message lists the engines there are."""
    with pytest.raises(SettingError, match="one of auto, native, torch, got 'abacus'"):
        choose_engine("abacus")


@pytest.mark.parametrize("device", ["tpu", "cuda:99", "cuda:x", "cpu:1"])
def test_a_device_that_is_not_there_is_refused(device):
    """Only the CPU and CUDA devices that exist are taken."""
    with pytest.raises(SettingError, match=f"device .* got '{device}'"):
        choose_engine("torch", device)


def test_without_torch_the_error_names_the_extra(monkeypatch):
    """The user is told what to install."""
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if "closecast.engine.torch" in name]:
        monkeypatch.delitem(sys.modules, name)

    with pytest.raises(MissingExtraError, match=r'pip install "closecast\[torch\]"'):
        choose_engine("torch")


def test_the_interface_loads_no_torch():
    """Settings, interface and trained models are there without torch or scipy."""
    code = (
        "import sys, closecast.training.checkpoint, closecast.training.model; "
        "print([m for m in ('torch', 'scipy', 'pandas') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert found.stdout.strip() == "[]"
