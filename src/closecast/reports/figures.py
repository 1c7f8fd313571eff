"""The figures of a report, as SVG that belongs into a page.

They are drawn on ``Figure`` objects, without pyplot and its global state. Colours
are the page's own variables, so a figure follows the theme it stands in; no text
of the data (a symbol) enters a drawing. The same values give the same bytes.

No forecast is ever drawn over the prices that came true: such a picture flatters
every model that repeats the last close.
"""

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import RcKeyType

from closecast.reports.language import Words
from closecast.reports.numbers import percent, span
from closecast.reports.story import JUDGED, Epoch, Fan, Score

INK, MUTED, RULE, PAPER = "#23272e", "#737980", "#c9ccd0", "#fbfaf8"
ACCENT, WARM, GREEN, VIOLET = "#1d5fa6", "#b8560f", "#2c7a4b", "#7a4fa3"
VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    RULE: "--rule",
    PAPER: "--paper",
    ACCENT: "--accent",
    WARM: "--warm",
    GREEN: "--green",
    VIOLET: "--violet",
}
"""The page's variable behind each colour; the colour itself is the fallback."""

STYLES = ((WARM, "s", "-"), (GREEN, "^", "--"), (VIOLET, "D", ":"), (MUTED, "v", "-."))
"""Colour, marker and dash of each baseline: never told apart by colour alone."""

SIGNS = ("\N{BLACK SQUARE}", "\N{BLACK UP-POINTING TRIANGLE}", "\N{BLACK DIAMOND}",
         "\N{BLACK DOWN-POINTING TRIANGLE}")  # fmt: skip
"""The markers of ``STYLES`` as a page's key writes them."""

DRAWING: dict[RcKeyType, Any] = {
    "svg.hashsalt": "closecast",
    "svg.fonttype": "none",
    "font.size": 9.5,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "axes.axisbelow": True,
    "figure.facecolor": "none",
    "grid.color": RULE,
    "grid.linewidth": 0.5,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "legend.frameon": False,
    "legend.fontsize": 9.0,
}


def draw_fan(fan: Fan, words: Words, name: str) -> Markup:
    """Draw the last closes of a symbol and the fan that opens at the last.

    Args:
        fan: The closes and the forecast of one symbol.
        words: The language.
        name: A name that no other figure of the page has.

    Returns:
        An ``<svg>``.
    """
    last = fan.steps[0].last_close
    ahead = [0, *(step.step for step in fan.steps)]
    bands = (("q05", "q95", 0.13), ("q10", "q90", 0.17), ("q25", "q75", 0.26))
    end = fan.steps[-1]
    label = words(
        "outlook.fan",
        symbol=fan.symbol,
        count=len(fan.closes),
        cutoff=end.cutoff,
        last=f"{last:.6g}",
        date=end.date,
        median=f"{end.median:.6g}",
        low=f"{end.q10:.6g}",
        high=f"{end.q90:.6g}",
    )
    with canvas(4.0, 2.6) as (figure, axes):
        past = range(1 - len(fan.closes), 1)
        axes.plot(past, [row.close for row in fan.closes], color=INK, linewidth=1.3)
        for low, high, alpha in bands:
            axes.fill_between(
                ahead,
                [last, *(getattr(step, low) for step in fan.steps)],
                [last, *(getattr(step, high) for step in fan.steps)],
                color=ACCENT,
                alpha=alpha,
                linewidth=0,
            )
        median = [last, *(step.median for step in fan.steps)]
        axes.plot(ahead, median, color=ACCENT, linewidth=1.6)
        axes.plot(ahead[1:], median[1:], "o", color=ACCENT, markersize=2.6)
        axes.axvline(0, color=MUTED, linewidth=0.7, linestyle=(0, (2, 3)))
        _session_ticks(axes, fan, words)
        return inline(figure, name, label)


