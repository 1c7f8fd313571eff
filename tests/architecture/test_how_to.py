"""The Python of each how-to page runs as it is printed."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
RUNNING = (
    "store",
    "own-columns",
    "lab",
    "large-panels",
    "ledger",
    "onnx",
    "path-bands",
)
LANGUAGES = ("md", "ko.md")
PAIRS = sorted(
    path.relative_to(HOW_TO).as_posix().removesuffix(".md")
    for path in HOW_TO.rglob("*.md")
    if not path.name.endswith(".ko.md")
)


def code_of(page: str) -> str:
    """Give the Python of a page, block after block."""
    text = (HOW_TO / page).read_text(encoding="utf-8")
    return "\n".join(
        re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("page", RUNNING)
def test_the_example_runs(page: str, language: str, tmp_path: Path):
    """A reader who pastes the blocks, one after the other, sees no error."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code_of(f"{page}.{language}")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def without_words(code: str) -> str:
    """Drop comments and docstrings, which are in the language of their page."""
    return re.sub(r'\s*#.*|"""[^"]*"""', "", code)


@pytest.mark.parametrize("page", PAIRS)
def test_both_languages_show_the_same_code(page: str):
    """A change of an example in one language is made in the other too."""
    english, korean = (code_of(f"{page}.{language}") for language in LANGUAGES)

    assert without_words(english) == without_words(korean)
    ast.parse(english)


def test_other_code_would_be_seen():
    """The comparison above looks through comments, and at everything else."""
    assert without_words("x = 1  # one") == without_words("x = 1  # 하나")
    assert without_words("x = 1") != without_words("x = 2")
    assert "import" in code_of("lab.md")
