"""The pictures of a sweep or a search as files, for a slide or a paper.

The same figures as in its report, each with a title and what its colours mean, as PNG
and as SVG. In the SVG text stays text; the PNG needs a font that has the letters.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.lines import Line2D

from closecast.errors import SettingError
from closecast.experiments.sweep import Sweep, load_sweep
from closecast.reports.figures import ACCENT, DRAWING, INK, MUTED, WARM, Picture
from closecast.reports.language import ENGLISH, Words, words_of
from closecast.reports.sweep import (
    draw_curves,
    draw_errors,
    draw_heat,
    draw_history,
    draw_parallel,
    plane_of,
    read_curves,
)

FORMATS: dict[str, dict[str, str | None]] = {"png": {}, "svg": {"Date": None}}
"""Formats, and what keeps the time out of them: the same run, the same bytes."""

FILES = {
    "errors": "errors",
    "heat": "heat-map",
    "curves": "learning-curves",
    "history": "proposals",
    "parallel": "parallel-coordinates",
}
"""Name of each picture's file."""

DOTS_PER_INCH = 200

Sign = tuple[str, str, str]
"""A colour, a marker or a dash, and what it means."""


def write_sweep_pictures(
    run: Path,
    folder: Path,
    *,
    language: str = ENGLISH,
    families: Sequence[str] = ("DejaVu Sans",),
) -> list[Path]:
    """Draw a sweep or a search into files.

    Args:
        run: The run folder of a sweep or a search that is done.
        folder: Where the files go; made if absent, files of the same name are replaced.
        language: ``"en"`` or ``"ko"``.
        families: Fonts of the letters; a letter that one lacks is the next one's.

    Returns:
        The files: errors, heat-map and learning-curves of a grid, proposals of a
        search, and parallel-coordinates where two settings or more are varied.

    Raises:
        ModelError: A file of the run is missing or damaged.
        SettingError: There is no such language, or a file cannot be written.
    """
    words, sweep = words_of(language), load_sweep(run)
    fonts = {"font.family": list(families), "axes.unicode_minus": False}
    with mpl.rc_context({**DRAWING, **fonts}):  # type: ignore[dict-item]
        return [
            path
            for picture in _pictures(sweep, run, words)
            for path in _write(picture, folder, words)
        ]


def _pictures(sweep: Sweep, run: Path, words: Words) -> list[Picture]:
    pictures = []
    if sweep.search is None:
        plane = plane_of(sweep)
        pictures += [
            draw_errors(plane, sweep, words),
            draw_heat(plane, words),
            draw_curves(plane, read_curves(run), words),
        ]
    else:
        pictures.append(draw_history(sweep, words))
    if len(sweep.axes) > 1:
        pictures.append(draw_parallel(sweep, words))
    return pictures


def _write(picture: Picture, folder: Path, words: Words) -> list[Path]:
    figure = picture.figure
    title, signs = _signs(words)[picture.name]
    figure.suptitle(title, color=INK, fontsize=11)
    if signs:
        figure.legend(
            handles=[_handle(*sign) for sign in signs],
            loc="outside lower center",
            ncols=len(signs),
            labelcolor=INK,
        )
    paths = [folder / f"{FILES[picture.name]}.{kind}" for kind in FORMATS]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, undated in zip(paths, FORMATS.values(), strict=True):
            figure.savefig(path, dpi=DOTS_PER_INCH, metadata=undated, facecolor="white")
    except OSError as error:
        raise SettingError(
            f"Expected a folder that pictures can be written to, got {error} "
            f"({folder}). Give another one."
        ) from error
    return paths


def _signs(words: Words) -> dict[str, tuple[str, list[Sign]]]:
    train, validation = words.name("train"), words.name("validation")
    return {
        "errors": (
            words("sweep.errors"),
            [
                (MUTED, "s", train),
                (ACCENT, "s", validation),
                (WARM, "s", words("sweep.test_winner")),
            ],
        ),
        "heat": (words("sweep.heat"), [(WARM, "-", words("sweep.frame"))]),
        "curves": (
            words("sweep.curves"),
            [
                (MUTED, "--", train),
                (ACCENT, "-", validation),
                (WARM, ":", words("sweep.overfits")),
            ],
        ),
        "history": (
            words("search.proposals"),
            [
                (MUTED, "o", words("search.proposal")),
                (ACCENT, "-", words("search.best")),
            ],
        ),
        "parallel": (words("sweep.parallel"), [(WARM, "-", words("sweep.frame"))]),
    }


def _handle(colour: str, sign: str, meaning: str) -> Line2D:
    line = sign in {"-", "--", ":"}
    style: dict[str, Any] = {"linestyle": sign if line else ""}
    if not line:
        style["marker"] = sign
    return Line2D([], [], color=colour, label=meaning, **style)
