"""A server of its own process with a model, prices and an experiment, and a browser."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from closecast.experiments.forecaster import Forecaster
from closecast.experiments.run import write_json
from closecast.market.bars import Bars

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True)
class Site:
    """A dashboard under test.

    Attributes:
        address: Where it is.
        key: A key that opens it.
    """

    address: str
    key: str


def run(*arguments: str | Path) -> None:
    """Run the command line, which must succeed."""
    words = [sys.executable, "-m", "closecast", *map(str, arguments)]
    subprocess.run(words, check=True, capture_output=True, timeout=120)


def serve(*arguments: str | Path) -> tuple["subprocess.Popen[str]", Site]:
    """Start a server and wait until it says where it is."""
    words = [sys.executable, "-m", "closecast", "serve", "--port", "0", "--no-open"]
    server = subprocess.Popen(
        [*words, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    said = [server.stdout.readline() for _ in range(3)]
    address = re.findall(r"http://\S+", said[0])[0]
    key = re.findall(r"Bearer (\S+)", said[2])[0]
    return server, Site(address, key)


def stop(server: "subprocess.Popen[str]") -> None:
    """End a server, and the pipe that it spoke through."""
    server.terminate()
    server.wait(timeout=30)
    assert server.stdout is not None
    server.stdout.close()


@pytest.fixture(scope="session")
def judged_run(forecaster: Forecaster, bars: Bars, tmp_path_factory) -> Path:
    """Store a run with all that the judge says of it."""
    folder = tmp_path_factory.mktemp("judged")
    forecaster.save(folder / "model")
    board = {**forecaster.evaluate(bars).to_dict(), "seeds": 1}
    write_json(folder / "scoreboard.json", board)
    return folder


@pytest.fixture(scope="session")
def places(judged_run: Path, prices_file: Path, tmp_path_factory) -> dict[str, Path]:
    """Put a model on a shelf and run a small sweep."""
    folder = tmp_path_factory.mktemp("site")
    grid = folder / "grid.toml"
    grid.write_text(
        "epochs = 2\nhidden_size = 4\nseeds = 2\n"
        "[grid]\nlearning_rate = [0.01, 0.001]\nnum_layers = [1, 2]\n"
    )
    index = folder / "index.sqlite"
    run("sweep", grid, prices_file, "--out", folder / "sweep", "--index", index)
    shelf = folder / "shelf"
    run("shelf", "add", judged_run, "--reason", "first", "--promote", "--shelf", shelf)
    return {"--index": index, "--shelf": shelf, "--prices": prices_file}


@pytest.fixture(scope="session")
def site(places: dict[str, Path], tmp_path_factory) -> Iterator[Site]:
    """Serve it."""
    keys = tmp_path_factory.mktemp("keys") / "keys"
    given = [word for pair in places.items() for word in pair]
    server, found = serve(*given, "--keys", keys)
    yield found
    stop(server)


@pytest.fixture(scope="session")
def bare_site(prices_file: Path, tmp_path_factory) -> Iterator[Site]:
    """Serve prices alone: no model, no run."""
    folder = tmp_path_factory.mktemp("bare")
    server, found = serve(
        "--prices", prices_file, "--shelf", folder / "shelf",
        "--index", folder / "index.sqlite", "--keys", folder / "keys",
    )  # fmt: skip
    yield found
    stop(server)


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Start Debian's Chromium, whose event loop is this thread's until it ends."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield chromium
        chromium.close()


class Visitor:
    """Opens pages as somebody who is logged in, and keeps what went wrong on them."""

    def __init__(self, browser: "Browser") -> None:
        self.browser, self.wrong, self.asked = browser, [], []
        self.contexts = []

    def visit(
        self,
        site: Site,
        place: str,
        *,
        language: str = "en",
        theme: str = "light",
        width: int = 1280,
        logged_in: bool = True,
    ) -> "Page":
        """Open a page of the dashboard.

        Args:
            site: The dashboard.
            place: What stands behind ``#/``.
            language: Language that the reader chose before.
            theme: Theme that the reader chose before.
            width: Width of the window in pixels.
            logged_in: Whether the reader has given a key before.

        Returns:
            The page, once nothing on it is on its way.
        """
        context = self.browser.new_context(viewport={"width": width, "height": 800})
        self.contexts.append(context)
        if logged_in:
            answer = context.request.post(
                f"{site.address}/v1/session",
                data={"key": site.key},
                headers={"Origin": site.address},
            )
            assert answer.ok, answer.text()
        page = context.new_page()
        chosen = (
            f"localStorage.language ??= '{language}'; localStorage.theme ??= '{theme}'"
        )
        page.add_init_script(chosen)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.goto(f"{site.address}/#/{place}")
        self.settle(page)
        return page

    @staticmethod
    def settle(page: "Page") -> None:
        """Wait until the page shows something that stays."""
        page.wait_for_selector("main > :not(.bones)", timeout=20_000)


@pytest.fixture
def visitor(browser: "Browser") -> Iterator[Visitor]:
    """Give a visitor; scripts that failed on a page fail the test."""
    one = Visitor(browser)
    yield one
    for context in one.contexts:
        context.close()
    assert one.wrong == []
