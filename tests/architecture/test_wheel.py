"""What is installed is whole: data, templates and the mark of a typed package."""

import zipfile
from pathlib import Path

import pytest
from scikit_build_core.build import build_wheel

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "closecast"
MADE_HERE = {".pyc", ".so"}  # by this machine's interpreter and compiler
COMPILED = {".cpp", ".hpp"}  # what they are made from stays in the source archive


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> zipfile.ZipFile:
    """Build the pure wheel, as where no compiler is."""
    monkeypatch.chdir(ROOT)
    name = build_wheel(str(tmp_path), {"wheel.cmake": "false"})
    return zipfile.ZipFile(tmp_path / name)


def test_the_wheel_holds_every_file_of_the_package(wheel: zipfile.ZipFile):
    """No file beside the modules is left behind: prices, templates, py.typed."""
    packed = {n for n in wheel.namelist() if n.startswith("closecast/")}

    expected = {
        f"closecast/{path.relative_to(SOURCE).as_posix()}"
        for path in SOURCE.rglob("*")
        if path.is_file() and path.suffix not in MADE_HERE | COMPILED
    }
    assert packed == expected
    assert "closecast/py.typed" in packed
    assert any(name.startswith("closecast/market/data/") for name in packed)
    assert any(name.endswith((".html", ".j2", ".jinja")) for name in packed)


def test_the_wheel_holds_the_licence_and_nothing_else(wheel: zipfile.ZipFile):
    """Beside the package the wheel has its metadata alone."""
    names = wheel.namelist()

    assert {name.split("/")[0].split("-")[0] for name in names} == {"closecast"}
    assert any(name.endswith("licenses/LICENSE") for name in names)
