"""The report: whole in itself, the verdict first, safe from its own data."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from closecast.reports.language import words_of
from closecast.reports.numbers import number, p_value, plain, price, signed, span
from closecast.reports.report import render, write_report
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
    """Render the made-up run, without the parts that many figures cost."""

    def page(*args: object, language: str = "en", **board: object) -> str:
        lean: dict[str, object] = {"calibration": None, "slices": [], "ranking": []}
        run = make_run(*args, **lean | board)
        return render(load_story(run), language=language)

    return page


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
    fans, skills, coverage, pits, periods, others = 2, 3 + 3, 3 + 3, 5, 2, 2
    drawn = fans + skills + coverage + pits + periods + others
    assert len(page.all("svg")) == drawn
    assert all(tag["role"] == "img" and tag["aria-label"] for tag in page.all("svg"))
    assert len(page.all("table")) == len(page.all("caption")) == 11
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
    assert page_of(verdict=bad, language="ko").count("<script") == 0


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
        ("No evidence of skill; no evidence of skill in it", "neutral"),
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


def rules_of(text: str) -> str:
    """Take the page's styles."""
    return text[text.index("<style>") : text.index("</style>")]


def test_evidence_and_no_evidence_have_the_same_size(
    page_of: Callable[..., str],
) -> None:
    """The tone moves the edge of the box alone: no rule of it sets a font."""
    pages = [
        page_of(verdict=f"{start} of skill in the mean", language=language)
        for start in ("Evidence", "No evidence")
        for language in ("en", "ko")
    ]
    for text in pages:
        shown = re.search(r'<p class="verdict">', text)
        assert shown is not None
        toned = re.findall(r"\.finding\.(?:skill|alarm|neutral)[^}]*}", rules_of(text))
        assert toned
        assert all("font" not in rule for rule in toned)
    assert pages[0].count('class="verdict"') == pages[1].count('class="verdict"') == 1
    assert rules_of(pages[0]) == rules_of(pages[2])


def test_the_hardest_baseline_comes_first(text: str) -> None:
    """It is named at a glance and its panel leads."""
    assert "CRPS skill against EWMA-t" in text
    panels = text[text.index("The distribution: CRPS skill") :]
    assert panels.index("<h4>EWMA-t") < panels.index("<h4>last close")


def test_reasons_count_the_steps_that_are_sure(text: str) -> None:
    """A step counts where its whole interval is above 0."""
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))
    assert "EWMA-t 0 of 5 steps \N{MINUS SIGN}0.9 to +0.7 %" in words
    assert "90 % confidence set in it at 5 of 5 steps" in words


def test_whole_paths_are_counted_where_there_is_a_band(
    page_of: Callable[..., str],
) -> None:
    """A row a level; the sentence that there is no joint path stands without."""
    held = {
        "nominal": 0.8,
        "coverage": 0.741,
        "stepwise": 0.612,
        "num_windows": 1234,
        "num_effective": 400.0,
        "kupiec_p": 0.01,
    }
    without, text = page_of(), page_of(path_coverage=[held])

    assert "No joint path" in without
    assert "No joint path" not in text
    assert '<td class="best">74.1</td><td>61.2</td>' in text
    assert "경로 전체를 보장하지" in page_of(language="ko")
    assert "Of 1,234 test windows" in text


def test_coverage_far_off_is_bold(text: str) -> None:
    """Only where the test agrees."""
    row = text[text.index('<th scope="row">2012</th>') :]
    assert 'best">60.0</td>' in row[: row.index("</tr>")]
    row = text[text.index('<th scope="row">calm third</th>') :]
    assert "best" not in row[: row.index("</tr>")]


def test_what_a_scoreboard_lacks_is_left_out(
    text: str, page_of: Callable[..., str]
) -> None:
    """A run of an older version still makes a page, shorter by those parts."""
    titles = ("PIT: where", "When, and for", "Does it sort", "year by year")
    assert all(title in text for title in titles)
    page = page_of()
    assert not any(title in page for title in titles)
    assert Page(page).open == []