def _session_ticks(axes: Axes, fan: Fan, words: Words) -> None:
    """Name the first, the middle and the last close, and the last session ahead."""
    count = len(fan.closes)
    marks = {index + 1 - count: fan.closes[index].date for index in range(count)}
    shown = sorted({1 - count, (1 - count) // 2, 0})
    places = [*shown, fan.steps[-1].step]
    dates = [*(marks[place] for place in shown), fan.steps[-1].date]
    axes.set_xticks(places, [words.day(day) for day in dates])
    axes.get_xticklabels()[-1].set_color(ACCENT)
    axes.get_xticklabels()[-1].set_horizontalalignment("left")
    axes.get_xticklabels()[-2].set_horizontalalignment("right")
    axes.grid(axis="y")
    axes.margins(x=0.015)


def draw_coverage(
    scores: Sequence[Score],
    level: int,
    beside: Sequence[str],
    words: Words,
    name: str,
) -> Markup:
    """Draw how often an interval held the close, by horizon.

    Args:
        scores: The rows of the scoreboard.
        level: 50, 80 or 95, the share that the interval promises in percent.
        beside: Baselines drawn beside the judged model, at most one a style.
        words: The language.
        name: A name that no other figure of the page has.

    Returns:
        An ``<svg>``.
    """
    seen = [float(level)]
    with canvas(2.9, 2.1) as (figure, axes):
        axes.axhline(level, color=INK, linewidth=1.1, linestyle=(0, (5, 3)))
        for model, style in (*zip(beside, STYLES, strict=False), (JUDGED, None)):
            colour, marker, dash = style or (ACCENT, "o", "-")
            points = _coverage(_rows(scores, model), level)
            seen += [height for _, height in points]
            axes.plot(
                [step for step, _ in points],
                [height for _, height in points],
                color=colour, marker=marker, linestyle=dash,
                linewidth=1.0 if style else 2.2, markersize=3.5 if style else 5.5,
                alpha=0.75 if style else 1.0,
            )  # fmt: skip
        reach = max(3.0, *(1.25 * abs(height - level) for height in seen))
        axes.set_ylim(level - reach, level + reach)
        axes.set_xticks([row.horizon for row in _rows(scores, JUDGED)])
        axes.set(xlabel=words("skill.sessions"), ylabel=words("coverage.inside"))
        axes.grid(axis="y")
        axes.margins(x=0.06, y=0.12)
        held = [row_share for _, row_share in _coverage(_rows(scores, JUDGED), level)]
        told = span([share / 100 for share in held], words, percent)
        label = words("coverage.figure", level=level, told=told)
        return inline(figure, name, label)


def _coverage(rows: Sequence[Score], level: int) -> list[tuple[int, float]]:
    shares = [(row.horizon, getattr(row, f"coverage_{level}")) for row in rows]
    return [(horizon, 100 * share) for horizon, share in shares if share is not None]


def draw_learning(
    epochs: Sequence[Epoch], best_epoch: int, words: Words, name: str
) -> Markup:
    """Draw the loss of training and validation by epoch.

    Args:
        epochs: The learning curve.
        best_epoch: The epoch whose weights were kept; it is marked.
        words: The language.
        name: A name that no other figure of the page has.

    Returns:
        An ``<svg>``.
    """
    curves = (
        ("train_loss", MUTED, "--", "s"),
        ("validation_loss", ACCENT, "-", "o"),
    )
    with canvas(5.0, 2.9) as (figure, axes):
        for field, colour, dash, marker in curves:
            points = [
                (row.epoch, loss)
                for row in epochs
                if (loss := getattr(row, field)) is not None
            ]
            axes.plot(
                [epoch for epoch, _ in points], [loss for _, loss in points],
                color=colour, linestyle=dash, marker=marker, markersize=3,
            )  # fmt: skip
        axes.axvline(best_epoch, color=WARM, linewidth=1.2)
        axes.set(xlabel=words("learning.epoch"), ylabel=words("learning.loss"))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y")
        axes.margins(x=0.03)
        text = words("learning.figure", count=len(epochs), epoch=best_epoch)
        return inline(figure, name, text)


def _rows(scores: Sequence[Score], model: str) -> list[Score]:
    rows = [score for score in scores if score.model == model]
    return sorted(rows, key=lambda score: score.horizon)


@contextmanager
def canvas(width: float, height: float) -> Iterator[tuple[Figure, Axes]]:
    """Open a figure that is drawn and saved under one style.

    Args:
        width: In inches.
        height: In inches.

    Yields:
        The figure and its axes.
    """
    with mpl.rc_context(DRAWING):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure, figure.add_subplot()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """A figure that may stand in a page, or be a file of its own.

    Attributes:
        figure: The figure.
        name: A name that no other figure of the page has.
        label: What it shows, in words.
    """

    figure: Figure
    name: str
    label: str

    def inline(self) -> Markup:
        """Turn it into an ``<svg>``; see ``inline``."""
        with mpl.rc_context(DRAWING):
            return inline(self.figure, self.name, self.label)


def inline(figure: Figure, name: str, label: str) -> Markup:
    """Turn a figure into an ``<svg>`` that can stand in a page beside others.

    The prologue, the metadata and the namespaces go; the ids get the figure's
    name in front; colours become the page's variables.

    Args:
        figure: A figure of ``canvas``.
        name: A name that no other figure of the page has.
        label: What it shows, in words.

    Returns:
        The ``<svg>``.
    """
    drawn = io.BytesIO()
    with warnings.catch_warnings():
        # text stays text: the reader's fonts draw it, whatever is installed here
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(drawn, format="svg", metadata={"Date": None}, transparent=True)
    svg = drawn.getvalue().decode()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<(metadata|style)\b.*?</\1>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(?:xlink:)?href="#', f'href="#{name}-', svg)
    svg = svg.replace("url(#", f"url(#{name}-")
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var({variable}, {colour})")
    box = re.search(r'viewBox="[^"]*"', svg)
    frame = box.group() if box else ""
    body = svg[svg.index(">") + 1 :].strip()
    return Markup(f'<svg {frame} role="img" aria-label="{escape(label)}">{body}')  # noqa: S704 - the label is escaped, the drawing is our own
