"""Small figures that stand side by side and wrap on a narrow screen.

Each is one axes with fixed margins: nothing is measured, so that they are quick to
draw, and words of any script fit, since the page's own fonts draw them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from closecast.reports.against import Point
from closecast.reports.evidence import Costs, PitShares
from closecast.reports.figures import ACCENT, DRAWING, INK, MUTED, PAPER, WARM, inline

MAX_TICKS = 6
TOLERANCE = 0.03
"""Half the width of the band around a promised coverage."""

Limits = tuple[float, float]


def limits_of(points: Sequence[Point]) -> Limits:
    """Find an axis that holds points, their intervals and zero.

    Args:
        points: What is drawn on it.

    Returns:
        Its lower and upper end, in percent.
    """
    ends = [0.0, *(100 * end for point in points for end in point.ends)]
    room = 0.08 * (max(ends) - min(ends)) or 1.0
    return min(ends) - room, max(ends) + room


def draw_points(
    places: Sequence[str],
    points: Sequence[Point | None],
    limits: Limits,
    axis: str,
    name: str,
    label: str,
) -> Markup:
    """Draw figures in percent with their intervals, and a line at zero.

    Args:
        places: What stands below each point.
        points: A point of each place, or None.
        limits: Ends of the axis, in percent.
        axis: What the places are; may be empty.
        name: A name that no other figure of the page has.
        label: What a reader who cannot see it is told.

    Returns:
        An ``<svg>``. A filled point has an interval off zero.
    """
    with _panel(2.5, 1.6, bottom=0.36 if axis else 0.22) as (figure, axes):
        axes.axhline(0, color=MUTED, linewidth=1.0)
        known = [(x, point) for x, point in enumerate(points) if point is not None]
        axes.plot(
            [x for x, _ in known],
            [100 * point.value for _, point in known],
            color=ACCENT,
            linewidth=0.8,
            alpha=0.5,
        )
        for x, point in known:
            if point.interval is not None:
                low, high = point.interval
                axes.vlines(x, 100 * low, 100 * high, color=ACCENT, linewidth=2.2)
            axes.plot(
                [x], [100 * point.value], "o", color=ACCENT, markersize=5.2,
                markerfacecolor=ACCENT if point.sure else PAPER, zorder=3,
            )  # fmt: skip
        axes.set_ylim(*limits)
        axes.set_xlim(-0.5, len(places) - 0.5)
        _ticks(axes, places)
        axes.set_xlabel(axis, fontsize=8.5, labelpad=2)
        return inline(figure, name, label)


def draw_pit(pit: PitShares, top: float, axis: str, name: str, label: str) -> Markup:
    """Draw the share of the closes in each tenth of the distribution.

    Args:
        pit: The shares of one step.
        top: End of the axis, a share.
        axis: What the bins are.
        name: A name that no other figure of the page has.
        label: What a reader who cannot see it is told.

    Returns:
        An ``<svg>``; the dashed line is where the bars are level.
    """
    with _panel(2.5, 1.5, bottom=0.36) as (figure, axes):
        count = len(pit.shares)
        axes.bar(
            range(1, count + 1),
            [100 * share for share in pit.shares],
            width=0.86,
            color=ACCENT,
            alpha=0.55,
        )
        axes.axhline(100 / count, color=INK, linewidth=1.0, linestyle=(0, (5, 3)))
        axes.set_ylim(0, 100 * top)
        axes.set_xticks([1, count // 2, count])
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.set_xlabel(axis, fontsize=8.5, labelpad=2)
        return inline(figure, name, label)


def draw_groups(
    groups: Sequence[tuple[str, float, float]], level: int, name: str, label: str
) -> Markup:
    """Draw the range of a coverage over the steps, a row for each group.

    Args:
        groups: Name, lowest and highest share of each.
        level: What the interval promises, in percent.
        name: A name that no other figure of the page has.
        label: What a reader who cannot see it is told.

    Returns:
        An ``<svg>`` with a band of 3 points around the promise.
    """
    height = 0.5 + 0.21 * len(groups)
    with _panel(2.9, height, left=1.05, bottom=0.25) as (figure, axes):
        axes.axvspan(
            level - 100 * TOLERANCE,
            level + 100 * TOLERANCE,
            color=MUTED,
            alpha=0.13,
            linewidth=0,
        )
        axes.axvline(level, color=INK, linewidth=1.0, linestyle=(0, (5, 3)))
        for y, (_, low, high) in enumerate(groups):
            off = max(abs(end - level / 100) for end in (low, high)) > TOLERANCE
            colour = WARM if off else ACCENT
            axes.hlines(y, 100 * low, 100 * high, color=colour, linewidth=3)
            axes.plot(
                [100 * low, 100 * high], [y, y], "D" if off else "o",
                linestyle="none", color=colour, markersize=3.6,
            )  # fmt: skip
        ends = [100 * end for _, *both in groups for end in both]
        reach = max(6.0, *(1.15 * abs(end - level) for end in ends))
        axes.set_xlim(level - reach, level + reach)
        axes.set_ylim(len(groups) - 0.5, -0.5)
        axes.set_yticks(range(len(groups)), [group for group, _, _ in groups])
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.grid(visible=False, axis="y")
        axes.grid(axis="x")
        return inline(figure, name, label)


def draw_lags(lags: Sequence[float | None], axis: str, name: str, label: str) -> Markup:
    """Draw the correlation of forecast changes with the changes of sessions before.

    Args:
        lags: One correlation a lag, from 0 on.
        axis: What the lags are.
        name: A name that no other figure of the page has.
        label: What a reader who cannot see it is told.

    Returns:
        An ``<svg>``.
    """
    with _panel(4.4, 1.9, bottom=0.36) as (figure, axes):
        axes.bar(
            range(len(lags)),
            [lag or 0.0 for lag in lags],
            width=0.5,
            color=[ACCENT, WARM, *[MUTED] * (len(lags) - 2)][: len(lags)],
        )
        axes.axhline(0, color=MUTED, linewidth=1.0)
        low = min([-0.1, *(lag for lag in lags if lag is not None)])
        axes.set_ylim(1.1 * low, 1.08)
        axes.set_xticks(range(len(lags)))
        axes.set_xlabel(axis, fontsize=8.5, labelpad=2)
        axes.yaxis.set_major_locator(MaxNLocator(5))
        return inline(figure, name, label)


def draw_costs(costs: Costs, axes_words: tuple[str, str], label: str) -> Markup:
    """Draw the edge that is left at each cost.

    Args:
        costs: The curve.
        axes_words: What stands below and beside it.
        label: What a reader who cannot see it is told.

    Returns:
        An ``<svg>``.
    """
    with _panel(4.0, 2.2, left=0.6, bottom=0.42) as (figure, axes):
        axes.axhline(0, color=MUTED, linewidth=1.0)
        axes.plot(
            [point.cost_bp for point in costs.points],
            [point.edge_bp for point in costs.points],
            color=ACCENT,
            marker="o",
            markersize=4,
            linewidth=1.6,
        )
        if costs.edge_interval_bp is not None:
            axes.vlines(0, *costs.edge_interval_bp, color=ACCENT, linewidth=2.2)
        axes.set_xlabel(axes_words[0])
        axes.set_ylabel(axes_words[1])
        axes.yaxis.set_major_locator(MaxNLocator(5))
        return inline(figure, "costs-curve", label)


def draw_sorted(values: Sequence[float], name: str, label: str) -> Markup:
    """Draw figures in percent from the lowest to the highest.

    Args:
        values: Figures, in any order.
        name: A name that no other figure of the page has.
        label: What a reader who cannot see it is told.

    Returns:
        An ``<svg>``.
    """
    with _panel(4.0, 2.0) as (figure, axes):
        axes.axhline(0, color=MUTED, linewidth=1.0)
        heights = sorted(100 * value for value in values)
        axes.fill_between(range(len(heights)), heights, color=ACCENT, alpha=0.35)
        axes.plot(range(len(heights)), heights, color=ACCENT, linewidth=1.4)
        axes.set_xticks([])
        axes.yaxis.set_major_locator(MaxNLocator(5))
        return inline(figure, name, label)


def _ticks(axes: Axes, places: Sequence[str]) -> None:
    every = -(-len(places) // MAX_TICKS)
    shown = range(0, len(places), every)
    axes.set_xticks(shown, [places[at] for at in shown])
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))


@contextmanager
def _panel(
    width: float, height: float, *, left: float = 0.38, bottom: float = 0.22
) -> Iterator[tuple[Figure, Axes]]:
    # all in inches; the top and the right keep room for half a tick label
    with mpl.rc_context({**DRAWING, "font.size": 8.5}):
        figure = Figure(figsize=(width, height))
        axes = figure.add_axes(
            (
                left / width,
                bottom / height,
                1 - (left + 0.06) / width,
                1 - (bottom + 0.08) / height,
            )
        )
        axes.grid(axis="y")
        yield figure, axes
