"""Glyphs for Hangul where a figure becomes pixels: never an empty box.

Matplotlib comes without Hangul. An installed font is taken where there is one, else
the one that comes with the package, which holds all 11,172 syllables of Unicode.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from matplotlib import font_manager

SHIPPED = Path(__file__).parent / "data" / "closecast-hangul.ttf"
SHIPPED_NAME = "Closecast Hangul"

INSTALLED = (
    "Pretendard",
    "Noto Sans KR",
    "Noto Sans CJK KR",
    "Apple SD Gothic Neo",
    "Malgun Gothic",
    "NanumGothic",
)
"""Fonts with Hangul, the ones that read best first."""

LATIN = "DejaVu Sans"
"""Matplotlib's own; a glyph that it lacks is taken from the next family."""


@cache
def hangul_family(installed: Sequence[str] = INSTALLED) -> str:
    """Find a font that holds Hangul.

    Args:
        installed: Names to look for before the one of the package is taken.

    Returns:
        The name of a family that matplotlib knows from now on.
    """
    known = {font.name for font in font_manager.fontManager.ttflist}
    for name in installed:
        if name in known:
            return name
    if SHIPPED_NAME not in known:
        font_manager.fontManager.addfont(SHIPPED)
    return SHIPPED_NAME


def families() -> list[str]:
    """List the families of a figure's text.

    Returns:
        A family of Latin letters and one of Hangul, for ``font.family``.
    """
    return [LATIN, hangul_family()]


def use_hangul() -> None:
    """Let every figure of matplotlib draw Hangul, those of pyplot too."""
    import matplotlib as mpl

    mpl.rcParams["font.family"] = families()
    mpl.rcParams["axes.unicode_minus"] = False
