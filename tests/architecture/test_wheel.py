"""What is installed is whole: data, templates and the mark of a typed package."""

import zipfile
from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "closecast"
MADE_HERE = {".pyc", ".so"}  # by this machine's interpreter and compiler


def test_the_wheel_holds_every_file_of_the_package(tmp_path: Path):
    """No file beside the modules is left behind: prices, templates, py.typed."""
    wheel = next(WheelBuilder(str(ROOT)).build(directory=str(tmp_path)))

    packed = {
        n for n in zipfile.ZipFile(wheel).namelist() if n.startswith("closecast/")
    }

    expected = {
        f"closecast/{path.relative_to(SOURCE).as_posix()}"
        for path in SOURCE.rglob("*")
        if path.is_file() and path.suffix not in MADE_HERE
    }
    assert packed == expected
    assert "closecast/py.typed" in packed
    assert any(name.startswith("closecast/market/data/") for name in packed)
    assert any(name.endswith((".html", ".j2", ".jinja")) for name in packed)


def test_the_wheel_holds_the_licence_and_nothing_else(tmp_path: Path):
    """Beside the package the wheel has its metadata alone."""
    wheel = next(WheelBuilder(str(ROOT)).build(directory=str(tmp_path)))

    names = zipfile.ZipFile(wheel).namelist()

    assert {name.split("/")[0].split("-")[0] for name in names} == {"closecast"}
    assert any(name.endswith("licenses/LICENSE") for name in names)
