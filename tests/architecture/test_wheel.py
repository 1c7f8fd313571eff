"""What is installed is whole: data, templates and the mark of a typed package."""

import tomllib
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


def test_what_a_user_downloads_stays_small(wheel: zipfile.ZipFile):
    """The pure wheel: front end, lessons, a font and real prices within three MB."""
    names = wheel.namelist()
    kb = sum(one.compress_size for one in wheel.infolist()) // 1000

    for part in ("serving/web/index.html", "serving/web/main.js", "lab/data/",
                 "market/data/us_stocks.parquet"):  # fmt: skip
        assert any(name.startswith(f"closecast/{part}") for name in names), part
    assert kb < 3_000


def test_the_libraries_that_everybody_needs_stay_few():
    """A new one of them is a decision: each costs every user its download."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert len(project["dependencies"]) <= 21


def test_a_published_wheel_has_its_kernels():
    """Where no compiler is a wheel is pure, but never one that is built for release."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    (pure,) = tools["scikit-build"]["overrides"]

    assert pure["if"] == {"failed": True, "env": {"CIBUILDWHEEL": False}}
    assert {"linux", "macos", "windows"} <= set(tools["cibuildwheel"])


def test_the_wheel_holds_the_licence_and_nothing_else(wheel: zipfile.ZipFile):
    """Beside the package the wheel has its metadata alone."""
    names = wheel.namelist()

    assert {name.split("/")[0].split("-")[0] for name in names} == {"closecast"}
    assert any(name.endswith("licenses/LICENSE") for name in names)
