"""Build the documentation: one site a language, each page beside its other language.

    python scripts/build_docs.py [--out build/site] [--still]

Pages come from docs/ (NAME.md and NAME.ko.md), from the lessons of the package, which
are run here so that every figure is of today's code, and from docstrings and the
command line for the reference. A link or an anchor that leads nowhere stops the build;
so does anything that a browser would fetch from another place. --still leaves the
lessons' figures out, to look at texts alone.

The pages need no server: opened from the disk, the search works too. A browser starts
no worker for a file, so a page brings iframe-worker (MIT, scripts/vendor), which takes
its place there and does nothing elsewhere.
"""

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import typer

from closecast.cli import app
from closecast.lab.fonts import SHIPPED
from closecast.lab.lesson import LANGUAGES, Lesson, read_lessons
from closecast.lab.notebook import notebook_text
from closecast.lab.pages import WORDS
from closecast.lab.play import Output, play

ROOT = Path(__file__).parents[1]
DOCS, STAGE = ROOT / "docs", ROOT / "build" / "docs"
WORKER = ROOT / "scripts" / "vendor" / "iframe-worker.js"
WITH_KOREAN = ".ko.md"

OTHER_LANGUAGE = re.compile(r"^\[(?:한국어|English)\]\([^)]*\)\n\n?", re.MULTILINE)
FETCHED = re.compile(r"""<(?:script|img|iframe|source|link)\b[^>]*?\b(?:src|href)=["']?
                         (?:https?:)?//""", re.VERBOSE)  # fmt: skip

PYTHON = {
    "Train, forecast, evaluate": ["closecast.experiments.forecaster.Forecaster"],
    "Read prices": [
        "closecast.market.panels.read_prices",
        "closecast.market.sample.sample_prices",
    ],
    "Many models": [
        "closecast.experiments.sweep.sweep",
        "closecast.experiments.search.search",
        "closecast.experiments.range_test.range_test",
    ],
    "Leaks": ["closecast.experiments.outside.leak_test"],
    "What comes back": [
        "closecast.experiments.forecaster.Evaluation",
        "closecast.evaluation.scoreboard.Scoreboard",
        "closecast.evaluation.rows.Row",
        "closecast.forecast.Forecast",
    ],
    "Settings": ["closecast.training.settings.Settings"],
    "Errors": ["closecast.errors"],
}
LAB = {
    "The lecture's names": [
        "closecast.lab.dataset.StockDataset",
        "closecast.lab.network.LSTM",
        "closecast.lab.loop.experiment",
        "closecast.lab.results.save_exp_result",
        "closecast.lab.results.load_exp_result",
        "closecast.lab.charts.plot_acc",
        "closecast.lab.charts.plot_loss_variation",
    ],
    "Figures": [
        "closecast.lab.picture.canvas",
        "closecast.lab.picture.show",
        "closecast.lab.picture.Picture",
        "closecast.lab.fonts.use_hangul",
    ],
}

TITLES = {
    "en": {
        "home": "Home", "lessons": "Lessons", "how-to": "How to", "vendors": "Vendors",
        "explanation": "Explanation", "reference": "Reference",
        "decisions": "Decisions", "more": "More",
    },
    "ko": {
        "home": "처음", "lessons": "실습", "how-to": "사용법", "vendors": "가격 제공처",
        "explanation": "설명", "reference": "레퍼런스",
        "decisions": "설계 결정", "more": "더 보기",
    },
}  # fmt: skip

STYLE = """
@font-face {
  font-family: "Closecast Hangul"; src: url("closecast-hangul.ttf"); font-display: swap;
  unicode-range: U+1100-11FF, U+3130-318F, U+AC00-D7A3;
}
:root, [data-md-color-scheme] {
  --paper: var(--md-default-bg-color); --ink: var(--md-default-fg-color);
  --muted: var(--md-default-fg-color--light);
  --rule: var(--md-default-fg-color--lightest);
  --accent: #1d5fa6; --warm: #b8560f; --green: #2c7a4b; --violet: #7a4fa3;
}
[data-md-color-scheme="slate"] {
  --accent: #82b5f3; --warm: #f0a465; --green: #82cda0; --violet: #c5a6ee;
}
:root {
  --md-text-font: system-ui, "Segoe UI", Roboto, "Apple SD Gothic Neo", "Malgun Gothic",
    "Noto Sans KR", "Noto Sans CJK KR", NanumGothic, "DejaVu Sans", "Closecast Hangul";
}
:lang(ko) { word-break: keep-all; }
.lab-figure { margin: 1em 0 0; overflow-x: auto; max-width: none; width: auto; }
.lab-figure svg { display: block; width: 100%; min-width: 330px; height: auto; }
.lab-figure svg text { font-family: inherit !important; }
"""


