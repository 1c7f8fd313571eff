"""The Python in both READMEs runs as it is printed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
READMES = ("README.md", "README.ko.md")


def blocks(readme: str) -> list[str]:
    """Give the Python code blocks of a README."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def without_comments(code: str) -> str:
    """Drop comments, which are in the language of their README."""
    return "\n".join(re.sub(r"\s*#.*", "", line) for line in code.splitlines())


@pytest.mark.parametrize("readme", READMES)
def test_the_example_runs(readme: str, tmp_path: Path):
    """A reader who pastes the blocks, one after the other, sees no error."""
    code = blocks(readme)

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(code)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert code
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_both_readmes_show_the_same_code():
    """A change of the example in one language is made in the other too."""
    english, korean = (
        [without_comments(code) for code in blocks(name)] for name in READMES
    )

    assert english == korean


def test_both_readmes_show_the_same_commands():
    """A command line of one README is in the other, word for word."""
    english, korean = (
        re.findall(r"^```sh\n.*?^```", text, flags=re.DOTALL | re.MULTILINE)
        for text in ((ROOT / name).read_text(encoding="utf-8") for name in READMES)
    )

    assert english
    assert english == korean
