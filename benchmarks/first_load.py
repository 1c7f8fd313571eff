"""What a first visit of the dashboard costs: bytes on the wire, seconds to the fan.

`closecast serve` runs with the sample's prices, a model and a ledger. A browser that
was never there asks with a key: an empty cache, the page, its scripts and its data.
Bytes are those of the network (DevTools' `encodedDataLength`: headers and compressed
bodies); the page is there when the fan has been painted, in the browser's own time
from the start of the navigation.

    python benchmarks/first_load.py --out benchmarks/results/first_load.json

takes a minute, and needs Chromium and Playwright (extra `test`).
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from machine import publish
from serving_load import prepare, server

VISITS = 7
MOST_KB, MOST_S = 400, 1.0
WIDTHS = {"desk": (1400, 900), "phone": (390, 844)}

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

WATCH = """
addEventListener("DOMContentLoaded", () => {
  const looking = () => {
    if (document.querySelector(".chart canvas")) {
      // the frame after the one in which the chart painted
      requestAnimationFrame(() => requestAnimationFrame(
        () => (document.documentElement.dataset.drawnMs = performance.now())));
    } else requestAnimationFrame(looking);
  };
  looking();
});
"""


def visit(browser, address: str, key: str, size: tuple[int, int]) -> dict[str, float]:
    """Open the dashboard for the first time, and count."""
    width, height = size
    context = browser.new_context(viewport={"width": width, "height": height})
    context.set_extra_http_headers({"Authorization": f"Bearer {key}"})
    page = context.new_page()
    page.add_init_script(WATCH)
    network, sent = context.new_cdp_session(page), []
    network.send("Network.enable")

    def note(told):
        sent.append(told)  # Playwright cannot hang its mark on a list's own method

    network.on("Network.loadingFinished", note)
    page.goto(f"{address}/#/forecast")
    page.wait_for_selector("html[data-drawn-ms]")
    page.wait_for_load_state("networkidle")
    drawn_ms = float(page.locator("html").get_attribute("data-drawn-ms") or "nan")
    context.close()
    return {
        "kb": sum(told["encodedDataLength"] for told in sent) / 1024,
        "requests": len(sent),
        "drawn_s": drawn_ms / 1000,
    }


def measured(browser, address: str, key: str) -> dict[str, object]:
    """Visit some times at each width."""
    found: dict[str, object] = {}
    for name, size in WIDTHS.items():
        visits = [visit(browser, address, key, size) for _ in range(VISITS)]
        seconds = [one["drawn_s"] for one in visits]
        found[name] = {
            "requests": max(one["requests"] for one in visits),
            "kb": round(max(one["kb"] for one in visits), 1),
            "drawn_s": {
                "median": round(float(np.median(seconds)), 3),
                "worst": round(max(seconds), 3),
            },
        }
    return found


def main() -> None:
    """Serve, visit, and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    from playwright.sync_api import sync_playwright

    from closecast.serving.api.keys import KeyRing

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        home = Path(folder)
        prepare(home)
        key = KeyRing(home / "keys").add("visitor")[0]
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=list(FLAGS)
        )
        with server(home) as (_, port):
            found = measured(browser, f"http://127.0.0.1:{port}", key)
        browser.close()
    publish({"limits": {"kb": MOST_KB, "drawn_s": MOST_S}, **found}, arguments.out)
    over = [
        name
        for name, one in found.items()
        if one["kb"] > MOST_KB or one["drawn_s"]["median"] > MOST_S
    ]
    if over:
        sys.exit(f"Expected {MOST_KB} KB and {MOST_S} s at most, got more: {over}.")


if __name__ == "__main__":
    main()
