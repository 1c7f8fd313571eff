"""A picture of a walk forward: each fold's blocks as bars over time."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from closecast.errors import ModelError
from closecast.reports.figures import ACCENT, MUTED, WARM, canvas, inline
from closecast.reports.language import Words

FOLDS_FILE = "folds.json"

STYLES = {
    "train": (MUTED, ""),
    "validation": (WARM, "////"),
    "test": (ACCENT, ""),
}
"""Colour and hatch of each block: never told apart by colour alone."""


def draw_folds_of(folder: Path, words: Words) -> Markup:
    """Draw the folds of a run, if it walked forward.

    Args:
        folder: A run folder.
        words: The language.

    Returns:
        An ``<svg>``; nothing where the run has one split.

    Raises:
        ModelError: ``folds.json`` is damaged.
    """
    path = folder / FOLDS_FILE
    if not path.exists():
        return Markup()
    try:
        return draw_folds(json.loads(path.read_text(encoding="utf-8")), words)
    except (OSError, ValueError, TypeError, KeyError, IndexError) as error:
        raise ModelError(
            f"Expected a whole {FOLDS_FILE}, got a damaged one: {error!r} ({path}). "
            "Make the run again."
        ) from error


def draw_folds(plan: Mapping[str, Any], words: Words) -> Markup:
    """Draw the blocks of each fold over time, the oldest fold on top.

    Args:
        plan: What ``folds.json`` holds.
        words: The language.

    Returns:
        An ``<svg>``.
    """
    folds = plan["folds"]
    with canvas(7.2, 0.9 + 0.26 * len(folds)) as (figure, axes):
        for fold in folds:
            _bars(axes, fold)
        axes.set_ylim(len(folds) + 0.6, 0.4)
        axes.set_yticks([fold["number"] for fold in folds])
        axes.set_ylabel(words("folds.fold"))
        axes.xaxis_date()
        axes.grid(visible=True, axis="x")
        return inline(figure, "folds", _label(folds, words))


def _bars(axes: Axes, fold: Mapping[str, Any]) -> None:
    for name, (colour, hatch) in STYLES.items():
        first, last = (
            float(np.datetime64(fold[name][edge], "D").astype(np.int64))
            for edge in ("first", "last")
        )
        axes.barh(
            fold["number"],
            max(last - first, 1.0),
            left=first,
            height=0.62,
            facecolor=colour if not hatch else "none",
            edgecolor=colour,
            hatch=hatch,
            linewidth=0.8,
        )


def _label(folds: list[Mapping[str, Any]], words: Words) -> str:
    first, last = folds[0], folds[-1]
    return words(
        "folds.figure",
        count=len(folds),
        **{
            f"{block}_{edge}{mark}": fold[block][edge]
            for fold, mark in ((first, ""), (last, "_2"))
            for block in ("train", "test")
            for edge in ("first", "last")
        },
    )
