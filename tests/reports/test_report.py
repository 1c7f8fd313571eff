"""The report: whole in itself, the verdict first, safe from its own data."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from closecast.reports.report import p_value, plain, price, render, signed
from closecast.reports.story import load_story

MakeRun = Callable[..., Path]
VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """A parsed page: its tags, their ids, and every end tag matched."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def text(shared_run: Path) -> str:
    """Render the run that no test changes, once."""
    return render(load_story(shared_run))


@pytest.fixture
def page_of(make_run: MakeRun) -> Callable[..., str]:
    """Render the made-up run."""
    return lambda *args, **board: render(load_story(make_run(*args, **board)))


def test_the_page_is_whole(text: str) -> None:
    """Every tag is closed and no id stands twice, so that references are true."""
    page = Page(text)
    assert page.open == []
    ids = [str(tag["id"]) for _, tag in page.tags if "id" in tag]
    assert len(ids) == len(set(ids))
    uses = re.findall(r'(?:href="#|url\(#)([^")]+)', text)
    labels = [str(tag["aria-labelledby"]) for tag in page.all("section")]
    assert uses
    assert set(uses + labels) <= set(ids)


def test_the_page_asks_nothing_of_the_network(text: str) -> None:
    """No address, no script, no import: the page is one file."""
    assert not re.search(r"https?:|//\w|@import|<script|\bon\w+=", text)
    assert "url(" in text
    assert set(re.findall(r"url\((.)", text)) == {"#"}
    assert "default-src 'none'" in text


def test_the_verdict_comes_before_the_first_figure(text: str) -> None:
    """Verdict, reasons and leak stamps are read before anything is seen."""
    first = text.index("<svg")
    assert text.index("<span>No evidence of skill in the mean;</span>") < first
    assert text.index("The mean is no better than the last close") < first
    assert text.index("future perturbation: passed") < first


def test_every_symbol_and_session_is_shown(text: str, shared_run: Path) -> None:
    """The table names each symbol, each target session and each median."""
    words = Page(text).words
    for fan in load_story(shared_run).fans:
        assert fan.symbol in words
        for step in fan.steps:
            assert str(step.date) in words
            assert price(step.median) in words
            assert f"{price(step.q10)} to {price(step.q90)}" in words


def test_figures_and_tables_can_be_heard(text: str) -> None:
    """Each figure has a label, each table a caption and scopes, each heading order."""
    page = Page(text)
    assert len(page.all("svg")) == 2 + 2 + 2 + 1
    assert all(tag["role"] == "img" and tag["aria-label"] for tag in page.all("svg"))
    assert len(page.all("table")) == len(page.all("caption")) == 6
    assert all("scope" in tag for tag in page.all("th"))
    assert len(page.all("h1")) == 1
    assert page.all("html") == [{"lang": "en"}]


def test_a_hostile_symbol_is_only_text(page_of: Callable[..., str]) -> None:
    """Whatever a symbol holds, it is shown as it is and never becomes a tag."""
    symbols = ("<img src=x onerror=alert(1)>", "A&B'", "$\\frac{1}{0}$", "삼성전자")
    page = Page(page_of(symbols))
    assert page.all("img") == []
    labels = [str(tag["aria-label"]) for tag in page.all("svg")]
    for symbol in symbols:
        assert symbol in page.words
        assert any(symbol in label for label in labels)


def test_hostile_words_are_only_text(page_of: Callable[..., str]) -> None:
    """Markup in the verdict, in a reason or in a setting is shown as text."""
    bad = "<script>alert(1)</script>"
    text = page_of(verdict=bad, why=[bad], settings={bad: bad})
    assert "<script" not in text
    assert Page(text).words.count(bad) == 4


def test_the_same_story_gives_the_same_bytes(text: str, shared_run: Path) -> None:
    """Nothing of the clock or of chance is in a page."""
    assert render(load_story(shared_run)) == text


def test_a_failed_leak_test_is_an_alarm(page_of: Callable[..., str]) -> None:
    """A failed stamp is said in words, not by a colour alone."""
    failed = {"truncation": {"passed": False, "detail": "3 of 40 moved."}}
    text = page_of(leak_tests=failed, verdict="evidence of skill")
    assert 'class="finding alarm"' in text
    assert "truncation: failed" in text
    assert "Trust no figure on this page" in text


def test_passed_leak_tests_raise_no_alarm(text: str) -> None:
    """Where every stamp passed nobody is warned."""
    assert "Trust no figure" not in text


@pytest.mark.parametrize(
    ("verdict", "tone"),
    [
        ("evidence of skill", "skill"),
        ("No evidence of skill; no evidence of skill in it", "plain"),
        ("Suspicious, look for a leak. Evidence of skill in the mean", "alarm"),
    ],
)
def test_the_verdict_sets_the_tone(
    page_of: Callable[..., str], verdict: str, tone: str
) -> None:
    """Every verdict stands whole in the same place and type, with its own edge."""
    page = page_of(("AAPL",), verdict=verdict)
    assert f'class="finding {tone}"' in page
    shown = re.search(r'<p class="verdict">(.*?)</p>', page)
    assert shown is not None
    assert Page(shown.group()).words == verdict


def test_a_copy_stands_beside_the_forecast(text: str) -> None:
    """The copycat table shows the model's figure and that of a perfect copy."""
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))
    assert "with those of the session before 0.87 1 " in words
    assert "of the forecast price 0.9987 0.9988 " in words


def test_the_sample_is_named_for_what_it_is(
    text: str, page_of: Callable[..., str]
) -> None:
    """A run on the sample says that it is made of survivors; another does not."""
    assert "companies that survived" in text
    assert "companies that survived" not in page_of(source="prices.csv")


def test_a_scoreboard_with_gaps_still_makes_a_page(
    page_of: Callable[..., str],
) -> None:
    """Scores that could not be made are dashes, in tables and in figures."""
    gap = dict.fromkeys(("crps", "crps_raw", "mae", "rmse", "coverage_80"))
    none = {"skill_crps_vs": {"zero": None}, "skill_rmse_vs": {}, "dm_p_vs": {}}
    row = {"model": "closecast", "horizon": 1, "coverage_95": None} | gap | none
    text = page_of(rows=[row | {"dm_p_mean_vs": {}}])
    assert Page(text).open == []
    assert "\N{EN DASH}" in text


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (price(1234.56), "1,234.6"),
        (price(43.214), "43.21"),
        (price(0.0123456), "0.01235"),
        (signed(0.0123), "+1.2"),
        (signed(-0.0123), "\N{MINUS SIGN}1.2"),
        (signed(-0.0001), "0.0"),
        (signed(None), "\N{EN DASH}"),
        (p_value(0.0123), "0.012"),
        (p_value(1e-9), "<0.001"),
        (p_value(None), "\N{EN DASH}"),
        (plain([0.99812, True, None]), "0.9981, yes, none"),
        (plain({"lag_1": -0.5}), "lag 1 \N{MINUS SIGN}0.5"),
    ],
)
def test_numbers_are_written_for_readers(written: str, expected: str) -> None:
    """Digits, signs and gaps are written the same way everywhere."""
    assert written == expected
