"""The report of a run: one HTML page, whole in itself, the verdict first.

It asks nothing of the network and runs no script. It shows what a ``Story`` holds
and states no figure that the story does not.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from closecast.reports.figures import (
    draw_coverage,
    draw_fan,
    draw_learning,
    draw_skill,
    model_name,
)
from closecast.reports.folds import draw_folds_of
from closecast.reports.story import JUDGED, Fan, Score, Story, load_story
from closecast.training.checkpoint import write_durably

TEMPLATE = "report.html.j2"
NONE = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
NUMBERS = (
    *("zero", "one", "two", "three", "four", "five"),
    *("six", "seven", "eight", "nine", "ten"),
)
MODEL_NOTES = {
    "zero": "the price stays where it is",
    "drift": "the price goes on at its average growth",
    "moving_average": "the price goes on at the pace of the last month",
    "historical": "the returns of the last year again",
    "ewma_t": "no change, as wide as the recent volatility, with heavy tails",
    "har_t": "no change, as wide as day, week and month ranged, with heavy tails",
    "garch_t": "no change, as wide as a fitted GARCH(1,1), with heavy tails",
    "gjr_t": "the same, where falls count more than rises",
    "ridge": "a straight line through the bars that the model reads",
}
"""What each baseline expects, in words."""

COPYCAT_NAMES = {
    "r2_price": "R\N{SUPERSCRIPT TWO} of the forecast price",
    "change_lag_0": "correlation of its changes with those of the session forecast",
    "change_lag_1": "correlation of its changes with those of the session before",
    "change_lag_2": "the same two sessions before",
    "change_lag_3": "the same three sessions before",
    "level_slope": "slope of the forecast price on the last close, in logarithms",
    "level_r2": "share of the forecast price that the last close explains",
    "change_slope": "slope of its changes on those of the session forecast",
    "theil_u2": "its error over that of the last close, Theil U2",
    "theil_u2_interval": "90 % interval of Theil U2",
    "ic": "correlation of its returns with the true ones",
    "ic_interval": "90 % interval of that correlation",
    "spread_share": "spread of its returns over that of the true ones",
}
"""What each figure of the copycat check is."""

PERFECT_COPY = {
    "change_lag_1": 1,
    "level_slope": 1,
    "level_r2": 1,
    "theil_u2": 1,
    "spread_share": 0,
}
"""What a forecast shows that is the last close and nothing else."""

NAMED_SYMBOLS = 6
"""Symbols named in the title; of more only the number is told."""


def render(story: Story, folds_figure: Markup | None = None) -> str:
    """Write the report of a run.

    Args:
        story: What the run found.
        folds_figure: The folds of a walk forward; None for one split.

    Returns:
        One HTML page. The same story gives the same text.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        price=price,
        percent=percent,
        signed=signed,
        plain=plain,
        p_value=p_value,
        words=words,
        number_word=number_word,
        model_name=model_name,
    )
    page = environment.get_template(TEMPLATE)
    return page.render(
        story=story,
        folds_figure=folds_figure,
        dash=NONE,
        **_figures(story),
        **_tables(story),
    )


def write_report(folder: Path) -> Path:
    """Write report.html into a run folder.

    Args:
        folder: A run folder.

    Returns:
        The page.

    Raises:
        ModelError: A file of the run is missing or damaged.
    """
    path = folder / "report.html"
    page = render(load_story(folder), draw_folds_of(folder))
    write_durably(path, page.encode())
    return path


def _figures(story: Story) -> dict[str, Any]:
    return {
        "fans": [
            (fan, draw_fan(fan, f"fan{place}")) for place, fan in enumerate(story.fans)
        ],
        "skill_figures": {
            measure: draw_skill(story.scores, measure, f"skill-{measure}")
            for measure in ("crps", "rmse")
        },
        "coverage_figures": {
            level: draw_coverage(story.scores, level, f"coverage-{level}")
            for level in (80, 95)
        },
        "learning_figure": draw_learning(story.epochs, story.best_epoch, "learning"),
    }


def _tables(story: Story) -> dict[str, Any]:
    models = list(dict.fromkeys(score.model for score in story.scores))
    return {
        "title": _title(story),
        "tone": _tone(story),
        "clauses": re.findall(r"[^;]+;?", story.verdict),
        "copycat": _copycat(story.copycat.figures),
        "notes": [
            (model_name(model), MODEL_NOTES[model])
            for model in models
            if model in MODEL_NOTES
        ],
        "glance": list(_glance(story)),
        "failed": [test for test in story.leak_tests if not test.passed],
        "outlooks": _outlooks(story.fans),
        "models": models,
        "judged": JUDGED,
        "horizons": [
            (horizon, rows, _best(rows)) for horizon, rows in _by_horizon(story.scores)
        ],
    }


