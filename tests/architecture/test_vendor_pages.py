"""Each vendor has pages in both languages, an extra, an environment for tests."""

import tomllib
from pathlib import Path

import pytest

from closecast.market.vendors.vendor import KINDS

ROOT = Path(__file__).parents[2]
PAGES = {"README.md": "{}.md", "README.ko.md": "{}.ko.md"}


@pytest.mark.parametrize("readme", PAGES)
@pytest.mark.parametrize("vendor", KINDS)
def test_each_vendor_has_a_page(vendor: str, readme: str):
    """What a vendor's numbers mean is said where the README points."""
    page = "docs/how-to/vendors/" + PAGES[readme].format(vendor)
    text = (ROOT / page).read_text(encoding="utf-8")

    assert f"]({page})" in (ROOT / readme).read_text(encoding="utf-8")
    assert f"pip install 'closecast[{vendor}]'" in text
    assert f"--vendor {vendor}" in text


@pytest.mark.parametrize("vendor", KINDS)
def test_the_tests_install_what_an_extra_asks_for(vendor: str):
    """A library's lowest version is the same in pyproject.toml and in the Makefile."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (library,) = tomllib.loads(text)["project"]["optional-dependencies"][vendor]

    assert library.startswith(KINDS[vendor].library)
    assert f"'{library}'" in (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.mark.parametrize("readme", PAGES)
def test_each_variable_is_named(readme: str):
    """Whoever needs another Python for a vendor finds its variable."""
    text = (ROOT / readme).read_text(encoding="utf-8")

    assert [
        kind.module
        for kind in KINDS.values()
        if f"CLOSECAST_{kind.module.upper()}_PYTHON" not in text
    ] == []
