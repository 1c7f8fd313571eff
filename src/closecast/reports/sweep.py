"""The report of a sweep: the verdict on its winner, and the pictures of the grid.

Only the winner has a test error: looking at the others' would choose on the test
block. Pictures show the first two varied settings, the others as the winner has
them. Like every report it asks nothing of the network and runs no script.
"""

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from closecast.durable import write_durably
from closecast.errors import ModelError
from closecast.experiments.members import MemberResult, Value
from closecast.experiments.run import DATA, read_json
from closecast.experiments.sweep import Sweep, load_sweep
from closecast.experiments.winner import SWEEP, Combination
from closecast.reports.figures import (
    ACCENT,
    DRAWING,
    INK,
    MUTED,
    RULE,
    WARM,
    Picture,
)
from closecast.reports.language import ENGLISH, Words, clauses_of, words_of
from closecast.reports.report import environment
from closecast.reports.sheet import tone_of
from closecast.training.checkpoint import METRICS

TEMPLATE = "sweep.html.j2"

MAX_SHOWN = 6
"""Values of a setting that a picture shows, evenly spaced, the winner's among them."""

MAX_ROWS = 50
"""Combinations and failures that a table lists."""

MAX_LINES = 300
"""Combinations that the parallel coordinates draw, evenly from best to worst."""

LOG_FROM = 20.0
"""Ratio of the largest to the least value from which an axis is logarithmic."""

LEAST_GAP = 0.08
"""Least distance of two words on an axis, as a share of its height."""

REACH = 3.0
"""Pictures end at this many times the least error or the middle loss: one wild member
must not flatten the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Losses of one member, one for each epoch."""

    train: tuple[float, ...]
    validation: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """The part of a grid that a picture shows.

    Attributes:
        across: Name and values of the setting from left to right.
        down: The same from top to bottom; a single None without a second setting.
        cells: Members of each pair (down, across), one for each seed.
        winner: The winner's pair.
    """

    across: tuple[str, tuple[Value, ...]]
    down: tuple[str, tuple[Value | None, ...]]
    cells: Mapping[tuple[Value | None, Value], tuple[MemberResult, ...]]
    winner: tuple[Value | None, Value]


def is_sweep(folder: Path) -> bool:
    """Tell whether a folder is a sweep's run.

    Args:
        folder: A run folder.

    Returns:
        True if a sweep ended there.
    """
    return (folder / SWEEP).exists()


def write_sweep_report(
    folder: Path, *, language: str = ENGLISH, out: Path | None = None
) -> Path:
    """Write report.html into a sweep's run folder.

    Args:
        folder: A sweep that is done.
        language: ``"en"`` or ``"ko"``.
        out: The page; ``report.html`` in the folder if None.

    Returns:
        The page.

    Raises:
        ModelError: A file of the run is missing or damaged.
        SettingError: There is no such language.
    """
    path = out or folder / "report.html"
    curves, data = read_curves(folder), read_json(folder / DATA)
    page = render_sweep(load_sweep(folder), curves, data, language=language)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, page.encode())
    return path


def render_sweep(
    sweep: Sweep,
    curves: Mapping[str, Curve],
    data: Mapping[str, Any],
    *,
    language: str = ENGLISH,
) -> str:
    """Write the report of a sweep.

    Args:
        sweep: The sweep.
        curves: Learning curve of each member that was trained.
        data: What ``data.json`` says of the prices.
        language: ``"en"`` or ``"ko"``.

    Returns:
        One HTML page. The same sweep gives the same text.

    Raises:
        SettingError: There is no such language.
    """
    words = words_of(language)
    search = sweep.search is not None
    return (
        environment(words)
        .get_template(TEMPLATE)
        .render(
            sweep=sweep,
            data=data,
            title=words(
                "search.title" if search else "sweep.title",
                settings=", ".join(sweep.axes),
            ),
            folds=max(one.fold or 1 for one in sweep.members),
            tone=tone_of(sweep.verdict),
            clauses=clauses_of(sweep.verdict),
            **({} if search else _grid_pictures(sweep, curves, words)),
            history=draw_history(sweep, words).inline() if search else None,
            parallel=draw_parallel(sweep, words).inline()
            if len(sweep.axes) > 1
            else None,
            luck=[_luck_row(one, words) for one in sweep.luck],
            combinations=[_row(one) for one in sweep.combinations[:MAX_ROWS]],
            hidden=max(0, len(sweep.combinations) - MAX_ROWS),
            failed=[one for one in sweep.members if one.diverged][:MAX_ROWS],
            num_failed=sum(one.diverged is not None for one in sweep.members),
            fixed=_fixed(sweep, words),
        )
    )