def _title(story: Story) -> str:
    names = [fan.symbol for fan in story.fans]
    if len(names) > NAMED_SYMBOLS:
        whose = f"{len(names)} symbols"
    else:
        whose = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    if story.horizon == 1:
        return f"The next close of {whose}"
    return f"The next {number_word(story.horizon)} closes of {whose}"


def _tone(story: Story) -> str:
    # Choose the edge of the verdict's box; its words and size stay the same.
    verdict = story.verdict.lower()
    if "suspicious" in verdict or not all(test.passed for test in story.leak_tests):
        return "alarm"
    return "skill" if re.search(r"(?<!no )\bevidence of skill", verdict) else "plain"


def _glance(story: Story) -> Iterable[tuple[str, str, str]]:
    # Pick three figures for a first look: the spread, the centre, the honesty.
    judged = [score for score in story.scores if score.model == JUDGED]
    spread = [score.skill_crps_vs.get("ewma_t") for score in judged]
    centre = [score.skill_rmse_vs.get("zero") for score in judged]
    held = [score.coverage_80 for score in judged]
    if any(value is not None for value in spread):
        yield (
            "CRPS skill against EWMA-t",
            _span(spread, signed),
            "the distribution; above 0 is sharper than a plain volatility model",
        )
    if any(value is not None for value in centre):
        yield (
            "RMSE skill against the last close",
            _span(centre, signed),
            "the mean; above 0 knows more than \N{LEFT DOUBLE QUOTATION MARK}no "
            "change\N{RIGHT DOUBLE QUOTATION MARK}",
        )
    if any(value is not None for value in held):
        yield (
            "Closes inside the 80 % interval",
            _span(held, percent),
            "of the test block; 80 % was promised",
        )


def _copycat(figures: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Lay out the check: what it measures, a perfect copy's figure and the model's."""
    copy = PERFECT_COPY | {"r2_price": figures.get("r2_price_persistence")}
    return [
        (COPYCAT_NAMES.get(name, words(name)), copy.get(name), value)
        for name, value in figures.items()
        if name != "r2_price_persistence"
    ]


def _span(values: Iterable[float | None], write: Callable[[float], str]) -> str:
    known = [value for value in values if value is not None]
    low, high = write(min(known)), write(max(known))
    return f"{low} %" if low == high else f"{low} to {high} %"


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


def price(value: float) -> str:
    """Write a price with the digits that its size deserves.

    Args:
        value: A price.

    Returns:
        Such as ``1,234.5``, ``43.21`` or ``0.01234``.
    """
    if value >= 1000:  # noqa: PLR2004
        return f"{value:,.1f}"
    return f"{value:.2f}" if value >= 1 else f"{value:.4g}"


def percent(share: float | None, digits: int = 1) -> str:
    """Write a share in percent, without the sign.

    Args:
        share: A share such as 0.8.
        digits: Digits after the point.

    Returns:
        Such as ``80.0``, or a dash for None.
    """
    return NONE if share is None else _minus(f"{100 * share:.{digits}f}")


def signed(share: float | None) -> str:
    """Write a skill in percent, always with its plus or minus.

    Args:
        share: A skill such as 0.012.

    Returns:
        Such as ``+1.2``, or a dash for None.
    """
    if share is None:
        return NONE
    text = f"{100 * share:+.1f}"
    return "0.0" if text in {"+0.0", "-0.0"} else _minus(text)


def p_value(value: float | None) -> str:
    """Write a p-value.

    Args:
        value: A probability, or None where no test could be made.

    Returns:
        Three digits, ``<0.001`` or a dash.
    """
    if value is None:
        return NONE
    return f"{value:.3f}" if value >= 0.001 else "<0.001"  # noqa: PLR2004


def plain(value: object) -> str:
    """Write any value of a settings table or of the copycat figures.

    Args:
        value: Whatever JSON holds.

    Returns:
        Words: yes, no, none, a number of four digits, a list with commas.
    """
    if isinstance(value, Mapping):
        return ", ".join(f"{words(key)} {plain(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(plain(item) for item in value)
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return _minus(f"{value:.4g}" if isinstance(value, float) else str(value))


def words(name: object) -> str:
    """Turn a name of the files into words.

    Args:
        name: Such as ``learning_rate``.

    Returns:
        Such as ``learning rate``.
    """
    return str(name).replace("_", " ")


def number_word(number: int) -> str:
    """Write a small number as a word.

    Args:
        number: Zero or more.

    Returns:
        ``five`` for 5; digits from eleven on.
    """
    return NUMBERS[number] if 0 <= number < len(NUMBERS) else str(number)


def _minus(text: str) -> str:
    return text.replace("-", MINUS, 1) if text.startswith("-") else text
