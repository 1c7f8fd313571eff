"""The parts of a tear sheet: which tables and figures a story gives, in what order.

A part that the story has nothing for is empty and left out of the page.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from markupsafe import Markup

from closecast.evaluation.verdict import DENSITY_BASELINES, MAX_P, MEAN_BASELINES
from closecast.reports.against import Against, Point, compare, judged_rows
from closecast.reports.evidence import Covered, Evidence, PathCovered, Ranked, Sliced
from closecast.reports.figures import (
    SIGNS,
    STYLES,
    draw_coverage,
    draw_fan,
    draw_learning,
)
from closecast.reports.language import Words, clauses_of
from closecast.reports.numbers import number, p_value, percent, signed, span
from closecast.reports.panels import (
    TOLERANCE,
    draw_costs,
    draw_groups,
    draw_lags,
    draw_pit,
    draw_points,
    draw_sorted,
    limits_of,
)
from closecast.reports.story import Fan, Score, Story

NAMED_SYMBOLS = 6
"""Symbols named in the title; of more only the number is told."""

SHOWN_FANS = 12
"""Symbols whose next closes are drawn; of a panel the others are in the file."""

SHOWN_SLICES = 20
"""Symbols in a table; of more the lowest and the highest are shown."""

LEVELS = (50, 80, 95)
SIGNIFICANT = 0.05
LOWEST_PIT_TOP = 0.15

COPY_LAGS = ("change_lag_0", "change_lag_1", "change_lag_2", "change_lag_3")
PERFECT_COPY = {
    "change_lag_1": 1,
    "level_slope": 1,
    "level_r2": 1,
    "theil_u2": 1,
    "spread_share": 0,
}
"""What a forecast shows that is the last close and nothing else."""


def sheet_of(story: Story, words: Words) -> dict[str, Any]:
    """Lay a story out.

    Args:
        story: What the run found.
        words: The language.

    Returns:
        What the template asks for, by name.
    """
    density, mean = (compare(story.scores, name) for name in ("crps", "rmse"))
    shown = story.fans[:SHOWN_FANS]
    return {
        "title": _title(story, words),
        "tone": tone_of(
            story.verdict, leak=any(test.passed is False for test in story.leak_tests)
        ),
        "clauses": clauses_of(story.verdict),
        "alarms": [one for one in story.why if one.startswith("Alarm")],
        "failed": [test for test in story.leak_tests if test.passed is False],
        "reasons": _reasons(story, density, mean, words),
        "largest_p": f"{MAX_P:g}",
        "glance": list(_glance(story, density, mean, words)),
        "fans": [
            (fan, draw_fan(fan, words, f"fan{at}")) for at, fan in enumerate(shown)
        ],
        "hidden_fans": len(story.fans) - len(shown),
        "outlooks": _outlooks(shown),
        "skills": [
            _skill_panels(density, "crps", words),
            _skill_panels(mean, "rmse", words),
        ],
        "expects": _expects(story.scores, words),
        "members": _members(story.scores),
        "horizons": [
            (horizon, rows, _best(rows)) for horizon, rows in _by_horizon(story.scores)
        ],
        "learning_figure": draw_learning(
            story.epochs, story.best_epoch, words, "learning"
        ),
        **_coverage(story, words),
        "path_rows": [(one, _is_off(one)) for one in story.evidence.path_coverage],
        **_pits(story.evidence, words),
        **_slices(story.evidence.slices, words),
        **_ranking(story.evidence.ranking, words),
        **_costs(story.evidence, words),
        **_copycat(story.copycat.figures, words),
    }


def _title(story: Story, words: Words) -> str:
    names = [fan.symbol for fan in story.fans]
    if len(names) > NAMED_SYMBOLS:
        whose = words("page.symbols", count=len(names))
    elif len(names) > 1:
        whose = words("page.list", first=", ".join(names[:-1]), last=names[-1])
    else:
        whose = names[0]
    key = "page.title_single" if story.horizon == 1 else "page.title"
    return words(key, whose=whose, number=words.number(story.horizon))


def tone_of(verdict: str, *, leak: bool = False) -> str:
    """Choose the edge of a verdict's box; its words and size stay the same.

    Args:
        verdict: The verdict, in English.
        leak: Whether a leak test failed.

    Returns:
        ``"alarm"``, ``"skill"`` or ``"neutral"``.
    """
    said = verdict.lower()
    if leak or "suspicious" in said:
        return "alarm"
    return "skill" if re.search(r"(?<!no )\bevidence of skill", said) else "neutral"


Line = tuple[str, str, str]
"""Against what, steps surely better, skill over the steps."""


def _reasons(
    story: Story, density: Sequence[Against], mean: Sequence[Against], words: Words
) -> list[tuple[str, list[Line]]]:
    """Lay out what the verdict rests on, part by part."""
    rows = judged_rows(story.scores)
    parts = [
        (
            f"{words('verdict.mean')} (RMSE)",
            [
                *_beaten(mean, MEAN_BASELINES, words),
                *_in_set([row.in_mcs_mean for row in rows], words),
            ],
        ),
        (
            f"{words('verdict.density')} (CRPS)",
            [
                *_beaten(density, DENSITY_BASELINES, words),
                *_in_set([row.in_mcs for row in rows], words),
            ],
        ),
        (words("verdict.intervals"), list(_held(rows, words))),
    ]
    return [(part, lines) for part, lines in parts if lines]


def _beaten(
    all_: Sequence[Against], named: Sequence[str], words: Words
) -> Iterable[Line]:
    for one in all_:
        for model in (one.model, *one.same):
            if model in named:
                yield (
                    words.model(model),
                    words("verdict.steps", sure=one.better, count=len(one.points)),
                    span(one.skills, words, signed),
                )


def _in_set(inside: Sequence[bool | None], words: Words) -> Iterable[Line]:
    if any(one is not None for one in inside):
        told = words("verdict.in_set", sure=inside.count(True), count=len(inside))
        yield words("verdict.set"), told, ""


def _held(rows: Sequence[Score], words: Words) -> Iterable[Line]:
    for level in (80, 95):
        held = [getattr(row, f"coverage_{level}") for row in rows]
        if any(share is not None for share in held):
            told = words("verdict.held", held=span(held, words, percent))
            yield words("verdict.promised", level=level), told, ""


def _glance(
    story: Story, density: Sequence[Against], mean: Sequence[Against], words: Words
) -> Iterable[tuple[str, str, str]]:
    # Pick three figures for a first look: the spread, the centre, the honesty.
    for part, all_ in (("density", density), ("mean", mean)):
        if all_:
            yield (
                words(f"glance.{part}", model=words.model(all_[0].model)),
                span(all_[0].skills, words, signed),
                words(f"glance.{part}_note"),
            )
    held = [row.coverage_80 for row in judged_rows(story.scores)]
    if any(value is not None for value in held):
        yield (
            words("glance.held"),
            span(held, words, percent),
            words("glance.held_note"),
        )


def _skill_panels(all_: Sequence[Against], measure: str, words: Words) -> Any:  # noqa: ANN401
    """Draw a panel for each baseline: the hard ones on one scale, then the weak."""
    hard = [one for one in all_ if not one.weak]
    shared = limits_of([point for one in hard for point in one.points.values()])
    panels: dict[bool, list[tuple[str, str, Markup]]] = {False: [], True: []}
    for at, one in enumerate(all_):
        points = list(one.points.values())
        limits = limits_of(points) if one.weak else shared
        name = words.model(one.model)
        label = words(
            "skill.panel",
            measure=measure.upper(),
            model=name,
            told=_told(one.points, words),
        )
        drawing = draw_points(
            [str(step) for step in one.points],
            points,
            limits,
            words("skill.sessions"),
            f"skill-{measure}-{at}",
            label,
        )
        note = ", ".join(words.model(model) for model in one.same)
        panels[one.weak].append((name, note, drawing))
    return {"measure": measure, "hard": panels[False], "weak": panels[True]}


def _told(points: Mapping[Any, Point], words: Words) -> str:
    told = []
    for step, point in points.items():
        values: dict[str, Any] = {"step": step, "skill": signed(point.value)}
        if point.interval is None:
            told.append(words("skill.point", **values))
        else:
            low, high = (signed(end) for end in point.interval)
            told.append(words("skill.point_interval", low=low, high=high, **values))
    return ", ".join(told)


def _expects(scores: Sequence[Score], words: Words) -> list[tuple[str, str]]:
    models = dict.fromkeys(score.model for score in scores)
    return [
        (words.model(model), words(f"expects.{model}"))
        for model in models
        if words.has(f"expects.{model}")
    ]


def _members(scores: Sequence[Score]) -> list[tuple[str, list[Any], list[Any]]]:
    """List who is in the confidence sets, the model of most memberships first."""
    models = dict.fromkeys(score.model for score in scores)
    found = []
    for model in models:
        rows = sorted(
            (score for score in scores if score.model == model),
            key=lambda score: score.horizon,
        )
        density = [row.in_mcs for row in rows]
        mean = [row.in_mcs_mean for row in rows]
        if any(one is not None for one in (*density, *mean)):
            found.append((model, density, mean))
    return sorted(found, key=lambda one: -(one[1].count(True) + one[2].count(True)))


def _outlooks(fans: Iterable[Fan]) -> list[list[Fan]]:
    # Group fans that share cutoff and sessions: each group is one table.
    groups: dict[tuple[Any, ...], list[Fan]] = {}
    for fan in fans:
        sessions = (fan.steps[0].cutoff, *(step.date for step in fan.steps))
        groups.setdefault(sessions, []).append(fan)
    return list(groups.values())


def _by_horizon(scores: Sequence[Score]) -> list[tuple[int, list[Score]]]:
    ordered = sorted(scores, key=lambda score: score.horizon)
    groups = groupby(ordered, key=lambda score: score.horizon)
    return [(horizon, list(rows)) for horizon, rows in groups]


def _best(rows: Sequence[Score]) -> dict[str, str | None]:
    # Name the model of the lowest score, for each score; None at a tie.
    best: dict[str, str | None] = {}
    for name in ("crps", "crps_raw", "rmse", "mae"):
        known = sorted(
            (value, row.model)
            for row in rows
            if (value := getattr(row, name)) is not None
        )
        tied = len(known) > 1 and known[0][0] == known[1][0]
        best[name] = known[0][1] if known and not tied else None
    return best


def _coverage(story: Story, words: Words) -> dict[str, Any]:
    models = dict.fromkeys(score.model for score in story.scores)
    beside = [model for model in DENSITY_BASELINES if model in models]
    levels = [
        level
        for level in LEVELS
        if any(
            getattr(row, f"coverage_{level}") is not None
            for row in judged_rows(story.scores)
        )
    ]
    cells = story.evidence.coverage
    return {
        "coverage_figures": [
            (
                level,
                draw_coverage(story.scores, level, beside, words, f"coverage-{level}"),
            )
            for level in levels
        ],
        "coverage_key": [
            (SIGNS[at], STYLES[at][0], words.model(model))
            for at, model in enumerate(beside)
        ],
        "group_figures": [
            (level, _group_figure(cells, level, words)) for level in LEVELS if cells
        ],
        "coverage_rows": _coverage_rows(cells, words),
        "coverage_steps": sorted({cell.horizon for cell in cells}),
        "levels": LEVELS,
    }


def _group_name(group: str, words: Words) -> str:
    if group == "all":
        return words("coverage.all")
    third = group.removeprefix("volatility ")
    if third != group:
        return words("coverage.volatility", third=words.name(third))
    return group


def _cells_by_group(cells: Sequence[Covered]) -> dict[str, list[Covered]]:
    groups: dict[str, list[Covered]] = {}
    for cell in cells:
        groups.setdefault(cell.group, []).append(cell)
    return groups


def _group_figure(cells: Sequence[Covered], level: int, words: Words) -> Markup:
    ranges = []
    for group, members in _cells_by_group(cells).items():
        held = [one.coverage for one in members if round(100 * one.nominal) == level]
        if held:
            ranges.append((_group_name(group, words), min(held), max(held)))
    told = "; ".join(
        f"{name} {span([low, high], words, percent)}" for name, low, high in ranges
    )
    label = words("coverage.group_figure", level=level, told=told)
    return draw_groups(ranges, level, f"groups-{level}", label)


def _coverage_rows(
    cells: Sequence[Covered], words: Words
) -> list[tuple[str, int, list[tuple[float, bool]]]]:
    """Lay out a row for each group: its windows, then each level's steps."""
    return [
        (
            _group_name(group, words),
            members[0].num_windows,
            [
                (cell.coverage, _is_off(cell))
                for cell in sorted(members, key=lambda one: (one.nominal, one.horizon))
            ],
        )
        for group, members in _cells_by_group(cells).items()
    ]