def main() -> None:
    """Stage the pages, build both sites, look for what is fetched from outside."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site")
    parser.add_argument("--still", action="store_true")
    arguments = parser.parse_args()
    shutil.rmtree(STAGE, ignore_errors=True)
    shutil.rmtree(arguments.out, ignore_errors=True)
    lessons = [lesson for language in LANGUAGES for lesson in read_lessons(language)]
    outputs = {} if arguments.still else played(lessons)
    for language in LANGUAGES:
        stage(STAGE / language, language, outputs)
        config = STAGE / f"{language}.toml"
        config.write_text(settings(language), encoding="utf-8")
        command = ["zensical", "build", "--strict", "--clean", "-f", str(config)]
        done = subprocess.run([sys.executable, "-m", *command], check=False, cwd=STAGE)
        if done.returncode:
            sys.exit(f"Expected sound pages ({language}), got the findings above.")
        shutil.copytree(STAGE / "site" / language, arguments.out / language)
    for page in sorted(arguments.out.rglob("*.html")):
        finish(page, arguments.out)
    print(f"Documentation: {arguments.out / 'en' / 'index.html'}")


def played(lessons: list[Lesson]) -> Mapping[Lesson, tuple[Output, ...]]:
    """Run lessons, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(lessons, pool.map(play, lessons), strict=True))


def stage(
    folder: Path, language: str, outputs: Mapping[Lesson, tuple[Output, ...]]
) -> None:
    """Lay the Markdown of a language out in a folder."""
    for name, text in written(language).items():
        write(folder / name, text)
    for lesson in read_lessons(language):
        shown = outputs.get(lesson, ())
        write(folder / "lessons" / f"{lesson.name}.md", lesson_text(lesson, shown))
        write(folder / "lessons" / f"{lesson.name}.ipynb", notebook_text(lesson))
    write(folder / "lessons" / "index.md", lessons_text(language))
    write(folder / "reference" / "python.md", reference_text("Python", PYTHON))
    write(folder / "reference" / "lab.md", reference_text("The lab", LAB))
    write(folder / "reference" / "command-line.md", command_line_text())
    write(folder / "extra.css", STYLE)
    shutil.copy(SHIPPED, folder)
    shutil.copy(WORKER, folder)
    for picture in DOCS.glob("*.svg"):
        shutil.copy(picture, folder)


def written(language: str) -> dict[str, str]:
    """Give the pages of docs/ in a language; English where there is no other."""
    pages = {}
    for path in sorted(DOCS.rglob("*.md")):
        name = path.relative_to(DOCS).as_posix()
        if name.endswith(WITH_KOREAN):
            continue
        korean = path.with_name(path.stem + WITH_KOREAN)
        source = korean if language == "ko" and korean.is_file() else path
        text = OTHER_LANGUAGE.sub("", source.read_text(encoding="utf-8"), count=1)
        pages[name] = text.replace(".ko.md", ".md")
    return pages


def lesson_text(lesson: Lesson, outputs: tuple[Output, ...]) -> str:
    """Write a lesson as a page of the site."""
    words = WORDS[lesson.language]
    shown = iter(outputs or [Output()] * len(lesson.cells))
    pieces = [
        f"# {lesson.number}. {lesson.title}".replace("__", r"\_\_"),
        f"*{words['slides']}: {lesson.slides}*".replace("__", r"\_\_")
        + f" · [{words['notebook']}]({lesson.name}.ipynb)",
    ]
    for part in lesson.parts:
        if part.is_code:
            pieces.append(f"```python\n{part.text}\n```")
            pieces += output_text(next(shown), words["figure"])
        else:
            pieces.append(part.text.replace("<details>", '<details markdown="1">'))
    return "\n\n".join(pieces) + "\n"


def output_text(output: Output, figure: str) -> Iterator[str]:
    """Write what a cell showed."""
    if output.text:
        yield f"```text\n{output.text}\n```"
    for drawing in output.drawings:
        svg = re.sub(r"\n\s*", "\n", drawing.svg)  # no line is taken for code
        yield f'<figure class="lab-figure">{svg}</figure>'
        yield (
            f'<details markdown="1">\n<summary>{figure}</summary>\n\n{drawing.alt}\n\n'
            "</details>"
        )


def lessons_text(language: str) -> str:
    """Write the list of lessons."""
    words = WORDS[language]
    lines = [
        f"# {words['lab']}",
        "",
        words["intro"],
        "",
        "```sh",
        "closecast lab",
        "```",
    ]
    for lesson in read_lessons(language):
        title = lesson.title.replace("__", r"\_\_")
        lines += [
            "",
            f"{lesson.number}. [{title}]({lesson.name}.md)  ",
            f"    {lesson.summary}",
        ]
    return "\n".join(lines) + "\n"


def reference_text(title: str, sections: Mapping[str, list[str]]) -> str:
    """Write a page of docstrings."""
    lines = [f"# {title}"]
    for section, names in sections.items():
        lines += ["", f"## {section}"]
        for name in names:
            lines += ["", f"::: {name}"]
    return "\n".join(lines) + "\n"


def command_line_text() -> str:
    """Write every command with its options."""
    lines = ["# Command line", ""]
    for name, command in commands(typer.main.get_command(app), "closecast"):
        lines += [f"## {name}", "", (command.help or "").strip(), ""]
        lines += ["| option | default | meaning |", "|---|---|---|"]
        for option in command.params:
            if option.name != "help":
                lines.append(option_row(option))
        lines.append("")
    return "\n".join(lines)


