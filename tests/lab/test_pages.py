import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from closecast.lab import pages
from closecast.lab.fonts import SHIPPED
from closecast.lab.lesson import LANGUAGES, lesson_names, read_lesson
from closecast.lab.pages import (
    WORDS,
    index_page,
    lesson_page,
    output_html,
    text_html,
    write_pages,
)
from closecast.lab.play import Drawing, Output

OUTPUT = Output(text="1 < 2", drawings=(Drawing(svg="<svg></svg>", alt='"up" & down'),))


class Links(HTMLParser):
    """Collects what a page points to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, _: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note where a tag points to."""
        self.found += [v for n, v in attrs if n in {"href", "src"} and v]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write all pages, with every cell showing the same."""
    monkeypatch.setattr(pages, "play", lambda lesson: [OUTPUT] * len(lesson.cells))
    write_pages(tmp_path)
    return tmp_path


def test_every_link_leads_somewhere(site: Path):
    """Pages, notebooks and the font are there, and nothing is asked from outside."""
    written = sorted(site.rglob("*.html"))

    assert len(written) == 24
    for page in written:
        text = page.read_text(encoding="utf-8")
        for link in Links(text).found:
            target = page.parent / link
            assert link == "data:," or target.resolve().is_file(), (page, link)
        assert not re.findall(r"https?://", re.sub(r"<svg.*?</svg>", "", text))
    assert (site / SHIPPED.name).read_bytes() == SHIPPED.read_bytes()


def test_a_still_page_has_what_its_cells_showed(site: Path):
    """Code, output, and the figure with its words, once a cell."""
    lesson = read_lesson("01-why-lstm", "ko")
    text = (site / "ko" / "01-why-lstm.html").read_text(encoding="utf-8")

    assert text.count("<pre>1 &lt; 2</pre><figure><svg></svg></figure>") == 3
    assert "&#34;up&#34; &amp; down" in text
    assert "<script" not in text
    assert "<select" not in text
    assert lesson.title in text
    assert '<html lang="ko">' in text


def test_a_live_page_has_its_numbers():
    """A choice for each control, the one of the code chosen, and a place to fill."""
    page = lesson_page(read_lesson("07-len-dataset"))

    assert page.count("<select") == 2
    assert "<option>2</option><option selected>3</option><option>5</option>" in page
    assert page.count('class="output"') == 3
    assert 'fetch("07-len-dataset.json?"' in page


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_index_names_every_lesson(language: str):
    """Title, summary and link, in the language of the page."""
    page = index_page(language)

    for name in lesson_names():
        lesson = read_lesson(name, language)
        assert f'<a href="{name}.html">{lesson.title}</a>' in page


def test_both_languages_have_the_same_words():
    """No word of one language is missing in the other."""
    assert set(WORDS["en"]) == set(WORDS["ko"])


def test_text_is_markdown_and_an_answer_can_be_opened():
    """Headings, code, tables, and what is hidden behind a question."""
    html = text_html(
        "## A\n\n`x`\n\n<details>\n<summary>B</summary>\n\n*c*\n\n</details>"
    )

    assert "<h2>A</h2>" in html
    assert "<code>x</code>" in html
    assert "<summary>B</summary>\n<p><em>c</em></p>\n</details>" in html


def test_nothing_shown_is_nothing_written():
    """A cell that only defines has no empty frame under it."""
    assert output_html(Output(), "en") == ""