def _grid_pictures(
    sweep: Sweep, curves: Mapping[str, Curve], words: Words
) -> dict[str, Markup]:
    plane = plane_of(sweep)
    return {
        "errors": draw_errors(plane, sweep, words).inline(),
        "heat": draw_heat(plane, words).inline(),
        "facets": draw_curves(plane, curves, words).inline(),
    }


def plane_of(sweep: Sweep) -> Plane:
    """Choose what the pictures show of a grid.

    Args:
        sweep: The sweep.

    Returns:
        Its first two settings; the others are the winner's.
    """
    winner = next(one for one in sweep.members if one.name == sweep.winner)
    down, *more = [name for name in sweep.axes if len(sweep.axes[name]) > 1] or list(
        sweep.axes
    )
    across, down = (more[0], down) if more else (down, "")
    columns = _spaced(sweep.axes[across], winner.values[across])
    rows = _spaced(sweep.axes[down], winner.values[down]) if down else (None,)
    cells: dict[tuple[Value | None, Value], tuple[MemberResult, ...]] = {}
    for one in sweep.members:
        others = {n: v for n, v in one.values.items() if n not in {across, down}}
        if all(winner.values[name] == value for name, value in others.items()):
            key = (one.values.get(down), one.values[across])
            cells[key] = (*cells.get(key, ()), one)
    return Plane(
        across=(across, columns),
        down=(down, rows),
        cells=cells,
        winner=(winner.values.get(down), winner.values[across]),
    )


def draw_errors(plane: Plane, sweep: Sweep, words: Words) -> Picture:
    """Draw bars of the errors by the two settings, the winner's test error beside.

    Args:
        plane: What is shown.
        sweep: The sweep, for the winner's test error.
        words: The language.

    Returns:
        The picture.
    """
    (_, columns), (_, rows) = plane.across, plane.down
    kinds = (("train_crps", MUTED), ("validation_crps", ACCENT))
    seen = [sweep.test_crps]
    tips: list[tuple[Axes, float, float]] = []
    with _panels(1, len(rows), 2.0) as (figure, panels):
        for row, axes in zip(rows, panels[0], strict=True):
            for place, (field, colour) in enumerate(kinds):
                stats = [_mean_sd(_values(plane, row, one, field)) for one in columns]
                known = [
                    (x, mean) for x, (mean, _) in enumerate(stats) if mean is not None
                ]
                seen += [mean for _, mean in known]
                tips += [(axes, x + (place - 1) * 0.27, mean) for x, mean in known]
                _bars(axes, (place - 1) * 0.27, stats, colour)
            if row == plane.winner[0]:
                at = columns.index(plane.winner[1]) + 0.27
                axes.bar([at], [sweep.test_crps], 0.25, color=WARM)
            _name_axes(axes, plane, row)
        top = min(max(seen), REACH * min(seen))
        for axes in panels[0]:
            axes.set_ylim(0, 1.08 * top)
        for axes, x, mean in tips:
            if mean > 1.08 * top:  # what the bar does not show, in figures
                axes.text(x, 1.06 * top, f"{mean:.3g}", va="top", **UPRIGHT)
        panels[0][0].set_ylabel(words("skill.crps_vol"))
        label = words(
            "sweep.errors_figure",
            settings=_settings(plane),
            error=f"{sweep.test_crps:.4g}",
        )
        return Picture(figure=figure, name="errors", label=label)