def _is_off(cell: Covered | PathCovered) -> bool:
    far = abs(cell.coverage - cell.nominal) > TOLERANCE
    return far and cell.kupiec_p is not None and cell.kupiec_p < SIGNIFICANT


def _pits(evidence: Evidence, words: Words) -> dict[str, Any]:
    tallest = [max(pit.shares) for pit in evidence.pit]
    top = max([LOWEST_PIT_TOP, *(1.1 * height for height in tallest)])
    figures = []
    for pit in evidence.pit:
        step = words("coverage.pit_step", count=pit.horizon)
        p = p_value(pit.uniform_p)
        label = words(
            "coverage.pit_figure",
            step=step,
            low=percent(min(pit.shares)),
            high=percent(max(pit.shares)),
            p=p,
        )
        drawing = draw_pit(
            pit, top, words("coverage.pit_axis"), f"pit-{pit.horizon}", label
        )
        figures.append((step, words("coverage.pit_p", p=p), drawing))
    return {"pit_figures": figures}


def _slices(slices: Sequence[Sliced], words: Words) -> dict[str, Any]:
    ordered = sorted(slices, key=lambda one: (one.baseline, one.horizon))
    groups = [
        (baseline, step, list(members))
        for (baseline, step), members in groupby(
            ordered, key=lambda one: (one.baseline, one.horizon)
        )
    ]
    return {
        "period_figures": [
            (
                words("slices.against", model=words.model(baseline), step=step),
                _period_figure(baseline, step, members, words),
            )
            for baseline, step, members in groups
            if any(one.kind == "period" for one in members)
        ],
        "symbol_rows": _symbol_rows(groups),
        "symbol_columns": [
            words("slices.against", model=words.model(baseline), step=step)
            for baseline, step, _ in groups
        ],
        "symbol_figures": [
            figure
            for baseline, step, members in groups
            if (figure := _symbol_figure(baseline, step, members, words))
        ],
    }


