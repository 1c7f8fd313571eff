"""``closecast doctor`` says what is here, or what is wrong with a file."""

import json
import sys
from importlib import metadata

import pytest

from closecast.cli import machine, main
from closecast.engine.choice import OVERRIDE

ROW = "2024-01-02,10,12,9,11,100\n"


@pytest.fixture
def run(capsys, monkeypatch):
    """Run the command as it is typed; give its exit code and what it printed."""

    def typed(*arguments):
        monkeypatch.setattr(sys, "argv", ["closecast", "doctor", *map(str, arguments)])
        with pytest.raises(SystemExit) as done:
            main()
        return done.value.code, capsys.readouterr()

    return typed


def test_it_names_versions_engine_extras_and_places(run, monkeypatch, tmp_path):
    """A person who asks for help pastes one page."""
    monkeypatch.delenv(OVERRIDE, raising=False)
    monkeypatch.setenv("CLOSECAST_STORE", str(tmp_path / "own"))

    code, said = run()

    assert code == 0
    assert f"closecast {metadata.version('closecast')}, " in said.out
    assert f"numpy {metadata.version('numpy')}" in said.out
    assert "Engine: " in said.out
    assert "Extra torch: torch " in said.out
    assert f"Store: {tmp_path / 'own'} (nothing there yet).\n" in said.out
    assert f"Environment: CLOSECAST_STORE={tmp_path / 'own'}.\n" in said.out
    assert "closecast-hangul.ttf" in said.out
    assert "Extra test" not in said.out


def test_json_holds_the_same_facts(run):
    """Other programs read what a person reads."""
    _, said = run("--json")
    facts = json.loads(said.out)

    assert facts["closecast"] == metadata.version("closecast")
    assert facts["python"]["path"] == sys.executable
    assert facts["engine"]["engine"] in {"native", "torch"}
    assert set(facts["places"]) == {"store", "index", "shelf", "keys"}
    assert set(facts["extras"]) == {
        "yahoo", "naver", "krx", "ccxt", "torch", "polars", "lightgbm", "onnx",
        "search", "ledger", "serve", "ray", "track", "lab",
    }  # fmt: skip


def test_a_missing_extra_says_how_to_install_it(run, monkeypatch):
    """Nobody has to know which library an extra stands for."""
    there = machine._version
    monkeypatch.setattr(
        machine, "_version", lambda name: None if name == "onnx" else there(name)
    )

    code, said = run()

    assert code == 0
    assert 'Extra onnx: without onnx; pip install "closecast[onnx]".' in said.out


def test_what_is_wrong_is_told_with_exit_code_1(run, monkeypatch):
    """An engine that no variable can name, a library that was removed."""
    there = machine._version
    monkeypatch.setenv(OVERRIDE, "natvie")
    monkeypatch.setattr(
        machine, "_version", lambda name: None if name == "scipy" else there(name)
    )

    code, said = run()

    assert code == 1
    assert "Engine: none. Expected CLOSECAST_ENGINE" in said.out
    assert "scipy MISSING" in said.out


def test_no_secret_is_printed(run, monkeypatch):
    """A password in the environment is told as set, and no other variable at all."""
    monkeypatch.setenv("KRX_PW", "planted-secret")
    monkeypatch.setenv("CLOSECAST_MAIL_PASSWORD", "planted-secret")
    monkeypatch.setenv("SMTP_PASSWORD", "planted-secret")

    for arguments in ((), ("--json",)):
        _, said = run(*arguments)
        assert "KRX_PW" in said.out
        assert "planted-secret" not in said.out + said.err


def test_files_are_checked_as_by_data_check(run, tmp_path):
    """With a file it is the doctor of prices, with the same exit codes."""
    (tmp_path / "good.csv").write_text("date,open,high,low,close,volume\n" + ROW)
    (tmp_path / "bad.csv").write_text("date,open,high,low,close,volume\n" + 2 * ROW)

    assert run(tmp_path / "good.csv")[0] == 0
    code, said = run(tmp_path / "good.csv", tmp_path / "bad.csv", "--json")

    assert code == 1
    assert json.loads(said.out)["checked"] == 2


@pytest.mark.parametrize(
    ("words", "offered"),
    [("closecast d", "data"), ("closecast doctor --js", "--json"),
     ("closecast shelf pro", "promote")],
)  # fmt: skip
def test_a_shell_is_told_what_can_follow(words, offered, capsys, monkeypatch):
    """What `closecast --install-completion` installs asks this and gets commands."""
    monkeypatch.setenv("_CLOSECAST_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
    monkeypatch.setattr(sys, "argv", ["closecast"])

    with pytest.raises(SystemExit) as done:
        main()

    assert done.value.code == 0
    assert offered in capsys.readouterr().out.split()
