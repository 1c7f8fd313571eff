"""The engine is the one that was asked for."""

import sys
import warnings

import pytest

from closecast.engine import choice, choose_engine
from closecast.engine.choice import decide
from closecast.engine.native import is_built
from closecast.errors import ClosecastWarning, MissingExtraError, SettingError


@pytest.fixture(autouse=True)
def _no_override(monkeypatch):
    monkeypatch.delenv(choice.OVERRIDE, raising=False)


@pytest.mark.skipif(not is_built(), reason="the kernels were not built")
def test_auto_is_the_native_engine_on_a_cpu():
    """What is fastest serves, and the reference where it cannot."""
    assert choose_engine("auto").name == "native"
    assert decide("auto", "cuda").name == "torch"


@pytest.mark.skipif(not is_built(), reason="the kernels were not built")
def test_the_native_engine_is_taken_by_name():
    """Asked for, it serves."""
    assert choose_engine("native").name == "native"


def test_the_native_engine_refuses_another_device():
    """The kernels run on a CPU."""
    with pytest.raises(SettingError, match="device cpu with the native engine"):
        choose_engine("native", "cuda")


def test_the_environment_says_what_auto_means(monkeypatch):
    """The variable decides for auto; a name asked for decides for itself."""
    monkeypatch.setenv(choice.OVERRIDE, "native")
    monkeypatch.setattr(choice, "_built", lambda: True)

    assert decide().name == "native"
    assert decide().why == "CLOSECAST_ENGINE names it"
    assert decide("torch").name == "torch"
    with pytest.raises(SettingError, match=r"got 'cuda' \(CLOSECAST_ENGINE names it"):
        decide("auto", "cuda")


def test_an_unknown_name_in_the_environment_is_refused(monkeypatch):
    """The message names the variable."""
    monkeypatch.setenv(choice.OVERRIDE, "abacus")

    with pytest.raises(SettingError, match="CLOSECAST_ENGINE to be one of auto"):
        decide()


@pytest.mark.parametrize("wanted", ["auto", "native"])
def test_without_kernels_the_torch_engine_serves_and_says_so_once(monkeypatch, wanted):
    """A machine without a compiler trains too."""
    monkeypatch.setenv(choice.OVERRIDE, wanted)
    monkeypatch.setattr(choice, "_built", lambda: False)
    choice._say_once.cache_clear()

    with pytest.warns(ClosecastWarning, match="not built here: the torch engine"):
        first = decide()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = decide()

    assert first == again
    assert first.name == "torch"


@pytest.mark.parametrize(
    ("missing", "told", "match"),
    [
        ("torch", MissingExtraError, r"Expected PyTorch for the engine.*closecast\[t"),
        ("sympy", ModuleNotFoundError, "sympy"),
    ],
)
def test_what_is_missing_is_called_by_its_name(monkeypatch, missing, told, match):
    """Only where PyTorch itself is not there its extra is the remedy."""

    class Without:
        def find_spec(self, name, *_):
            if name == "closecast.engine.torch":
                raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)

    monkeypatch.delitem(sys.modules, "closecast.engine.torch", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Without(), *sys.meta_path])

    with pytest.raises(told, match=match):
        choose_engine("torch")
