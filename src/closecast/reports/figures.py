"""The figures of a report, as SVG that belongs into a page.

They are drawn on ``Figure`` objects, without pyplot and its global state. Colours
are the page's own variables, so a figure follows the theme it stands in; no text
of the data (a symbol) enters a drawing. The same values give the same bytes.

No forecast is ever drawn over the prices that came true: such a picture flatters
every model that repeats the last close.
"""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import RcKeyType

from closecast.reports.story import JUDGED, Epoch, Fan, Score

INK, MUTED, RULE = "#23272e", "#737980", "#c9ccd0"
ACCENT, WARM, GREEN, VIOLET = "#1d5fa6", "#b8560f", "#2c7a4b", "#7a4fa3"
VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    RULE: "--rule",
    ACCENT: "--accent",
    WARM: "--warm",
    GREEN: "--green",
    VIOLET: "--violet",
}
"""The page's variable behind each colour; the colour itself is the fallback."""

STYLES = (
    (WARM, "s", "-"), (GREEN, "^", "--"), (VIOLET, "D", ":"), (MUTED, "v", "-."),
    (GREEN, "P", "-"), (VIOLET, "X", "--"), (MUTED, "o", ":"), (WARM, "<", "-."),
    (VIOLET, ">", "-"),
)  # fmt: skip
"""Colour, marker and dash of each baseline: never told apart by colour alone."""

SIGNIFICANT = 0.05
"""A marker is filled where the Diebold-Mariano p-value lies below this."""

MONTHS = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)

MODEL_NAMES = {
    "zero": "last close",
    "drift": "drift",
    "moving_average": "moving average",
    "historical": "historical",
    "ewma_t": "EWMA-t",
    "har_t": "range-HAR-t",
    "garch_t": "GARCH-t",
    "gjr_t": "GJR-t",
    "ridge": "ridge",
}
"""What the reader knows a baseline by."""

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


def model_name(model: str) -> str:
    """Name a model as a reader knows it.

    Args:
        model: Its name in the scoreboard.

    Returns:
        Its name in tables and figures.
    """
    return MODEL_NAMES.get(model, model)


