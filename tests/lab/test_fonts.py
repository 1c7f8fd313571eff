import io

import matplotlib as mpl
import numpy as np
import pytest
from fontTools.ttLib import TTFont
from matplotlib.figure import Figure

from closecast.lab import fonts

TEXT = "학습률 힝"

RARE = "쀓 뷁 꿿 힣"
"""Syllables that KS X 1001 leaves out."""


def drawn(text: str, family: list[str]) -> np.ndarray:
    """Draw a text into pixels; a glyph that is missing is a warning, so an error."""
    with mpl.rc_context({"font.family": family}):
        figure = Figure(figsize=(2, 1))
        figure.text(0.1, 0.5, text)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="rgba")
    return np.frombuffer(buffer.getvalue(), np.uint8)


def test_without_an_installed_font_hangul_is_drawn():
    """The font of the package serves where a machine has none."""
    family = fonts.hangul_family(())

    assert family == fonts.SHIPPED_NAME
    one = drawn(TEXT, [fonts.LATIN, family])
    assert not np.array_equal(one, drawn("확습률 힝", ["DejaVu Sans", family]))


def test_rare_syllables_are_drawn_too():
    """No glyph is missing, and each differs from the others."""
    family = [fonts.LATIN, fonts.SHIPPED_NAME]
    fonts.hangul_family(())

    pictures = {drawn(syllable, family).tobytes() for syllable in RARE.split()}

    assert len(pictures) == len(RARE.split())


def test_matplotlib_alone_would_draw_boxes():
    """The search above finds what it looks for: a glyph that is missing is told."""
    with pytest.warns(UserWarning, match="Glyph .* missing from"):
        drawn(TEXT, [fonts.LATIN])


def test_an_installed_font_comes_first():
    """Whoever has a font with Hangul sees that one."""
    assert fonts.hangul_family(("no such font", "DejaVu Serif")) == "DejaVu Serif"


def test_figures_of_pyplot_are_helped_too():
    """After use_hangul a student's own figure draws Hangul, and a minus."""
    with mpl.rc_context():
        fonts.use_hangul()
        assert mpl.rcParams["font.family"] == fonts.families()
        assert mpl.rcParams["axes.unicode_minus"] is False
        drawn("\N{MINUS SIGN}" + TEXT, mpl.rcParams["font.family"])


def test_the_font_may_be_passed_on():
    """It has every syllable of Unicode, its licence, and no reserved name."""
    font = TTFont(fonts.SHIPPED)
    names = " ".join(str(record) for record in font["name"].names)
    licence = fonts.SHIPPED.with_suffix(".OFL.txt").read_text()

    assert "Nanum" not in names
    assert "SIL Open Font License" in names
    assert "with Reserved Font Name Nanum" in licence
    assert set(range(0xAC00, 0xD7A4)) <= set(font.getBestCmap())