def draw_heat(plane: Plane, words: Words) -> Picture:
    """Draw a map of the validation loss with its spread over seeds.

    Args:
        plane: What is shown.
        words: The language.

    Returns:
        The picture. Darker is better; the winner has a frame.
    """
    (across, columns), (down, rows) = plane.across, plane.down
    stats = {
        (row, column): _mean_sd(_values(plane, row, column, "validation_loss"))
        for row in rows
        for column in columns
    }
    order = sorted(mean for mean, _ in stats.values() if mean is not None)
    with _panels(1, 1, 0.5 + 0.45 * len(rows), 1.1 * len(columns)) as (figure, panels):
        axes = panels[0][0]
        for y, row in enumerate(rows):
            for x, column in enumerate(columns):
                mean, spread = stats[row, column]
                if mean is not None:
                    share = 1 - order.index(mean) / max(1, len(order) - 1)
                    axes.add_patch(
                        Rectangle((x, y), 1, 1, color=ACCENT, alpha=0.05 + 0.4 * share)
                    )
                axes.text(
                    x + 0.5,
                    y + 0.5,
                    _cell(mean, spread, words),
                    ha="center",
                    va="center",
                )
                if (row, column) == plane.winner:
                    axes.add_patch(
                        Rectangle(
                            (x, y),
                            1,
                            1,
                            fill=False,
                            edgecolor=WARM,
                            linewidth=2,
                            clip_on=False,
                        )
                    )
        axes.set(
            xlim=(0, len(columns)), ylim=(len(rows), 0), xlabel=across, ylabel=down
        )
        axes.set_xticks(np.arange(len(columns)) + 0.5, [_text(one) for one in columns])
        axes.set_yticks(np.arange(len(rows)) + 0.5, [_text(one) for one in rows])
        for side in axes.spines.values():
            side.set_visible(False)
        label = words("sweep.heat_figure", settings=_settings(plane))
        return Picture(figure=figure, name="heat", label=label)


def draw_curves(plane: Plane, curves: Mapping[str, Curve], words: Words) -> Picture:
    """Draw the losses by epoch, a facet for each combination, a line for each seed.

    Args:
        plane: What is shown.
        curves: Learning curve of each member that was trained.
        words: The language.

    Returns:
        The picture. A vertical line is the epoch after which the validation loss no
        longer fell, the median over seeds, where the training went on beyond it.
    """
    (_, columns), (_, rows) = plane.across, plane.down
    low, high = _loss_range(plane, curves)
    with _panels(len(rows), len(columns), 1.5) as (figure, panels):
        for row, line in zip(rows, panels, strict=True):
            for column, axes in zip(columns, line, strict=True):
                members = plane.cells.get((row, column), ())
                _facet(axes, members, curves, high, words)
                if (row, column) == plane.winner:
                    for side in axes.spines.values():
                        side.set_color(WARM)
                axes.set_title(_cell_name(plane, row, column), fontsize=8)
                axes.set_ylim(low, high)
                axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=4))
                axes.set(xlabel=words("learning.epoch"), ylabel=words("learning.loss"))
                axes.label_outer()
        label = words(
            "sweep.curves_figure",
            count=len(rows) * len(columns),
            settings=_settings(plane),
        )
        return Picture(figure=figure, name="curves", label=label)


UPRIGHT: dict[str, Any] = {
    "ha": "center", "rotation": 90, "color": "white", "fontsize": 7.5,
}  # fmt: skip
"""Text inside a bar."""


def _facet(
    axes: Axes,
    members: Sequence[MemberResult],
    curves: Mapping[str, Curve],
    high: float,
    words: Words,
) -> None:
    trained = [one for one in members if one.name in curves]
    for part, colour, dash in (("train", MUTED, "--"), ("validation", ACCENT, "-")):
        for one in trained:
            losses = getattr(curves[one.name], part)
            epochs = range(1, len(losses) + 1)
            axes.plot(epochs, losses, color=colour, linestyle=dash, linewidth=0.9)
    if len(trained) < len(members):
        text = words("sweep.num_diverged", count=len(members) - len(trained))
        axes.text(0.5, 0.5, text, ha="center", transform=axes.transAxes, color=WARM)
    best, least = overfitting_epoch(trained), _least(trained, curves)
    if least > high:
        text = words("sweep.above", loss=f"{least:.3g}")
        axes.text(0.5, 0.5, text, ha="center", transform=axes.transAxes, color=MUTED)
    elif best is not None:
        axes.axvline(best, color=WARM, linestyle=":", linewidth=1.3)
    axes.grid(axis="y")


