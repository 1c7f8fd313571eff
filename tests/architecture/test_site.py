"""The documentation is whole: its pages, its words, its links, in both languages."""

import importlib.util
import re
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest

import closecast.lab
from closecast.evaluation.copycat import Copycat
from closecast.evaluation.rows import Row
from closecast.evaluation.scoreboard import Scoreboard
from closecast.lab.lesson import LANGUAGES, read_lessons
from closecast.lab.loop import NAMES
from closecast.lab.play import Drawing, Output

ROOT = Path(__file__).parents[2]
IN_ENGLISH_ALONE = {"evidence.md", "mutants.md", "trust.md"}  # figures, and code
DOCS = ROOT / "docs"
LINK = re.compile(r"\]\(([^)\s]+)\)")
NOT_EXPLAINED = {"model", "horizon", "rows", "verdict", "why", "suspicious", "paths",
                 "num_windows", "num_dates", "copycat"}  # fmt: skip


@pytest.fixture(scope="module")
def build() -> ModuleType:
    """Load the script that builds the site."""
    path = ROOT / "scripts" / "build_docs.py"
    spec = importlib.util.spec_from_file_location("build_docs", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def staged(build: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay both sites out, each cell showing the same."""
    folder = tmp_path_factory.mktemp("site")
    output = Output(text="1", drawings=(Drawing(svg="<svg></svg>", alt="a line"),))
    for language in LANGUAGES:
        outputs = {
            lesson: tuple(output for _ in lesson.cells)
            for lesson in read_lessons(language)
        }
        build.stage(folder / language, language, outputs)
    return folder


def names_of(page: str) -> set[str]:
    """Give every word in code marks of a page."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return set(re.findall(r"`(\w+)`", text))


@pytest.mark.parametrize("page", ["scores.md", "scores.ko.md"])
def test_every_score_is_explained(page: str):
    """No figure of the scoreboard is left to be guessed."""
    figures = {
        field.name for part in (Row, Copycat, Scoreboard) for field in fields(part)
    }
    told = names_of(page) | {"change_lag_1", "change_lag_2", "theil_u2_interval",
                             "ic_interval"}  # fmt: skip

    assert figures - told - NOT_EXPLAINED == set()


@pytest.mark.parametrize("page", ["glossary.md", "glossary.ko.md"])
def test_the_glossary_has_every_word_of_the_slides(page: str):
    """Each argument stands in a row with the setting that it is here."""
    rows = (DOCS / page).read_text(encoding="utf-8").splitlines()

    for slides, here in NAMES.items():
        assert any(f"`{slides}`" in row and f"`{here}`" in row for row in rows), slides


def test_both_languages_have_the_same_pages():
    """Whatever is written for readers is there in Korean, with as many headings."""
    for path in [*DOCS.glob("*.md"), *(DOCS / "how-to").rglob("*.md")]:
        if path.name.endswith(".ko.md") or path.name in IN_ENGLISH_ALONE:
            continue
        korean = path.with_name(f"{path.stem}.ko.md").read_text(encoding="utf-8")
        english = path.read_text(encoding="utf-8")
        assert [line.split()[0] for line in korean.splitlines() if line[:1] == "#"] == [
            line.split()[0] for line in english.splitlines() if line[:1] == "#"
        ], path


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_link_leads_somewhere(staged: Path, language: str):
    """From page to page, to notebooks and pictures, within one language."""
    pages = sorted((staged / language).rglob("*.md"))

    assert len(pages) > 40
    for page in pages:
        text = re.sub(
            r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL
        )
        for link in LINK.findall(text):
            if not re.match(r"https?://|#|mailto:", link):
                target = page.parent / link.split("#")[0]
                assert target.resolve().is_file(), (page.name, link)


def test_a_lesson_is_laid_out_with_what_it_showed(staged: Path):
    """Code, text, figure and its words follow each other; an answer is Markdown."""
    text = (staged / "ko" / "lessons" / "01-why-lstm.md").read_text(encoding="utf-8")

    assert text.startswith("# 1. 왜 LSTM인가\n")
    assert text.count('<figure class="lab-figure"><svg></svg></figure>') == 3
    assert text.count('<details markdown="1">') == 4
    assert "a line" in text


def test_the_reference_has_every_command_and_name(build: ModuleType, staged: Path):
    """The lab's names and every command are in it."""
    folder = staged / "en" / "reference"
    lab = (folder / "lab.md").read_text(encoding="utf-8")
    commands = (folder / "command-line.md").read_text(encoding="utf-8")

    for name in closecast.lab.__all__:
        assert f".{name}\n" in lab + "\n"
    assert "## closecast lab\n" in commands
    assert "`--no-browser`" in commands
    assert len(list(build.commands(build.typer.main.get_command(build.app), "x"))) > 10


def test_the_switch_leads_to_the_same_page(build: ModuleType, tmp_path: Path):
    """A reader stays on the page in the other language."""
    page = tmp_path / "en" / "lessons" / "a.html"
    page.parent.mkdir(parents=True)
    page.write_text('<a href="/ko/" hreflang="ko">')
    build.finish(page, tmp_path)

    assert page.read_text() == '<a href="../../ko/lessons/a.html" hreflang="ko">'


@pytest.mark.parametrize(
    "tag",
    ['<script src="https://x/a.js">', "<img alt='' src='//x/a.png'>",
     '<link rel="stylesheet" href="https://fonts.example/css">'],
)  # fmt: skip
def test_what_is_fetched_from_outside_stops_the_build(
    build: ModuleType, tmp_path: Path, tag: str
):
    """Fonts, scripts and pictures are our own; a link for readers may go out."""
    page = tmp_path / "en" / "a.html"
    page.parent.mkdir()
    page.write_text(tag)
    with pytest.raises(SystemExit, match="nothing from outside"):
        build.finish(page, tmp_path)
    page.write_text('<a href="https://pytorch.org">')
    build.finish(page, tmp_path)
