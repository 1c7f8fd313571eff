"""The Python of each how-to page runs as it is printed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
RUNNING = ("store", "own-columns")
LANGUAGES = ("md", "ko.md")


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


@pytest.mark.parametrize("page", RUNNING)
def test_both_languages_show_the_same_code(page: str):
    """A change of an example in one language is made in the other too."""
    english, korean = (
        re.sub(r"\s*#.*", "", code_of(f"{page}.{language}")) for language in LANGUAGES
    )

    assert english == korean
    assert "import" in english
