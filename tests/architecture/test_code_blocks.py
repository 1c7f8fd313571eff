"""Every code block and every link of the READMEs and docs/ is sound."""

import ast
import configparser
import json
import re
import shlex
import shutil
import subprocess
import textwrap
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from closecast.cli import app

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("README*.md"), *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
ADDRESS = re.compile(r"https?://[^\s`\"'<>|)\]]+")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)

MADE = ("lessons/", "reference/")
"""Laid out when the site is built; test_site.py follows the links to them."""

BASH = str(shutil.which("bash"))

OUTSIDE = {
    "docs.ray.io", "download.pytorch.org", "optuna.org", "pytorch.org",
}  # fmt: skip
"""Hosts that pages may send a reader to."""


class Block(NamedTuple):
    """A code block of a page."""

    page: str
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    """Give the code blocks of a page."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(str(page.relative_to(ROOT)), language, textwrap.dedent(code))
        for _, language, code in BLOCK.findall(text)
    ]


def commands(block: Block) -> list[list[str]]:
    """Give the command lines of closecast in a block, word by word."""
    joined = block.text.replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in joined.splitlines()]
    ours = [words[1:] for words in lines if words[:1] == ["closecast"]]
    return [words[: min((words.index(m) for m in ("|", ">", "&&", ";") if m in words),
                        default=None)] for words in ours]  # fmt: skip


def refusal(words: list[str]) -> str:
    """Let the command line read its words and do nothing; say what it refuses."""
    done = CliRunner().invoke(app, [*words, "--help"])
    return done.output if done.exit_code else ""


EVERY = [block for page in PAGES for block in blocks(page)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_code_of_a_page_can_be_read(page: Path):
    """Python, shell, JSON and units of systemd: each by whom it is written for."""
    for block in blocks(page):
        if block.language == "python":
            ast.parse(block.text)
        elif block.language == "sh":
            done = subprocess.run(
                [BASH, "-n"], input=block.text, text=True, check=False
            )
            assert done.returncode == 0, block
        elif block.language == "json":
            json.loads(block.text)
        elif block.language == "ini":
            configparser.ConfigParser(interpolation=None).read_string(block.text)
        else:
            assert block.language in {"", "text"}, block


def test_what_a_page_imports_is_there():
    """A name that was moved is missed on the page that still imports it."""
    nodes = [
        node
        for block in EVERY
        if block.language == "python"
        for node in ast.walk(ast.parse(block.text))
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]

    assert len(nodes) > 20
    for line in {ast.unparse(node) for node in nodes}:
        exec(line, {})  # noqa: S102  our own pages


def test_every_command_line_is_one_that_closecast_reads():
    """Commands and options as they are printed, in both languages."""
    every = {
        shlex.join(words): block.page for block in EVERY for words in commands(block)
    }

    assert len(every) > 40
    for line, page in every.items():
        assert not refusal(shlex.split(line)), (page, line)


@pytest.mark.parametrize("words", ["train a.csv --eppochs 3", "serv", "ledger shw"])
def test_a_wrong_command_line_is_seen(words: str):
    """The search above finds what it looks for."""
    assert "No such" in refusal(words.split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page: Path):
    """To a file of the repository, and to a heading of it where one is named."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    for link in LINK.findall(text):
        if urlsplit(link).scheme or link.startswith(MADE):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name) if name else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def anchors(page: Path) -> set[str]:
    """Give the anchors of a page's headings."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    kept = (re.sub(r"[^\w\- ]", "", title.lower()) for title in HEADING.findall(text))
    return {title.strip().replace(" ", "-") for title in kept}


def test_links_to_elsewhere_are_whole_and_few():
    """Each is an address with a host that is known here: a new one is looked at."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    shown = BLOCK.sub("", text)

    for address in ADDRESS.findall(re.sub(r"`[^`\n]*`", "", shown)):
        parts = urlsplit(address.rstrip(".,"))
        assert parts.scheme == "https", address
        assert parts.hostname in OUTSIDE, address
