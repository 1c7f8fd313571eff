"""The catalogues: the same keys, the same placeholders, and what other rooms say."""

import ast
import re
import string
import tomllib
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest

from closecast.errors import SettingError
from closecast.market import doctor, symptoms
from closecast.market.findings import Training
from closecast.reports import language
from closecast.reports.language import CATALOGUES, LANGUAGES, words_of
from closecast.training.settings import Settings

ROOM = Path(language.__file__).parent
TOLD = ("what", "remedy")
SAID = (
    "Suspicious, too good for prices: look for a leak first.",
    "No evidence of skill in the mean;",
    " evidence of skill in the density;",
    " the intervals do not hold.",
    "no information beyond the last close",
    "In the 90 % confidence set by CRPS, which holds the best of all models, "
    "at 5 of 5 steps.",
    "No confidence set by RMSE: too little to test with.",
)


def placeholders(text: str) -> set[str]:
    """Name the placeholders of a text."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("other", [code for code in LANGUAGES if code != "en"])
def test_every_language_has_the_same_texts(other: str) -> None:
    """The same keys, and in each the same placeholders."""
    english, foreign = words_of("en"), words_of(other)
    assert english.entries.keys() == foreign.entries.keys()
    for key, text in english.entries.items():
        assert placeholders(text) == placeholders(foreign.entries[key]), key
    assert len(english.months) == len(foreign.months) == 12


def test_every_catalogue_is_a_language() -> None:
    """No file is forgotten, none is missing."""
    assert {path.stem for path in CATALOGUES.glob("*.toml")} == set(LANGUAGES)


def test_no_text_is_missing_or_left_over() -> None:
    """Each key that a template or the code names is there, and each is named."""
    sources = "\n".join(
        path.read_text() for path in [*ROOM.glob("*.j2"), *ROOM.glob("*.py")]
    )
    entries = words_of("en").entries
    asked = set(re.findall(r"""\b(?:t|words)\(\s*["']([a-z]+\.\w+)["']""", sources))
    assert asked
    assert asked <= entries.keys()
    built = (
        "models.",
        "expects.",
        "names.",
        "copycat.",
        "glance.",
        "costs.",
        "states.",
        "monitors.",
    )
    left = {
        key
        for key in entries
        if not key.startswith(built)
        and not key.endswith("_one")
        and f'"{key}"' not in sources
    }
    assert left <= {"verdict.mean", "verdict.density", "numbers.yes", "numbers.no",
                    "numbers.none"}  # fmt: skip


def test_english_is_said_as_it_is_and_escaped() -> None:
    """Nothing is translated, nothing becomes a tag."""
    assert words_of("en").said("<b>no</b>") == "&lt;b&gt;no&lt;/b&gt;"


@pytest.mark.parametrize("text", SAID)
def test_what_the_judge_says_is_known_in_korean(text: str) -> None:
    """No sentence of the verdict stays English."""
    said = words_of("ko").said(text)
    assert 'lang="en"' not in said
    assert re.search("[가-힣]", said)


def text_of(node: ast.expr) -> str | None:
    """Write a text of the source, a figure in the place of each value."""
    if isinstance(node, ast.JoinedStr):
        return "".join(map(str, map(text_of, node.values)))
    if isinstance(node, ast.FormattedValue):
        return "about 7 times" if "_times" in ast.unparse(node) else "7"
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return node.value if is_text else None


def findings_of(module: ModuleType) -> set[str]:
    """Give what a module finds and advises, read from its source."""
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    told: list[ast.expr] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and "inding" in ast.unparse(node.func):
            told += node.args[1:3]
            told += [one.value for one in node.keywords if one.arg in TOLD]
        elif isinstance(node, ast.FunctionDef) and node.name == "_cause":
            told += [text for found in ast.walk(node) if isinstance(found, ast.Tuple)
                     for text in found.elts[1:]]  # fmt: skip
    return {text for node in told if (text := text_of(node))}


@pytest.mark.parametrize(("module", "least"), [(symptoms, 25), (doctor, 6)])
def test_what_the_doctor_says_is_known_in_korean(
    module: ModuleType, least: int
) -> None:
    """Each finding, its remedy, and what training does with it."""
    said = findings_of(module)

    assert len(said) >= least
    for text in said | set(get_args(Training)):
        assert words_of("ko").translated(text), text


def test_kinds_of_findings_have_korean_names() -> None:
    """Each kind that the doctor tells apart."""
    for module in (symptoms, doctor):
        source = Path(str(module.__file__)).read_text(encoding="utf-8")
        for kind in re.findall(r'kind="(\w+)"', source):
            assert words_of("ko").translated(kind.replace("_", " ")), kind


def test_an_unknown_sentence_stays_english_and_says_so() -> None:
    """Rather the original than a guess; a screen reader is told the language."""
    said = words_of("ko").said("Something <new>.")
    assert said == '<span lang="en">Something &lt;new&gt;.</span>'


def test_names_of_models_in_sentences_are_the_readers() -> None:
    """The figures of a sentence pass through unchanged."""
    said = words_of("ko").said(
        "Density against har_t: CRPS better, its 90 % interval off zero and p at most "
        "0.1, at 2 of 5 steps (CRPS skill at step 1: -0.37% [-0.91%, +0.11%], "
        "p = 0.24)."
    )
    assert "range-HAR-t" in said
    assert "-0.37% [-0.91%, +0.11%], p = 0.24" in said


def test_a_verdict_is_said_clause_by_clause() -> None:
    """Each clause in its language; one without words there stays as it was."""
    verdict = "No evidence of skill in the mean; the intervals hold. Sell all."
    assert words_of("en").verdict(verdict) == verdict
    assert words_of("ko").verdict(verdict) == (
        "평균 예측에 실력이 있다는 증거 없음, 예측구간은 약속을 지킴. Sell all."
    )


def test_one_and_many_and_days() -> None:
    """A count of one has its own text; days are written as the language does."""
    english, korean = words_of("en"), words_of("ko")
    assert english("skill.ahead", count=1) == "1 session ahead"
    assert english("skill.ahead", count=2) == "2 sessions ahead"
    assert english.day(date(2013, 3, 1)) == "1 Mar"
    assert korean.day(date(2013, 3, 1)) == "3월 1일"
    assert (english.number(5), english.number(30)) == ("five", "30")
    assert korean.number(5) == "5"
    assert english.name("some_thing") == "some thing"


def test_an_unknown_language_is_refused() -> None:
    """The message names those there are."""
    with pytest.raises(SettingError, match=r"among en, ko, got 'fr'"):
        words_of("fr")


def test_a_catalogue_is_plain_toml() -> None:
    """Anyone can write another one: texts, lists and sentences only."""
    for code in LANGUAGES:
        catalogue = tomllib.loads((CATALOGUES / f"{code}.toml").read_text())
        for name, part in catalogue.items():
            if name not in {"months", "counted", "sentences", "day"}:
                assert all(isinstance(text, str) for text in part.values())


def test_settings_keep_their_names() -> None:
    """A setting is shown as it is typed, in every language."""
    assert not any(f"names.{name}" in words_of("ko").entries for name in vars(Settings))
