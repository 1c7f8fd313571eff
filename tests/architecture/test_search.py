"""The site's search, in a browser, from the disk and with no network at all."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build both sites, without the lessons' figures."""
    pytest.importorskip("zensical", reason="needs closecast[docs]")
    folder = tmp_path_factory.mktemp("site")
    script = ROOT / "scripts" / "build_docs.py"
    subprocess.run(
        [sys.executable, str(script), "--still", "--out", str(folder / "site")],
        check=True,
        capture_output=True,
    )
    return folder / "site"


def test_words_are_found_from_the_disk(site: Path):
    """In both languages, on a page in a folder too, and nothing is asked of others."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    asked: list[str] = []
    with playwright.sync_playwright() as driver:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
        page = browser.new_context(offline=True).new_page()
        page.on("request", lambda request: asked.append(request.url))
        for place, word, found in (
            ("en/index.html", "CUSUM", "Monitors"),
            ("en/how-to/lab.html", "CUSUM", "Monitors"),
            ("ko/index.html", "선반", "예측 서비스하기"),
        ):
            page.goto((site / place).as_uri())
            page.wait_for_function("window.IFrameWorker && document$")
            page.keyboard.press("/")
            page.keyboard.type(word, delay=50)
            page.get_by_text(found).last.wait_for(timeout=60_000)
        browser.close()

    assert [url for url in asked if not url.startswith(("file:", "blob:"))] == []
