"""Figures of the lab: drawn by matplotlib, shown as SVG, never without words.

A figure is shown with a text that says what is to be seen. Its own text stays text, so
that the reader's fonts draw it; where it becomes pixels, ``closecast.lab.fonts`` sees
to it that Hangul has glyphs.
"""

import hashlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from cycler import cycler
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.typing import RcKeyType

from closecast.errors import SettingError
from closecast.lab.fonts import families
from closecast.lab.play import ON_PAGE, RECORD
from closecast.reports.figures import (
    ACCENT,
    DRAWING,
    GREEN,
    INK,
    MUTED,
    PAPER,
    VIOLET,
    WARM,
    inline,
)

PIXELS_PER_INCH = 110
"""Of a figure on a wide screen: its letters are then about as large as the text's."""

COLOURS = (ACCENT, WARM, GREEN, VIOLET, MUTED)


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure and what is to be seen in it.

    Attributes:
        figure: The figure of matplotlib.
        alt: What it shows, in words.
    """

    figure: Figure
    alt: str

    @property
    def svg(self) -> Markup:
        """The figure as an ``<svg>`` for a page, the words as its label."""
        name = "figure-" + hashlib.sha256(self.alt.encode()).hexdigest()[:8]
        for text in self.figure.findobj(Text):  # what was written after ``canvas``
            if text.get_color() == mpl.rcParamsDefault["text.color"]:
                text.set_color(INK)
        with mpl.rc_context(_style()):
            drawn = inline(self.figure, name, self.alt)
        width = self.figure.get_figwidth() * PIXELS_PER_INCH
        style = Markup('<svg style="max-width:{:.0f}px" ').format(width)
        return style + Markup(drawn.removeprefix("<svg "))  # noqa: S704  safe above

    def save(self, path: str | Path) -> Path:
        """Write the figure into a file.

        Args:
            path: A name that ends in ``.png``, ``.svg`` or ``.pdf``.

        Returns:
            The path.

        Raises:
            SettingError: The name ends otherwise.
        """
        path = Path(path)
        if path.suffix not in {".png", ".svg", ".pdf"}:
            raise SettingError(
                f"Expected a name that ends in .png, .svg or .pdf, got {path.name!r}. "
                "Rename it."
            )
        with mpl.rc_context({**_style(), "svg.fonttype": "path"}):
            self.figure.savefig(path, dpi=200, facecolor=PAPER)
        return path

    def _repr_html_(self) -> str:
        return f'<div style="background:{PAPER};padding:8px">{self.svg}</div>'

    def __repr__(self) -> str:
        return self.alt


def canvas(
    rows: int = 1, columns: int = 1, *, width: float = 4.7, height: float = 2.8
) -> tuple[Figure, Any]:
    """Open a figure in the lab's style, as ``plt.subplots`` does.

    Args:
        rows: Rows of axes.
        columns: Columns of axes.
        width: Of the figure, in inches.
        height: Of the figure, in inches.

    Returns:
        The figure, and its axes: one, or an array of them.
    """
    with mpl.rc_context(_style()):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots(rows, columns)


def show(figure: Figure, alt: str) -> Picture:
    """Show a figure with its words: in a notebook, or on the page that runs a lesson.

    Args:
        figure: A figure of ``canvas``.
        alt: What it shows, for those who cannot see it.

    Returns:
        The picture, which can be saved.
    """
    picture = Picture(figure, alt)
    if os.environ.get(ON_PAGE):
        record = {"svg": str(picture.svg), "alt": alt}
        sys.stdout.write(f"{RECORD}{json.dumps(record)}\n")
    return picture


def _style() -> dict[RcKeyType, Any]:
    return {
        **DRAWING,
        "font.family": families(),
        "axes.prop_cycle": cycler(color=COLOURS),
    }