def _least(members: Sequence[MemberResult], curves: Mapping[str, Curve]) -> float:
    losses = [
        loss
        for one in members
        for loss in (*curves[one.name].train, *curves[one.name].validation)
    ]
    return min(losses, default=-np.inf)


def draw_history(sweep: Sweep, words: Words) -> Picture:
    """Draw the loss of each proposal in the order they were made, and the best so far.

    Args:
        sweep: A search.
        words: The language.

    Returns:
        The picture. Losses far above the rest lie on the upper edge.
    """
    losses = np.array([_mean_loss(one) for one in _in_order(sweep)])
    numbers = np.arange(1, len(losses) + 1)
    known = losses[np.isfinite(losses)]
    low, middle = known.min(), np.median(known)
    top = (
        min(known.max(), low + REACH * (middle - low)) if middle > low else known.max()
    )
    with _panels(1, 1, 2.2, 6.0) as (figure, panels):
        axes = panels[0][0]
        shown = np.minimum(losses, top)
        axes.plot(numbers, shown, "o", color=MUTED, markersize=3)
        best = np.fmin.accumulate(losses)
        axes.step(numbers, best, where="post", color=ACCENT)
        axes.set(xlabel=words("search.proposal"), ylabel=words("sweep.loss"))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y")
        label = words("search.figure", count=len(losses), best=f"{low:.5g}")
        return Picture(figure=figure, name="history", label=label)


def draw_parallel(sweep: Sweep, words: Words) -> Picture:
    """Draw each combination as a line through its settings to its validation loss.

    Args:
        sweep: A sweep or a search of two settings at least.
        words: The language.

    Returns:
        The picture. Darker is better, the winner's line stands out; what diverged
        is not drawn.
    """
    trained = [one for one in sweep.combinations if one.mean_loss is not None]
    drawn = [trained[at] for at in _spread(len(trained), MAX_LINES)]
    winner = next(one for one in sweep.members if one.name == sweep.winner).values
    names = [*sweep.axes, words("sweep.loss")]
    columns = [_positions([one.values[name] for one in drawn]) for name in sweep.axes]
    columns.append(_positions([_mean_loss(one) for one in drawn]))
    with _panels(1, 1, 2.8, max(4.5, 1.5 * len(names))) as (figure, panels):
        axes = panels[0][0]
        for place in reversed(range(len(drawn))):  # the best on top
            heights = [heights[place] for heights, _ in columns]
            won = drawn[place].values == winner
            shade = 0.1 + 0.6 * (1 - place / max(1, len(drawn) - 1)) ** 2
            colour, alpha = (WARM, 1.0) if won else (ACCENT, shade)
            width = 2.2 if won else 1.0
            axes.plot(heights, color=colour, alpha=alpha, linewidth=width)
        for at, (_, ticks) in enumerate(columns):
            axes.axvline(at, color=RULE, linewidth=1, zorder=0)
            for height, text in ticks:
                axes.text(at + 0.03, height, text, fontsize=7.5, va="center", color=INK)
        axes.set_xticks(range(len(names)), names)
        axes.set(xlim=(-0.1, len(names) - 0.6), ylim=(-0.05, 1.05), yticks=[])
        label = words("sweep.parallel_figure", count=len(drawn), names=", ".join(names))
        return Picture(figure=figure, name="parallel", label=label)


