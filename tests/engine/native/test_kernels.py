"""Which kernels run is chosen once, by the processor or by name."""

from types import SimpleNamespace

import pytest

from closecast.engine.fleet import PRECISIONS
from closecast.engine.native import NativeEngine, is_built, kernels, supported
from closecast.errors import MissingExtraError, SettingError


def test_the_baseline_always_runs():
    """Whatever the processor, some kernels run on it."""
    assert is_built()
    assert supported()[-1] == "baseline"
    assert set(supported()) <= set(kernels.INSTRUCTION_SETS)


def test_the_best_is_the_default(monkeypatch):
    """Without a word the fastest kernels are taken."""
    monkeypatch.delenv(kernels.OVERRIDE, raising=False)

    assert NativeEngine(1).instruction_set == supported()[0]


def test_the_environment_names_another(monkeypatch):
    """The variable overrides the default, an argument overrides both."""
    monkeypatch.setenv(kernels.OVERRIDE, "baseline")

    assert NativeEngine(1).instruction_set == "baseline"
    assert NativeEngine(1, supported()[0]).instruction_set == supported()[0]


def test_an_unknown_instruction_set_is_refused(monkeypatch):
    """The message says what runs here."""
    monkeypatch.setenv(kernels.OVERRIDE, "sse9")

    with pytest.raises(SettingError, match=r"one of .*baseline, got 'sse9'"):
        NativeEngine(1)


def test_without_compiled_kernels_the_engine_says_so(monkeypatch):
    """The pure installation names what to do."""
    monkeypatch.setattr(kernels, "is_built", lambda: False)

    assert supported() == ()
    with pytest.raises(MissingExtraError, match=r"compiled kernels.*torch engine"):
        NativeEngine(1)


def test_weights_of_another_network_are_refused(case, instruction_set):
    """The kernels count what they are given."""
    network, _ = case().native(instruction_set)

    with pytest.raises(ValueError, match=r"Expected \d+ weights, got 1"):
        network.load(network.save()[:1])


def test_what_the_processor_has_decides_what_runs(monkeypatch):
    """The names are those of compilers; without kernels nothing is asked."""
    assert ("avx2" in kernels.cpu_features()) == ("avx2" in supported())

    monkeypatch.setattr(kernels, "is_built", lambda: False)

    assert kernels.cpu_features() == ()


@pytest.mark.parametrize("has", [True, False])
def test_bfloat16_is_trained_where_kernels_have_it(monkeypatch, has):
    """The kernels say so themselves."""
    module = SimpleNamespace(HAS_BFLOAT16=has)
    monkeypatch.setattr(kernels, "_module", lambda _: module)

    assert kernels.precisions("any") == (PRECISIONS if has else PRECISIONS[:1])