def draw_fan(fan: Fan, name: str) -> Markup:
    """Draw the last closes of a symbol and the fan that opens at the last.

    Args:
        fan: The closes and the forecast of one symbol.
        name: A name that no other figure of the page has.

    Returns:
        An ``<svg>``.
    """
    last = fan.steps[0].last_close
    ahead = [0, *(step.step for step in fan.steps)]
    bands = (("q05", "q95", 0.13), ("q10", "q90", 0.17), ("q25", "q75", 0.26))
    end = fan.steps[-1]
    label = (
        f"{fan.symbol}: {len(fan.closes)} closes up to {end.cutoff}, the last "
        f"{last:.6g}, and the forecast up to {end.date}: median {end.median:.6g}, "
        f"80 % interval {end.q10:.6g} to {end.q90:.6g}."
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
        _session_ticks(axes, fan)
        return inline(figure, name, label)


def _session_ticks(axes: Axes, fan: Fan) -> None:
    """Name the first, the middle and the last close, and the last session ahead."""
    count = len(fan.closes)
    marks = {index + 1 - count: fan.closes[index].date for index in range(count)}
    shown = sorted({1 - count, (1 - count) // 2, 0})
    places = [*shown, fan.steps[-1].step]
    dates = [*(marks[place] for place in shown), fan.steps[-1].date]
    axes.set_xticks(places, [_day(day) for day in dates])
    axes.get_xticklabels()[-1].set_color(ACCENT)
    axes.get_xticklabels()[-1].set_horizontalalignment("left")
    axes.get_xticklabels()[-2].set_horizontalalignment("right")
    axes.grid(axis="y")
    axes.margins(x=0.015)


def draw_skill(scores: Sequence[Score], measure: str, name: str) -> Markup:
    """Draw the skill of the judged model against each baseline, by horizon.

    Args:
        scores: The rows of the scoreboard.
        measure: ``"crps"`` (the distribution) or ``"rmse"`` (the mean).
        name: A name that no other figure of the page has.

    Returns:
        An ``<svg>``. A filled marker is a difference with p < ``SIGNIFICANT``.
    """
    judged = _rows(scores, JUDGED)
    skills = "skill_crps_vs" if measure == "crps" else "skill_rmse_vs"
    values = "dm_p_vs" if measure == "crps" else "dm_p_mean_vs"
    told = []
    with canvas(4.3, 2.8) as (figure, axes):
        axes.axhline(0, color=MUTED, linewidth=1.0)
        for place, baseline in enumerate(getattr(judged[0], skills)):
            colour, marker, dash = STYLES[place % len(STYLES)]
            points = [
                (row.horizon, 100 * skill, getattr(row, values).get(baseline))
                for row in judged
                if (skill := getattr(row, skills).get(baseline)) is not None
            ]
            if not points:
                continue
            steps, heights, _ = zip(*points, strict=True)
            told.append(f"{model_name(baseline)}: {_range(heights)} %")
            axes.plot(steps, heights, color=colour, linestyle=dash, linewidth=1.3)
            for filled in (False, True):
                _markers(axes, points, (colour, marker), filled=filled)
            axes.plot(
                [], [], color=colour, marker=marker, linestyle=dash, markersize=5,
                markerfacecolor="none", label=model_name(baseline),
            )  # fmt: skip
        _horizon_axis(axes, judged, f"skill in {measure.upper()}, %")
        label = f"Skill in {measure.upper()} by horizon. Against {'; '.join(told)}."
        return inline(figure, name, label)


def _markers(
    axes: Axes,
    points: Sequence[tuple[int, float, float | None]],
    style: tuple[str, str],
    *,
    filled: bool,
) -> None:
    """Set the markers of the significant (filled) or of the other points."""
    colour, marker = style
    chosen = [
        (step, height)
        for step, height, p in points
        if (p is not None and p < SIGNIFICANT) is filled
    ]
    axes.plot(
        [step for step, _ in chosen],
        [height for _, height in chosen],
        linestyle="none",
        marker=marker,
        markersize=5,
        color=colour,
        markerfacecolor=colour if filled else "none",
    )


def draw_coverage(scores: Sequence[Score], level: int, name: str) -> Markup:
    """Draw how often an interval held the close, by horizon, for every model.

    Args:
        scores: The rows of the scoreboard.
        level: 80 or 95, the share that the interval promises in percent.
        name: A name that no other figure of the page has.

    Returns:
        An ``<svg>``.
    """
    models = list(dict.fromkeys(score.model for score in scores))
    styles = iter(STYLES * len(models))
    seen = [float(level)]
    with canvas(4.3, 2.8) as (figure, axes):
        axes.axhline(
            level, color=INK, linewidth=1.1, linestyle=(0, (5, 3)), label="promised"
        )
        for model in models:
            judged = model == JUDGED
            colour, marker, dash = (ACCENT, "o", "-") if judged else next(styles)
            points = _coverage(_rows(scores, model), level)
            seen += [height for _, height in points]
            axes.plot(
                [step for step, _ in points],
                [height for _, height in points],
                color=colour, marker=marker, linestyle=dash,
                linewidth=2.2 if judged else 1.0, markersize=5.5 if judged else 3.5,
                alpha=1.0 if judged else 0.75, zorder=3 if judged else 2,
                label=model_name(model),
            )  # fmt: skip
        reach = max(3.0, *(1.25 * abs(height - level) for height in seen))
        axes.set_ylim(level - reach, level + reach)
        _horizon_axis(axes, _rows(scores, JUDGED), "closes inside, %")
        held = [height for _, height in _coverage(_rows(scores, JUDGED), level)]
        told = f"closecast {_range(held)} %" if held else "closecast not measured"
        label = f"Coverage of the {level} % interval by horizon: {told}."
        return inline(figure, name, label)


def _coverage(rows: Sequence[Score], level: int) -> list[tuple[int, float]]:
    shares = [(row.horizon, getattr(row, f"coverage_{level}")) for row in rows]
    return [(horizon, 100 * share) for horizon, share in shares if share is not None]


def draw_learning(epochs: Sequence[Epoch], best_epoch: int, name: str) -> Markup:
    """Draw the loss of training and validation by epoch.

    Args:
        epochs: The learning curve.
        best_epoch: The epoch whose weights were kept; it is marked.
        name: A name that no other figure of the page has.

    Returns:
        An ``<svg>``.
    """
    curves = (
        ("training", "train_loss", MUTED, "--", "s"),
        ("validation", "validation_loss", ACCENT, "-", "o"),
    )
    with canvas(5.0, 2.9) as (figure, axes):
        for label, field, colour, dash, marker in curves:
            points = [
                (row.epoch, loss)
                for row in epochs
                if (loss := getattr(row, field)) is not None
            ]
            axes.plot(
                [epoch for epoch, _ in points], [loss for _, loss in points],
                color=colour, linestyle=dash, marker=marker, markersize=3, label=label,
            )  # fmt: skip
        axes.axvline(best_epoch, color=WARM, linewidth=1.2, label="kept epoch")
        axes.set(xlabel="epoch", ylabel="loss")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y")
        axes.margins(x=0.03)
        _legend(axes)
        text = (
            f"Training and validation loss over {len(epochs)} epochs; "
            f"the weights of epoch {best_epoch} were kept."
        )
        return inline(figure, name, text)


def _rows(scores: Sequence[Score], model: str) -> list[Score]:
    rows = [score for score in scores if score.model == model]
    return sorted(rows, key=lambda score: score.horizon)


def _range(heights: Sequence[float]) -> str:
    return f"{min(heights):.1f} to {max(heights):.1f}"


def _day(day: date) -> str:
    return f"{day.day} {MONTHS[day.month - 1]}"


def _horizon_axis(axes: Axes, rows: Sequence[Score], label: str) -> None:
    axes.set_xticks([row.horizon for row in rows])
    axes.set(xlabel="sessions ahead", ylabel=label)
    axes.grid(axis="y")
    axes.margins(x=0.06, y=0.12)
    _legend(axes)


def _legend(axes: Axes) -> None:
    """Set the legend above the axes, where no line can run through it."""
    handles, _ = axes.get_legend_handles_labels()
    if not handles:
        return
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=min(len(handles), 3),
        columnspacing=1.4,
        handlelength=2.4,
        borderaxespad=0.2,
    )


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