def option_row(option: Any) -> str:
    """Write an option as a row of a table."""
    names = [*option.opts, *option.secondary_opts]
    shown = ", ".join(f"`{name}`" for name in names)
    if option.param_type_name == "argument":
        shown = f"`{(option.metavar or option.name).upper()}`"
    default = "" if option.default in {None, False, True} else f"`{option.default}`"
    meaning = " ".join((getattr(option, "help", "") or "").split()).replace("|", r"\|")
    return f"| {shown} | {default} | {meaning} |"


def commands(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Give every command under a group, as it is typed."""
    children = getattr(group, "commands", None)
    if children is None:
        yield prefix, group
        return
    for name, child in children.items():
        yield from commands(child, f"{prefix} {name}")


def settings(language: str) -> str:
    """Write zensical's settings for a language."""
    nav = "\n".join(f"  {entry}," for entry in navigation(language))
    choices = "".join(
        f'[[project.extra.alternate]]\nname = "{name}"\nlink = "/{code}/"\n'
        f'lang = "{code}"\n'
        for code, name in (("en", "English"), ("ko", "한국어"))
    )
    palettes = "".join(
        f'[[project.theme.palette]]\nmedia = "(prefers-color-scheme: {word})"\n'
        f'scheme = "{scheme}"\n'
        for word, scheme in (("light", "default"), ("dark", "slate"))
    )
    return f"""[project]
site_name = "closecast"
docs_dir = "{language}"
site_dir = "site/{language}"
use_directory_urls = false
extra_css = ["extra.css"]
nav = [
{nav}
]
[project.theme]
font = false
language = "{language}"
features = [
  "navigation.sections", "navigation.indexes", "content.code.copy", "search.highlight",
]
{palettes}{choices}[[project.extra.polyfills]]
path = "{WORKER.name}"
type = "text/javascript"
async = false
defer = false
[project.plugins.offline]
[project.plugins.mkdocstrings.handlers.python]
paths = ["{ROOT / "src"}"]
[project.plugins.mkdocstrings.handlers.python.options]
docstring_style = "google"
docstring_options = {{ returns_multiple_items = false, returns_named_value = false }}
docstring_section_style = "list"
heading_level = 3
show_root_heading = true
show_root_full_path = false
show_source = false
members_order = "source"
[project.markdown_extensions.md_in_html]
[project.markdown_extensions.tables]
[project.markdown_extensions.admonition]
[project.markdown_extensions.toc]
permalink = true
[project.markdown_extensions.pymdownx.highlight]
[project.markdown_extensions.pymdownx.inlinehilite]
[project.markdown_extensions.pymdownx.superfences]
"""


def navigation(language: str) -> Iterator[str]:
    """Give the entries of the navigation."""
    titles = TITLES[language]
    lessons = [f"lessons/{lesson.name}.md" for lesson in read_lessons(language)]
    how_to = sorted(
        p.name for p in (DOCS / "how-to").glob("*.md") if ".ko." not in p.name
    )
    vendors = sorted(
        p.name
        for p in (DOCS / "how-to" / "vendors").glob("*.md")
        if ".ko." not in p.name
    )
    decisions = sorted(p.name for p in (DOCS / "decisions").glob("*.md"))
    groups = {
        "lessons": ["lessons/index.md", *lessons],
        "how-to": [f"how-to/{name}" for name in how_to],
        "vendors": [f"how-to/vendors/{name}" for name in vendors],
        "explanation": [
            "scores.md",
            "glossary.md",
            "evidence.md",
            "security.md",
            "trust.md",
            "mutants.md",
        ],
        "reference": [f"reference/{n}.md" for n in ("python", "lab", "command-line")],
    }
    yield f'{{ "{titles["home"]}" = "index.md" }}'
    for key, pages in groups.items():
        yield _group(titles[key], pages)
    explained = [f"decisions/{name}" for name in decisions]
    yield f'{{ "{titles["more"]}" = [{_group(titles["decisions"], explained)}] }}'


def _group(title: str, pages: list[str]) -> str:
    listed = ", ".join(f'"{page}"' for page in pages)
    return f'{{ "{title}" = [{listed}] }}'


def finish(page: Path, out: Path) -> None:
    """Let the language switch lead to the same page; refuse what is fetched."""
    text = page.read_text(encoding="utf-8")
    inside = page.relative_to(out)
    up = "../" * (len(inside.parts) - 1)
    rest = "/".join(inside.parts[1:])
    for language in LANGUAGES:
        text = text.replace(f'href="/{language}/"', f'href="{up}{language}/{rest}"')
    fetched = FETCHED.search(text)
    if fetched:
        sys.exit(f"Expected nothing from outside, got {fetched.group()} ({page}).")
    page.write_text(text, encoding="utf-8")


def write(path: Path, text: str) -> None:
    """Write a page, and its folder where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
