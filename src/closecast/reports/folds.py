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

FOLDS_FILE = "folds.json"

STYLES = {
    "train": (MUTED, "", "train"),
    "validation": (WARM, "////", "validate"),
    "test": (ACCENT, "", "test"),
}
"""Colour, hatch and word of each block: never told apart by colour alone."""


def draw_folds_of(folder: Path) -> Markup:
    """Draw the folds of a run, if it walked forward.

    Args:
        folder: A run folder.

    Returns:
        An ``<svg>``; nothing where the run has one split.

    Raises:
        ModelError: ``folds.json`` is damaged.
    """
    path = folder / FOLDS_FILE
    if not path.exists():
        return Markup()
    try:
        return draw_folds(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, IndexError) as error:
        raise ModelError(
            f"Expected a whole {FOLDS_FILE}, got a damaged one: {error!r} ({path}). "
            "Make the run again."
        ) from error


def draw_folds(plan: Mapping[str, Any]) -> Markup:
    """Draw the blocks of each fold over time, the oldest fold on top.

    Args:
        plan: What ``folds.json`` holds.

    Returns:
        An ``<svg>``.
    """
    folds = plan["folds"]
    with canvas(7.2, 0.9 + 0.26 * len(folds)) as (figure, axes):
        for fold in folds:
            _bars(axes, fold)
        axes.set_ylim(len(folds) + 0.6, 0.4)
        axes.set_yticks([fold["number"] for fold in folds])
        axes.set_ylabel("fold")
        axes.xaxis_date()
        axes.grid(visible=True, axis="x")
        axes.legend(
            *_legend(axes), loc="upper center", bbox_to_anchor=(0.5, 1.22), ncols=3
        )
        return inline(figure, "folds", _label(folds))


def _bars(axes: Axes, fold: Mapping[str, Any]) -> None:
    for name, (colour, hatch, word) in STYLES.items():
        first, last = (
            float(np.datetime64(fold[name][edge], "D").astype(np.int64))
            for edge in ("first", "last")
        )
        axes.barh(
            fold["number"],
            max(last - first, 1.0),
            left=first,
            height=0.62,
            label=word,
            facecolor=colour if not hatch else "none",
            edgecolor=colour,
            hatch=hatch,
            linewidth=0.8,
        )


def _legend(axes: Axes) -> tuple[list[Any], list[str]]:
    # one entry a block, not one a fold
    handles, words = axes.get_legend_handles_labels()
    by_word = dict(zip(words, handles, strict=True))
    return list(by_word.values()), list(by_word)


def _label(folds: list[Mapping[str, Any]]) -> str:
    first, last = folds[0], folds[-1]
    return (
        f"{len(folds)} folds. The first trains on cutoffs from "
        f"{first['train']['first']} to {first['train']['last']} and is tested from "
        f"{first['test']['first']} to {first['test']['last']}; the last trains from "
        f"{last['train']['first']} to {last['train']['last']} and is tested from "
        f"{last['test']['first']} to {last['test']['last']}."
    )
