"""The report of a run: one HTML page, whole in itself, the verdict first.

It asks nothing of the network and runs no script. It shows what a ``Story`` holds
and states no figure that the story does not.
"""

from functools import partial
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from closecast.durable import write_durably
from closecast.reports.checkup import section_of
from closecast.reports.folds import draw_folds_of
from closecast.reports.language import ENGLISH, Words, words_of
from closecast.reports.numbers import (
    NONE,
    number,
    p_value,
    percent,
    plain,
    price,
    signed,
)
from closecast.reports.sheet import sheet_of
from closecast.reports.story import JUDGED, Story, load_story

TEMPLATE = "report.html.j2"


def render(
    story: Story,
    folds_figure: Markup | None = None,
    data_section: Markup | None = None,
    *,
    language: str = ENGLISH,
) -> str:
    """Write the report of a run.

    Args:
        story: What the run found.
        folds_figure: The folds of a walk forward; None for one split.
        data_section: What the doctor found; None where none was asked.
        language: ``"en"`` or ``"ko"``.

    Returns:
        One HTML page. The same story gives the same text.

    Raises:
        SettingError: There is no such language.
    """
    words = words_of(language)
    return (
        environment(words)
        .get_template(TEMPLATE)
        .render(
            story=story,
            folds_figure=folds_figure,
            data_section=data_section or Markup(),
            judged=JUDGED,
            **sheet_of(story, words),
        )
    )


def write_report(
    folder: Path, *, language: str = ENGLISH, out: Path | None = None
) -> Path:
    """Write the report of a run folder, from its files alone.

    Args:
        folder: A run folder.
        language: ``"en"`` or ``"ko"``.
        out: The page; ``report.html`` in the folder if None.

    Returns:
        The page.

    Raises:
        ModelError: A file of the run is missing or damaged.
        SettingError: There is no such language.
    """
    path = out or folder / "report.html"
    words = words_of(language)
    drawn, checked = draw_folds_of(folder, words), section_of(folder, words)
    page = render(load_story(folder), drawn, checked, language=language)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, page.encode())
    return path


def environment(words: Words) -> Environment:
    """Set up the templates of the reports.

    Args:
        words: The language they speak.

    Returns:
        Where templates come from; ``t`` in them gives a text by its key.
    """
    found = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals.update(t=words, language=words.language, dash=NONE)
    found.filters.update(
        price=price,
        percent=percent,
        signed=signed,
        number=number,
        p_value=p_value,
        plain=partial(plain, words=words),
        named=words.name,
        model_name=words.model,
        said=words.said,
    )
    return found
