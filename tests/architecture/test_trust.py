"""The scripts behind docs/trust.md find nothing here, and would find it if it were."""

import importlib.util
import json
import random
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch):
    """Load a script of the benchmarks as a module."""

    def load(name: str, folder: str = "benchmarks") -> ModuleType:
        path = ROOT / folder / f"{name}.py"
        monkeypatch.syspath_prepend(str(path.parent))
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    return load


def test_damaged_and_forged_models_are_refused(script, tmp_path: Path):
    """Sixty folders: none crashes, and none says something else in silence."""
    found = script("mutated_models").run(40, 5, tmp_path)

    assert found["crash"] == found["silent"] == 0
    assert found["refused"] > 10


def test_a_loader_that_believes_would_be_seen(script, tmp_path: Path, monkeypatch):
    """Without hashes a flipped bit is another forecast."""
    module = script("mutated_models")
    from closecast.training import checkpoint

    monkeypatch.setattr(
        checkpoint, "_read_checked", lambda path, _: checkpoint._read(path)
    )
    found = module.run(90, 7, tmp_path)

    assert found["silent"] > 0


def test_flipped_bits_are_found(script, tmp_path: Path):
    """A training under way, a shelf: each flip is refused."""
    module = script("bit_flips")
    dice = random.Random(3)  # noqa: S311  no secret
    for name in ("training under way", "shelf"):
        artefact = module.ARTEFACTS[name](tmp_path / name / "artefact")
        found = module.flip_all(replace(artefact, few=12), 12, dice)
        assert found["found"] == found["flips"] > 0, found


def test_hostile_requests_find_no_fault(script, tmp_path: Path):
    """A hundred and fifty: no fault, no key in the log, the honest answer as before."""
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        found = script("hostile_requests").attack(150, 5, tmp_path)

    wrong = ("fault", "raised", "traceback", "no problem document", "changed")
    assert [found[name] for name in wrong] == [0] * len(wrong)
    assert found["log_lines_with_the_key"] == 0
    assert found["answered"] > 3


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("gcc") is None or sys.platform != "linux",
    reason="needs gcc, and a loader that takes LD_PRELOAD",
)
def test_each_failing_call_of_a_key_is_told():
    """Every write, flush, rename and making of a file, failing in four ways."""
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "faults.py", "--only", "key added"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["deeds"]["key added"]
    assert found["told"] + found["acknowledged"] == found["faults"] > 8
    assert found["told"] > found["acknowledged"]


@pytest.mark.parametrize(
    ("licence", "verdict"),
    [
        ("MIT License", "accepted"),
        ("Apache-2.0 OR BSD-3-Clause", "accepted"),
        ("GPL-3.0-only OR MIT", "accepted"),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", "accepted"),
        ("GNU Lesser General Public License v3 (LGPLv3)", "accepted"),
        ("LGPL-2.1-or-later", "accepted"),
        ("GNU General Public License v3 (GPLv3)", "refused"),
        ("AGPL-3.0-only", "refused"),
        ("GNU Affero General Public License v3", "refused"),
        ("Apache 2.0 with Commons Clause", "refused"),
        ("Other/Proprietary License", "refused"),
        ("", "unknown"),
        ("Some words", "unknown"),
    ],
)
def test_a_licence_is_judged(script, licence: str, verdict: str):
    """Strong copyleft is refused, and what nobody can tell is not waved through."""
    assert script("audit", "scripts").verdict_on(licence) == verdict


def test_what_is_run_and_not_shipped_may_be_closed_but_not_copyleft(script):
    """A driver's library of a peer in a benchmark is named; GPL is refused anywhere."""
    refused = {
        "a": "LicenseRef-Proprietary",
        "b": "GPL-3.0-only",
        "c": "Proprietary with Commons Clause",
        "shipped": "Other/Proprietary License",
    }

    assert script("audit", "scripts").closed_tools(refused, {"shipped"}) == ["a"]


def test_an_audit_is_never_green_by_silence(script):
    """What the index does not answer for was not audited."""
    audit = script("audit", "scripts")
    sound = {"refused": {}, "unknown": {}, "not_installed_here": []}
    answers = {
        "": (2, 3),
        '{"dependencies": []}': (2, 3),
        '{"dependencies": [{"name": "a", "skip_reason": "not on PyPI"}]}': (2, 3),
        json.dumps({"dependencies": [{"name": n, "version": "1", "vulns": []}
                                     for n in "abc"]}): (0, 0),
        json.dumps({"dependencies": [{"name": n, "version": "1", "vulns": []}
                                     for n in "ab"]
                   + [{"name": "c", "version": "1", "vulns": [{"id": "X"}]}]}): (1, 0),
    }  # fmt: skip

    for answer, (code, not_audited) in answers.items():
        asked = audit.judged_holes(3, answer, "no route to host")
        assert asked["not_audited"] == not_audited
        assert audit.exit_code({"licences": sound, "holes": asked}) == code


def test_the_page_is_what_was_measured(script):
    """docs/trust.md is written by scripts/write_trust.py, never by hand."""
    writer = script("write_trust", "scripts")

    assert writer.PAGE.read_text(encoding="utf-8") == writer.page(), (
        "Run: .venv/bin/python scripts/write_trust.py"
    )


def test_every_mutant_that_survived_is_argued():
    """docs/mutants.md names its line, and after the bar what was changed in it."""
    result = ROOT / "benchmarks" / "results" / "mutants.json"
    page = (ROOT / "docs" / "mutants.md").read_text(encoding="utf-8").splitlines()
    told = {
        (line, change)
        for line, bar, changes in (one.rpartition(" | ") for one in page)
        for change in changes.split("; ")
        if bar
    }
    for survivor in json.loads(result.read_text(encoding="utf-8"))["survivors"]:
        where, change, line = survivor.split(": ", 2)
        assert (f"{where.rpartition(':')[0]}: {line}", change) in told, survivor


def test_what_was_not_measured_says_so(script, tmp_path: Path, monkeypatch):
    """Without a result there is no figure."""
    writer = script("write_trust", "scripts")
    monkeypatch.setattr(writer, "RESULTS", tmp_path)

    page = writer.page()

    assert page.count("Not run.") == len(writer.TRIALS) > 10
    assert not any(line.startswith("2") for line in page.splitlines())


def test_every_trial_can_be_run(script):
    """Each command names a script that is there, or a target of make."""
    makefile = (ROOT / "Makefile").read_text()

    for trial in script("write_trust", "scripts").TRIALS:
        program, name, *_ = trial.command.split()
        if program == "make":
            assert f"\n{name}:" in makefile
        else:
            assert (ROOT / name).is_file(), trial.command
