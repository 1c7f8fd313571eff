"""The dashboard's words: the same keys in each language, and none missing or idle."""

import json
import re
from pathlib import Path

import closecast

WEB = Path(closecast.__file__).parent / "serving" / "web"
PLACEHOLDER = re.compile(r"\{(\w+)\}")


def catalogue(language: str) -> dict[str, str]:
    """Read the words of a language."""
    return json.loads((WEB / "words" / f"{language}.json").read_text())


def scripts() -> str:
    """Give the text of all scripts and of the page."""
    own = [path for path in WEB.rglob("*.js") if path.parent.name != "vendor"]
    return "\n".join(path.read_text() for path in [*own, WEB / "index.html"])


def test_languages_have_the_same_keys_and_placeholders():
    """Korean says all that English says, with the same values in it."""
    english, korean = catalogue("en"), catalogue("ko")
    assert list(english) == list(korean)
    for key, text in english.items():
        assert set(PLACEHOLDER.findall(text)) == set(PLACEHOLDER.findall(korean[key]))


def test_every_key_that_is_asked_for_has_words():
    """No page shows a key instead of words."""
    named = re.compile(r'(?:words\(|data-word(?:-label)?=)"([a-z_.]+)"')
    asked = set(named.findall(scripts()))
    assert asked - set(catalogue("en")) == set()


def test_no_words_are_idle():
    """Every key is asked for: whole, or put together from its beginning."""
    text = scripts()
    made = tuple({*re.findall(r"`([a-z_.]+)\$\{", text), "verdict."})
    idle = [key for key in catalogue("en") if f'"{key}"' not in text]
    assert [key for key in idle if not key.startswith(made)] == []


def test_every_model_that_is_judged_has_a_name(judged_run: Path):
    """No model of a scoreboard shows its key on the page."""
    rows = json.loads((judged_run / "scoreboard.json").read_text())["rows"]
    names = {f"models.{row['model']}" for row in rows}
    assert names - set(catalogue("en")) == set()
