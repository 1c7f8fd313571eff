"""The dashboard in a browser: every page, both languages and themes, every state."""

import re

import pytest

ROOMS = ("forecast", "evidence", "experiments", "data", "lab")


def title(page) -> str:
    """Give the page's first heading, or what it says instead of a page."""
    return page.locator("main h1").first.inner_text()


@pytest.mark.slow
@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_a_page_fits_its_window_and_asks_nobody_else(
    site, visitor, room, language, theme, width
):
    """Each page shows its words, at any width, and loads nothing from outside."""
    page = visitor.visit(site, room, language=language, theme=theme, width=width)
    assert title(page)
    assert page.locator("html").get_attribute("lang") == language
    assert page.locator("html").get_attribute("data-theme") == theme
    beyond = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert beyond <= 0
    assert all(url.startswith(site.address) for url in visitor.asked)
    # a key that has no words shows itself
    bare = r"\b(forecast|evidence|runs|data|record)\.[a-z_]+"
    assert not re.search(bare, page.inner_text("body"))


@pytest.mark.slow
@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_page_can_be_read_by_a_screen_reader(site, visitor, room, theme):
    """Axe finds no violation of WCAG on any page."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = visitor.visit(site, room, theme=theme)
    page.evaluate(axe.Axe().axe_script)
    found = page.evaluate("axe.run()")["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []


@pytest.mark.slow
def test_the_forecast_page_shows_what_the_api_says(site, visitor):
    """The table beside the chart holds the medians and intervals of the answer."""
    page = visitor.visit(site, "forecast/AAPL")
    answer = page.evaluate("fetch('/v1/forecasts/AAPL').then((a) => a.json())")
    first = answer["steps"][0]
    row = page.locator("main tbody tr").first.inner_text()
    assert f"{first['median']:.2f}" in row
    assert all(f"{end:.2f}" in row for end in first["intervals"]["80"])
    page.wait_for_selector(".chart canvas")  # drawn in the frame after the table
    assert "No evidence of skill in the mean" in page.locator(".verdict").inner_text()


@pytest.mark.slow
def test_the_pointer_reads_bars_and_the_fan(site, visitor):
    """Over a candle the line says what came, over the fan what is forecast."""
    page = visitor.visit(site, "forecast/AAPL", language="en")
    answer = page.evaluate("fetch('/v1/forecasts/AAPL').then((a) => a.json())")
    page.wait_for_selector(".chart canvas")
    box = page.locator(".chart").bounding_box()
    line = page.locator(".readout")

    page.mouse.move(box["x"] + 40, box["y"] + 100)
    page.wait_for_selector(".readout:not(:has-text('%')):has-text('Vol')")
    old = line.inner_text()
    for right in range(70, 170, 4):
        page.mouse.move(box["x"] + box["width"] - right, box["y"] + 100)
        if "Median" in line.inner_text():
            break

    assert re.search(r"O\s*[\d.]+\s*H\s*[\d.]+\s*L\s*[\d.]+\s*C\s*[\d.]+", old)
    told = [f"{step['median']:.2f}" for step in answer["steps"]]
    assert any(median in line.inner_text() for median in told)


@pytest.mark.slow
def test_a_symbol_is_found_by_the_keyboard_alone(site, visitor):
    """A slash reaches the search, arrows choose, Enter opens."""
    page = visitor.visit(site, "evidence")
    page.keyboard.press("/")
    page.keyboard.type("ib")
    page.wait_for_selector("#found li")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:text('IBM')")
    assert page.evaluate("location.hash") == "#/forecast/IBM"


@pytest.mark.slow
def test_a_symbol_that_is_not_there_leads_to_the_nearest(site, visitor):
    """The page says so and offers the one that may be meant."""
    page = visitor.visit(site, "forecast/AAPLE")
    assert "AAPLE" in title(page)
    page.click("main a:text('AAPL')")
    page.wait_for_selector("h1:text('AAPL')")


@pytest.mark.slow
def test_script_in_a_symbols_name_stays_text(site, visitor):
    """What stands in the address is shown, never run."""
    page = visitor.visit(site, "forecast/%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E")
    assert "<img" in title(page)
    assert page.locator("main img").count() == 0


@pytest.mark.slow
def test_a_server_that_is_away_is_said_and_asked_again(site, visitor):
    """The page offers to try again, and then shows what it should."""
    page = visitor.visit(site, "data")
    page.route("**/v1/**", lambda route: route.abort())
    page.click("#rooms a[href='#/evidence']")
    page.wait_for_selector("main .state[role=alert]")
    assert title(page) == "The server does not answer"
    page.unroute("**/v1/**")
    page.click("main .state button")
    page.wait_for_selector("h1:text('Evidence')")


@pytest.mark.slow
def test_a_fault_is_shown_in_the_servers_words(site, visitor):
    """A problem's detail is what the page says."""
    page = visitor.visit(site, "data")
    told = '{"detail": "Expected the ledger to answer, got nothing from it."}'
    page.route(
        "**/v1/scoreboard",
        lambda route: route.fulfill(
            status=503, content_type="application/problem+json", body=told
        ),
    )
    page.click("#rooms a[href='#/evidence']")
    page.wait_for_selector("main .state[role=alert]")
    assert "Expected the ledger to answer" in page.inner_text("main")


