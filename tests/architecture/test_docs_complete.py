"""What a user can type is in the README: no command and no setting is a secret."""

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
import typer

from closecast import errors
from closecast.cli import app
from closecast.training.settings import Settings

ROOT = Path(__file__).parents[2]
READMES = ("README.md", "README.ko.md")


def commands(group: object, prefix: str) -> Iterator[str]:
    """Name every command under a group, as it is typed."""
    children = getattr(group, "commands", None)
    if children is None:
        yield prefix
        return
    for name, child in children.items():
        yield from commands(child, f"{prefix} {name}")


def documented_settings(readme: str) -> dict[str, str]:
    """Read the settings table: name to default, as printed."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    section = text.split("|---|---|---|\n")[1].split("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", section, flags=re.MULTILINE)
    return {name: default.strip("`") for name, default in rows}


@pytest.mark.parametrize("readme", READMES)
def test_every_command_is_named(readme: str):
    """A command that is not in the README does not exist for its readers."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    typed = list(commands(typer.main.get_command(app), "closecast"))

    missing = [command for command in typed if f"`{command}`" not in text]

    assert len(typed) > 1
    assert missing == []


def parameters(group: object, prefix: str) -> Iterator[tuple[str, str, str]]:
    """Name every option under a group, with what its help says."""
    for option in getattr(group, "params", ()):
        yield prefix, option.name, (getattr(option, "help", "") or "").strip()
    for name, child in (getattr(group, "commands", None) or {}).items():
        yield from parameters(child, f"{prefix} {name}")


def test_every_option_and_argument_says_what_it_is_for():
    """The reference of the command line is made of these words."""
    typed = list(parameters(typer.main.get_command(app), "closecast"))

    assert len(typed) > 100
    assert [(command, name) for command, name, told in typed if not told] == []


@pytest.mark.parametrize("page", ["errors.md", "errors.ko.md"])
def test_every_error_is_explained(page: str):
    """Whoever catches one finds what it means and which exit code it gives."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    raised = {
        name
        for name, one in vars(errors).items()
        if isinstance(one, type) and issubclass(one, Exception)
    }

    assert len(raised) > 10
    assert raised == set(re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE))


@pytest.mark.parametrize("readme", READMES)
def test_every_setting_is_named_with_its_default(readme: str):
    """The table of settings is the dataclass, no row more and none less."""
    expected = {
        field.name: "none" if field.default is None else str(field.default).lower()
        for field in fields(Settings)
    }

    assert documented_settings(readme) == expected