def test_costs_and_tests_of_all_models_are_shown_where_they_are(
    text: str, page_of: Callable[..., str]
) -> None:
    """Edge, break-even, SPA and the regimes; nothing where there is none."""
    costs = {
        "edge_bp": 1.234,
        "edge_interval_bp": [-1.0, 3.5],
        "turnover": 0.81,
        "break_even_bp": None,
        "points": [{"cost_bp": c, "edge_bp": 1.2 - c, "sharpe": None} for c in (0, 5)],
        "num_dates": 600,
        "trials": 1234,
    }
    superior = {
        "score": "crps", "horizon": 1, "benchmark": "har_t", "spa_p": 0.4321,
        "best": "closecast", "best_skill": 0.01, "superior": [], "num_models": 9,
    }  # fmt: skip
    regime = {"volatility": "low", "skill_crps": 0.02, "p_value": 0.2}
    conditional = {
        "horizon": 1, "baseline": "garch_t", "p_value": 0.5678, "regimes": [regime],
    }  # fmt: skip
    page = page_of(costs=costs, superiority=[superior], regimes=[conditional])
    for shown in ("1.23 bp", "no edge to spend", "1,234", "0.432", "0.568"):
        assert shown in page
        assert shown not in text
    assert 'id="costs-curve' in page


def test_many_symbols_are_counted_and_their_ends_shown(
    page_of: Callable[..., str],
) -> None:
    """A panel draws some fans and lists the lowest and the highest skills."""
    symbols = tuple(f"SYM{number:02d}" for number in range(30))
    slices = [
        {"kind": "symbol", "group": symbol, "horizon": 5, "baseline": "ewma_t",
         "skill_crps": 0.0123 - 0.004 * place, "interval": None, "num_windows": 9}
        for place, symbol in enumerate(symbols)
    ]  # fmt: skip
    page = page_of(symbols, slices=slices)
    assert "18 more symbols are in forecast.csv." in page
    assert "30 symbols from the lowest to the highest; 4 of them above 0." in page
    rows = page[page.index("<b>By symbol</b>") :]
    assert rows[: rows.index("</table>")].count('scope="row"') == 20


def test_a_suspicious_run_is_an_alarm(page_of: Callable[..., str]) -> None:
    """The alarm's own sentence stands with the verdict, not in the small print."""
    page = page_of(suspicious=True, why=["Alarm: RankIC is 0.3, above 0.1."])
    assert page.index("Alarm: RankIC is 0.3") < page.index("<details>")


def test_findings_of_the_prices_are_shown(
    page_of: Callable[..., str], shared_run: Path
) -> None:
    """What is odd about the data stands beside its fingerprint."""
    data = json.loads((shared_run / "scoreboard.json").read_text())["data"]
    page = page_of(data=data | {"findings": ["A spike of 40 % on 2011-03-01."]})
    assert "A spike of 40 % on 2011-03-01." in page


def test_the_report_speaks_korean(page_of: Callable[..., str]) -> None:
    """Title, verdict and tables in Korean; no English word of the page is left."""
    text = page_of(language="ko")
    page = Page(text)
    assert page.all("html") == [{"lang": "ko"}]
    assert "평균 예측에 실력이 있다는 증거 없음" in page.words
    assert "미래 데이터 교란: 통과" in page.words
    for english in ("sessions", "Verdict", "Skill", "passed", "Setting"):
        assert english not in page.words
    assert not re.search(r"https?:|//\w|@import|<script", text)


def test_another_file_can_be_written(make_run: MakeRun, tmp_path: Path) -> None:
    """``out`` leaves the run as it is and makes its folders."""
    run = make_run()
    page = tmp_path / "pages" / "ko.html"
    assert write_report(run, language="ko", out=page) == page
    assert 'lang="ko"' in page.read_text()
    assert not (run / "report.html").exists()


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
        (plain([0.99812, True, None], words_of("en")), "0.9981, yes, none"),
        (plain({"lag_1": -0.5}, words_of("en")), "lag 1 \N{MINUS SIGN}0.5"),
        (plain([True, None], words_of("ko")), "예, 없음"),
        (number(-0.0123), "\N{MINUS SIGN}0.012"),
        (number(None), "\N{EN DASH}"),
        (span([0.1, None, 0.2], words_of("en"), signed), "+10.0 to +20.0 %"),
        (span([0.1, 0.1], words_of("ko"), signed), "+10.0%"),
        (span([None], words_of("en"), signed), "\N{EN DASH}"),
    ],
)
def test_numbers_are_written_for_readers(written: str, expected: str) -> None:
    """Digits, signs and gaps are written the same way everywhere."""
    assert written == expected
