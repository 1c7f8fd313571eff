"""What a browser makes of the page, where there is one."""

import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from closecast.reports.report import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")


def picture(page: Path, width: int) -> tuple[int, int, int]:
    """Show a page; give its width, height and the number of different rows."""
    shot = page.with_suffix(f".{width}.png")
    subprocess.run(
        [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu",
            "--hide-scrollbars", f"--user-data-dir={page.parent / 'profile'}",
            f"--screenshot={shot}", f"--window-size={width},1600", page.as_uri(),
        ],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    data, place, packed = shot.read_bytes(), 8, b""
    across, down, _, colours = struct.unpack(">IIBB", data[16:26])
    while place < len(data):
        (size,) = struct.unpack(">I", data[place : place + 4])
        if data[place + 4 : place + 8] == b"IDAT":
            packed += data[place + 8 : place + 8 + size]
        place += 12 + size
    raw = zlib.decompress(packed)
    row = 1 + across * {2: 3, 6: 4}[colours]
    rows = {raw[start : start + row] for start in range(0, len(raw), row)}
    return across, down, len(rows)


@pytest.mark.parametrize(("language", "width"), [("en", 1280), ("ko", 500)])
def test_the_page_is_seen(
    make_run: Callable[..., Path], language: str, width: int
) -> None:
    """Text, tables and figures fill the picture: few of its rows are alike."""
    page = write_report(make_run(), language=language)
    across, down, rows = picture(page, width)
    assert (across, down) == (width, 1600)
    assert rows > 400