@pytest.mark.slow
def test_a_stranger_is_asked_for_a_key(site, visitor):
    """A wrong key is refused in words, the right one opens the page."""
    page = visitor.visit(site, "data", logged_in=False)
    page.fill("main input[name=key]", "cc_wrong")
    page.keyboard.press("Enter")
    page.wait_for_selector("main [role=alert]:not(:empty)")
    page.fill("main input[name=key]", site.key)
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:text('Data')")


@pytest.mark.slow
def test_language_and_theme_are_kept(site, visitor):
    """What the reader switched to is still there after the page was loaded anew."""
    page = visitor.visit(site, "evidence")
    page.click("#language")
    page.wait_for_selector("h1:text('근거')")
    page.click("#theme")
    page.reload()
    page.wait_for_selector("h1:text('근거')")
    assert page.locator("html").get_attribute("data-theme") == "dark"


@pytest.mark.slow
def test_a_sweep_is_shown_from_the_inside(site, visitor):
    """Heat map, curves, winner and its verdict stand on the page of a run."""
    page = visitor.visit(site, "experiments")
    page.click("main a:text('sweep')")
    page.wait_for_selector(".heat td .best")
    assert page.locator(".heat tbody tr").count() == 2
    assert page.locator("figure svg .trace").count() == 2 * 8
    assert "Best of 8 models" in page.locator(".verdict").inner_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        ("null", "\N{EN DASH}"),
        (1, "1 sec"),
        (89, "89 sec"),
        (1440, "24 min"),
        (32474, "9 hr"),
    ],
)
def test_what_is_left_is_said_in_the_unit_that_fits(site, visitor, seconds, said):
    """Nobody reads nine hours as 32,474 seconds."""
    page = visitor.visit(site, "data", language="en")
    told = page.evaluate(
        f"import('/assets/words.js').then((words) => words.duration({seconds}))"
    )
    assert told == said


@pytest.mark.slow
def test_a_lesson_is_opened_from_the_lab(site, visitor):
    """The lab's page lists the lessons, and each leads to one that runs."""
    page = visitor.visit(site, "lab", language="ko")
    links = page.locator("main .card a")
    assert links.count() == 11
    with page.expect_popup() as opened:
        links.nth(2).click()
    assert opened.value.locator("h1").inner_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("room", "said"),
    [("evidence", "No model has been judged"), ("experiments", "No experiment yet")],
)
def test_an_empty_page_says_what_to_do(bare_site, visitor, room, said):
    """Where nothing is yet, the page names the command that makes it."""
    page = visitor.visit(bare_site, room)
    assert title(page) == said
    assert page.inner_text("main code").startswith("closecast ")


@pytest.mark.slow
def test_the_first_page_is_light(site, visitor):
    """All that the first page loads is at most 400 KB."""
    page = visitor.visit(site, "forecast/AAPL")
    page.wait_for_selector(".chart canvas")
    loaded = page.evaluate(
        "[...performance.getEntriesByType('resource'),"
        " ...performance.getEntriesByType('navigation')]"
        ".reduce((sum, one) => sum + one.transferSize, 0)"
    )
    assert 50_000 < loaded <= 400_000