def _period_figure(
    baseline: str, step: int, members: Sequence[Sliced], words: Words
) -> Markup:
    points = {
        one.group: Point(value=one.skill_crps, interval=one.interval)
        for one in members
        if one.kind == "period"
    }
    label = words(
        "slices.figure",
        step=step,
        model=words.model(baseline),
        told=", ".join(f"{group} {signed(one.value)}" for group, one in points.items()),
    )
    return draw_points(
        list(points),
        list(points.values()),
        limits_of(list(points.values())),
        "",
        f"period-{baseline}-{step}",
        label,
    )


def _symbol_rows(
    groups: Sequence[tuple[str, int, list[Sliced]]],
) -> list[tuple[str, list[Sliced | None]]]:
    # the last group orders them; of many symbols only both ends are shown
    tables = [
        {one.group: one for one in members if one.kind == "symbol"}
        for _, _, members in groups
    ]
    if not tables:
        return []
    order = sorted(tables[-1].values(), key=lambda one: one.skill_crps)
    if len(order) > SHOWN_SLICES:
        half = SHOWN_SLICES // 2
        order = [*order[:half], *order[-half:]]
    return [(one.group, [table.get(one.group) for table in tables]) for one in order]


def _symbol_figure(
    baseline: str, step: int, members: Sequence[Sliced], words: Words
) -> tuple[str, str, Markup] | None:
    skills = [one.skill_crps for one in members if one.kind == "symbol"]
    if len(skills) <= SHOWN_SLICES:
        return None
    above = sum(skill > 0 for skill in skills)
    told = words("slices.many", count=len(skills), above=above)
    model = words.model(baseline)
    label = words("slices.figure", step=step, model=model, told=told)
    drawing = draw_sorted(skills, f"symbols-{baseline}-{step}", label)
    return words("slices.against", model=model, step=step), told, drawing


