"""``closecast engine`` says what runs here, in words and as JSON."""

import json
import sys

import pytest

from closecast.cli import main
from closecast.engine.choice import OVERRIDE
from closecast.engine.native import kernels, supported


@pytest.fixture(autouse=True)
def _no_override(monkeypatch):
    monkeypatch.delenv(OVERRIDE, raising=False)
    monkeypatch.delenv(kernels.OVERRIDE, raising=False)


@pytest.fixture
def run(capsys, monkeypatch):
    """Run the command as it is typed; give its exit code and what it printed."""

    def typed(*arguments):
        monkeypatch.setattr(sys, "argv", ["closecast", "engine", *arguments])
        with pytest.raises(SystemExit) as done:
            main()
        return done.value.code, capsys.readouterr()

    return typed


def test_it_says_the_engine_and_why(run):
    """A name that was asked for is its own reason."""
    code, said = run("--engine", "torch")

    assert code == 0
    assert "Engine: torch (asked for by name), device cpu." in said.out
    assert "PyTorch:" in said.out


def test_json_holds_the_same_facts(run):
    """Other programs read what a person reads."""
    _, said = run("--json")
    facts = json.loads(said.out)

    assert facts["kernels"] == list(supported())
    assert facts["instruction_set"] == next(iter(supported()), None)
    assert ("bfloat16" in facts["precisions"]) == (
        facts["instruction_set"] == "avx512bf16"
    )
    assert 1 <= facts["threads"] <= facts["cores"]
    if "avx512" in facts["kernels"]:
        assert "avx512f" in facts["cpu_features"]


def test_kernels_without_bfloat16_say_so(run, monkeypatch):
    """Where drafts are no faster, only float32 is named."""
    if not supported():
        pytest.skip("the compiled kernels are not built")
    monkeypatch.setenv(kernels.OVERRIDE, "baseline")

    _, said = run()

    assert "Precision of the native engine: float32.\n" in said.out


def test_the_environment_is_named_as_the_reason(run, monkeypatch):
    """Whoever set the variable finds it again."""
    monkeypatch.setenv(OVERRIDE, "torch")

    _, said = run()

    assert "Engine: torch (CLOSECAST_ENGINE names it)" in said.out


def test_without_kernels_it_says_what_to_do(run, monkeypatch):
    """A pure installation names the compiler."""
    monkeypatch.setattr(kernels, "is_built", lambda: False)

    _, said = run()

    assert "Native engine: not built; install closecast where a C++" in said.out


def test_a_device_of_another_engine_is_refused(run):
    """One sentence, exit code 1."""
    code, said = run("--engine", "native", "--device", "cuda")

    assert code == 1
    assert "Expected device cpu with the native engine" in said.err
