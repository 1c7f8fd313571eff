"""What the doctor found, as a section of a report or as a page of its own."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from closecast.errors import ModelError
from closecast.reports.figures import ACCENT, INK, MUTED, canvas, inline
from closecast.reports.language import ENGLISH, Words, words_of

SECTION, PAGE = "checkup.html.j2", "checkup_page.html.j2"

LISTED = 12
"""Findings in a report; the run's file holds more."""


def section_of(folder: Path, words: Words) -> Markup:
    """Tell what the doctor found in the prices of a run.

    Args:
        folder: A run folder.
        words: The language.

    Returns:
        A section of HTML; nothing for a run that no doctor saw.

    Raises:
        ModelError: The record is damaged.
    """
    path = folder / "scoreboard.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8")).get("data_check")
        return Markup() if record is None else section(record, LISTED, words)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(
            f"Expected a whole record of the data check, got a damaged one: {error!r} "
            f"({path}). Make the run again."
        ) from error


def section(record: Mapping[str, Any], listed: int, words: Words) -> Markup:
    """Write the section of a record.

    Args:
        record: What ``Checkup.to_dict`` gives.
        listed: Findings to list at most.
        words: The language; what the doctor has no words for in it stays English.

    Returns:
        HTML.
    """
    drawn = [
        (spot, draw_spot(spot, f"spot{place}", words))
        for place, spot in enumerate(record["spots"])
    ]
    text = template(SECTION).render(
        record=record,
        spots=drawn,
        findings=record["findings"][:listed],
        t=words,
        said=words.said,
    )
    return Markup(text)  # noqa: S704  escaped by the template


def page(files: Sequence[str], record: Mapping[str, Any]) -> str:
    """Write a page of its own, in English.

    Args:
        files: What was examined.
        record: As in ``section``.

    Returns:
        One HTML page that loads nothing.
    """
    body = section(record, len(record["findings"]), words_of(ENGLISH))
    return str(template(PAGE).render(files=files, section=body))


def draw_spot(spot: Mapping[str, Any], name: str, words: Words) -> Markup:
    """Draw the closes around a finding, on a scale of logarithms.

    Args:
        spot: As ``closecast.market.checkup.spots_of`` gives it.
        name: A name that no other figure of the page has.
        words: The language of its text alternative.

    Returns:
        An ``<svg>``.
    """
    closes, at = spot["closes"], spot["at"]
    label = words(
        "checkup.closes",
        symbol=spot["symbol"],
        first=spot["dates"][0],
        last=spot["dates"][-1],
        close=f"{closes[at]:.6g}",
        date=spot["date"],
    )
    with canvas(4.0, 2.2) as (figure, axes):
        axes.plot(range(len(closes)), closes, color=INK, linewidth=1.2)
        axes.plot([at], [closes[at]], "o", color=ACCENT, markersize=5)
        axes.axvline(at, color=MUTED, linewidth=0.7, linestyle=(0, (2, 3)))
        if max(closes) > 3 * min(closes):
            axes.set_yscale("log")
            axes.minorticks_off()
        ends = sorted({0, len(closes) - 1})
        axes.set_xticks(ends, [spot["dates"][end] for end in ends])
        axes.get_xticklabels()[0].set_horizontalalignment("left")
        axes.get_xticklabels()[-1].set_horizontalalignment("right")
        return inline(figure, name, label)


def template(name: str) -> Any:  # noqa: ANN401  a template of jinja2
    """Load a template of this room.

    Args:
        name: Its file.

    Returns:
        The template; what is put into it is escaped, and nothing may be missing.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