def _ranking(ranking: Sequence[Ranked], words: Words) -> dict[str, Any]:
    rows = [
        (
            one.horizon,
            number(one.ic),
            number(one.rank_ic),
            words(
                "numbers.range",
                low=number(one.rank_ic_interval[0]),
                high=number(one.rank_ic_interval[1]),
            )
            if one.rank_ic_interval
            else number(None),
            number(one.rank_icir),
        )
        for one in ranking
        if one.rank_ic is not None
    ]
    dates = max((one.num_dates for one in ranking), default=0)
    return {"ranking_rows": rows, "ranking_dates": dates}


def _costs(evidence: Evidence, words: Words) -> dict[str, Any]:
    costs = evidence.costs
    if costs is None:
        return {"costs_figure": None, "costs_rows": []}
    label = words(
        "costs.figure",
        told=", ".join(number(point.edge_bp, 1) for point in costs.points),
        low=f"{costs.points[0].cost_bp:g}",
        high=f"{costs.points[-1].cost_bp:g}",
    )
    nothing = words("costs.nothing")
    rows = [
        ("edge", words("costs.bp", value=number(costs.edge_bp, 2))),
        ("turnover", number(costs.turnover, 2)),
        (
            "break_even",
            nothing
            if costs.break_even_bp is None
            else words("costs.bp", value=number(costs.break_even_bp, 2)),
        ),
        ("trials", f"{costs.trials:,}"),
    ]
    axes = (words("costs.cost_axis"), words("costs.edge_axis"))
    return {
        "costs_figure": draw_costs(costs, axes, label),
        "costs_rows": [(words(f"costs.{key}"), value) for key, value in rows],
    }


def _copycat(figures: Mapping[str, Any], words: Words) -> dict[str, Any]:
    """Lay out the check: what it measures, a perfect copy's figure and the model's."""
    copy = PERFECT_COPY | {"r2_price": figures.get("r2_price_persistence")}
    rows = [
        (
            words(f"copycat.{name}")
            if words.has(f"copycat.{name}")
            else words.name(name),
            copy.get(name),
            value,
        )
        for name, value in figures.items()
        if name != "r2_price_persistence"
    ]
    lags = [figures.get(name) for name in COPY_LAGS]
    drawing = None
    if any(lag is not None for lag in lags):
        told = ", ".join(
            words("copycat.lag", lag=at, value=number(lag, 2))
            for at, lag in enumerate(lags)
        )
        label = words("copycat.lags_figure", told=told)
        drawing = draw_lags(lags, words("copycat.lags_axis"), "lags", label)
    return {"copycat": rows, "lags_figure": drawing}
