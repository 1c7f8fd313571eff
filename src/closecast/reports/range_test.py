"""The picture of a learning-rate range test."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from closecast.errors import SettingError
from closecast.experiments.range_test import RangeTest
from closecast.reports.figures import ACCENT, DRAWING, RULE, WARM

UNDATED: dict[str, dict[str, str | None]] = {".svg": {"Date": None}, ".png": {}}
"""Formats, and what keeps the time out of them: same losses, same bytes."""

REACH = 1.5
"""The picture ends at this many times the loss of the lowest rate above the least."""


def write_picture(test: RangeTest, path: Path) -> None:
    """Draw losses by learning rate, the suggested rate marked.

    Args:
        test: What the range test found.
        path: Where to: an .svg or a .png.

    Raises:
        SettingError: The name ends otherwise, or the file cannot be written.
    """
    if path.suffix.lower() not in UNDATED:
        raise SettingError(
            f"Expected a picture named .svg or .png, got {path.name}. Name it so."
        )
    losses = np.array([np.nan if one is None else one for one in test.losses])
    known = losses[np.isfinite(losses)]
    top = known.min() + REACH * max(float(known[0] - known.min()), 1e-9)
    with mpl.rc_context({**DRAWING, "axes.edgecolor": RULE}):
        figure = Figure(figsize=(6.0, 3.0), layout="constrained", facecolor="white")
        axes = figure.subplots()
        axes.plot(test.rates, losses, "o-", color=ACCENT, markersize=3)
        axes.axvline(test.suggested, color=WARM, linestyle=":", linewidth=1.5)
        words = f" suggested: {test.suggested:.3g}"
        axes.text(test.suggested, top, words, color=WARM, va="top")
        losses_by_rate = zip(test.rates, test.losses, strict=True)
        gone = [rate for rate, loss in losses_by_rate if loss is None]
        axes.plot(gone, [top] * len(gone), "x", color=WARM, markersize=5)
        axes.set(xscale="log", xlabel="learning rate", ylabel="validation loss")
        axes.xaxis.set_major_formatter(lambda rate, _: f"{rate:g}")
        axes.set_ylim(known.min() - 0.05 * (top - known.min()), top)
        axes.grid(axis="y")
        try:
            figure.savefig(path, dpi=200, metadata=UNDATED[path.suffix.lower()])
        except OSError as error:
            raise SettingError(
                f"Expected a picture that can be written, got {error} ({path}). Give "
                "another path."
            ) from error