def _positions(
    values: Sequence[Value],
) -> tuple[list[float], list[tuple[float, str]]]:
    # heights in [0, 1] of some values, and what an axis says at some heights
    numbers = [one for one in values if isinstance(one, int | float)]
    if len(numbers) < len(values) or any(isinstance(one, bool) for one in values):
        names = sorted({str(one) for one in values})
        rank = {name: at / max(1, len(names) - 1) for at, name in enumerate(names)}
        return [rank[str(one)] for one in values], [(h, n) for n, h in rank.items()]
    low, high = min(numbers), max(numbers)
    log = low > 0 and high / low >= LOG_FROM
    scale = np.log if log else np.asarray
    span = float(scale(high) - scale(low)) or 1.0
    height = {n: float(scale(n) - scale(low)) / span for n in sorted(set(numbers))}
    ticks: list[tuple[float, str]] = []
    for number, at in height.items():
        if at == 1.0 and len(ticks) > 1 and at - ticks[-1][0] < LEAST_GAP:
            ticks.pop()  # both ends are named
        if not ticks or at - ticks[-1][0] >= LEAST_GAP:
            ticks.append((at, f"{number:.4g}"))
    return [height[one] for one in numbers], ticks


def _spread(count: int, most: int) -> list[int]:
    places = np.linspace(0, count - 1, min(count, most))
    return sorted({round(at) for at in places})


def _mean_loss(one: Combination) -> float:
    return np.nan if one.mean_loss is None else one.mean_loss


def _in_order(sweep: Sweep) -> list[Combination]:
    # combinations as they were proposed; they are kept best first
    order = {tuple(one.values.values()): None for one in sweep.members}
    found = {tuple(one.values.values()): one for one in sweep.combinations}
    return [found[key] for key in order]


def overfitting_epoch(members: Sequence[MemberResult]) -> float | None:
    """Find the epoch after which the validation loss no longer fell.

    Args:
        members: Seeds of one combination that were trained.

    Returns:
        The median of their best epochs; None if at least half of them were still
        getting better when they ended.
    """
    pairs = [(one.best_epoch or 0, one.epochs or 0) for one in members]
    past = [best < epochs for best, epochs in pairs]
    if not pairs or 2 * sum(past) <= len(past):
        return None
    return float(statistics.median(best for best, _ in pairs))


def _loss_range(plane: Plane, curves: Mapping[str, Curve]) -> tuple[float, float]:
    names = [one.name for cell in plane.cells.values() for one in cell]
    losses = np.array(
        [
            loss
            for name in names
            if name in curves
            for loss in (*curves[name].train, *curves[name].validation)
        ]
    )
    low, middle, high = losses.min(), np.median(losses), losses.max()
    top = min(high, low + REACH * (middle - low)) if middle > low else high
    room = 0.05 * (top - low) or 1.0
    return float(low - room), float(top + room)


def _bars(
    axes: Axes,
    shift: float,
    stats: Sequence[tuple[float | None, float | None]],
    colour: str,
) -> None:
    shown = [
        (x, mean, sd or 0.0) for x, (mean, sd) in enumerate(stats) if mean is not None
    ]
    axes.bar(
        [x + shift for x, _, _ in shown],
        [mean for _, mean, _ in shown],
        0.25,
        yerr=[sd for _, _, sd in shown],
        color=colour,
        ecolor=INK,
        error_kw={"linewidth": 0.8},
    )


def _name_axes(axes: Axes, plane: Plane, row: Value | None) -> None:
    (across, columns), (down, _) = plane.across, plane.down
    axes.set_xticks(range(len(columns)), [_text(one) for one in columns])
    axes.set_xlabel(across)
    if down:
        axes.set_title(f"{down} {_text(row)}", fontsize=9.5)
    axes.grid(axis="y")
    axes.label_outer()


def _values(
    plane: Plane, row: Value | None, column: Value, field: str
) -> list[float | None]:
    # a seed counts once: its mean over the folds, None where one of them diverged
    by_seed: dict[int, list[float | None]] = {}
    for one in plane.cells.get((row, column), ()):
        by_seed.setdefault(one.seed, []).append(getattr(one, field))
    return [_mean_sd(folds)[0] for folds in by_seed.values()]


def _mean_sd(
    values: Sequence[float | None],
) -> tuple[float | None, float | None]:
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):  # a diverged seed spoils its mean
        return None, None
    return statistics.fmean(known), statistics.stdev(known) if known[1:] else None


