"""The page of the doctor names whatever the doctor finds."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KIND = re.compile(r'kind="([a-z_]+)"(?: if \w+ else "(\w+)")?|return "([a-z]+)", ')


def kinds():
    """Every kind that the code of the market gives to a finding."""
    found = set()
    for path in (ROOT / "src" / "closecast" / "market").glob("**/*.py"):
        if path.parent.name in {"market", "readers"}:
            text = path.read_text(encoding="utf-8")
            found |= {name for match in KIND.findall(text) for name in match if name}
    return found - {"stable"}  # how numpy sorts


@pytest.mark.parametrize("page", ["data-check.md", "data-check.ko.md"])
def test_every_kind_has_a_line(page):
    """A finding that the page does not explain leaves its reader alone."""
    text = (ROOT / "docs" / "how-to" / page).read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `(\w+)`", text, re.MULTILINE))

    assert kinds() >= {"split", "unit", "jump", "conflict", "copy"}
    assert kinds() <= listed