def _cell(mean: float | None, spread: float | None, words: Words) -> str:
    if mean is None:
        return words("sweep.diverged")
    return f"{mean:.4g}" + (
        "" if spread is None else f"\n\N{PLUS-MINUS SIGN}{spread:.2g}"
    )


def _cell_name(plane: Plane, row: Value | None, column: Value) -> str:
    name = f"{plane.across[0]} {_text(column)}"
    return f"{plane.down[0]} {_text(row)}\n{name}" if plane.down[0] else name


def _settings(plane: Plane) -> str:
    return " and ".join(filter(None, (plane.down[0], plane.across[0])))


def _spaced(values: Sequence[Value], kept: Value) -> tuple[Value, ...]:
    if len(values) <= MAX_SHOWN:
        return tuple(values)
    places = {round(at) for at in np.linspace(0, len(values) - 1, MAX_SHOWN - 1)}
    return tuple(values[at] for at in sorted(places | {values.index(kept)}))


def _text(value: Value | None) -> str:
    return (
        f"{value:g}"
        if isinstance(value, float)
        else ""
        if value is None
        else str(value)
    )


def _row(one: Combination) -> dict[str, object]:
    losses = {
        name: "\N{EN DASH}" if value is None else f"{value:.5g}"
        for name, value in (
            ("mean", one.mean_loss),
            ("sd", one.sd_loss),
            ("worst", one.worst_loss),
        )
    }
    values = [_text(value) for value in one.values.values()]
    return {"values": values, **losses, "seeds": one.seeds, "diverged": one.diverged}


def _luck_row(one: Mapping[str, Any], words: Words) -> dict[str, object]:
    overfitting, in_set = one["overfitting"], one["in_set"]
    unknown = words("luck.unknown")
    names = {
        "crps": words("luck.crps"),
        "squared_error": words("luck.squared_error"),
    }
    return {
        "name": names[one["score"]],
        "chance": _percent(one["chance_of_luck"], unknown),
        "overfitting": _percent(overfitting and overfitting["probability"], unknown),
        "spa": [
            {
                "benchmark": test["benchmark"],
                "p": unknown if test["spa_p"] is None else f"{test['spa_p']:.2f}",
            }
            for test in one["superiority"]
        ],
        "in_set": unknown
        if in_set is None
        else words("luck.held", held=len(in_set), of=one["set_of"]),
        "excluded": one["excluded"],
    }


def _percent(share: float | None, unknown: str) -> str:
    return unknown if share is None else f"{share:.0%}"


def _fixed(sweep: Sweep, words: Words) -> list[tuple[str, str]]:
    settings = sweep.forecaster.settings.to_dict()
    return [
        (name, words("numbers.none") if value is None else _text(value))
        for name, value in settings.items()
        if name not in {*sweep.axes, "seed"}
    ]


def read_curves(folder: Path) -> dict[str, Curve]:
    """Read the learning curves of a sweep.

    Args:
        folder: Its run folder.

    Returns:
        The curve of each member that was trained.

    Raises:
        ModelError: The file is missing or damaged.
    """
    path, losses = folder / METRICS, dict[str, list[tuple[float, float]]]()
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            epoch = json.loads(line)
            pair = (epoch["train_loss"], epoch["validation_loss"])
            losses.setdefault(epoch["member"], []).append(pair)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"Expected the losses of a sweep, got none that can be read ({path}: "
            f"{error}). Run the sweep again."
        ) from error
    return {
        name: Curve(
            train=tuple(train for train, _ in pairs),
            validation=tuple(validation for _, validation in pairs),
        )
        for name, pairs in losses.items()
    }


@contextmanager
def _panels(
    rows: int, columns: int, height: float, width: float | None = None
) -> Iterator[tuple[Figure, list[list[Axes]]]]:
    # one style for all, and room for a legend above
    with mpl.rc_context({**DRAWING, "axes.edgecolor": RULE}):
        across = width or max(4.5, min(9.0, 1.9 * columns))
        figure = Figure(
            figsize=(across + 0.6, height * rows + 0.7), layout="constrained"
        )
        grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
        yield figure, [list(line) for line in grid]
