"""The words of the reports: one catalogue a language, and how they are found.

A catalogue is ``words/LANGUAGE.toml``. What other rooms say in English (a verdict, a
leak test's detail) is matched against the catalogue's sentences; a sentence that none
matches stays as it was said, marked as English. No number is made here.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from closecast.errors import SettingError

CATALOGUES = Path(__file__).parent / "words"
LANGUAGES = ("en", "ko")
ENGLISH = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A sentence of another room: its English pattern and how it is said here."""

    english: re.Pattern[str]
    here: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The catalogue of one language.

    Attributes:
        language: Its code, as in ``<html lang>``.
        entries: Text by key, such as ``verdict.title``.
        months: Short names of the months.
        numbers: Words of small numbers, from zero on; empty where digits are written.
        sentences: What other rooms say; empty for English.
    """

    language: str
    entries: Mapping[str, str]
    months: Sequence[str]
    numbers: Sequence[str]
    sentences: Sequence[Sentence]

    def __call__(self, key: str, **values: object) -> str:
        """Give a text.

        Args:
            key: Its place in the catalogue.
            values: What its placeholders stand for.

        Returns:
            The text; that of one, under ``key_one``, where ``count`` is 1.
        """
        if values.get("count") == 1 and f"{key}_one" in self.entries:
            key = f"{key}_one"
        return self.entries[key].format(**values)

    def has(self, key: str) -> bool:
        """Tell whether there is a text under a key."""
        return key in self.entries

    def model(self, name: str) -> str:
        """Name a model as a reader knows it.

        Args:
            name: Its name in the scoreboard.

        Returns:
            Its name in tables and figures.
        """
        return self.entries.get(f"models.{name}", name)

    def number(self, number: int) -> str:
        """Write a small number, as a word where the language does so."""
        if 0 <= number < len(self.numbers):
            return self.numbers[number]
        return str(number)

    def day(self, day: date) -> str:
        """Write a day and its month, short."""
        return self("day", day=day.day, month=self.months[day.month - 1])

    def name(self, name: str) -> str:
        """Name a leak test or another thing of the files.

        Args:
            name: Such as ``future_perturbation``.

        Returns:
            Its name in this language; its own words where the catalogue has none.
        """
        return self.entries.get(f"names.{name}", name.replace("_", " "))

    def said(self, text: str) -> Markup:
        """Say what another room said in English.

        Args:
            text: A sentence or a clause.

        Returns:
            The sentence in this language, or the English one marked as such.
        """
        here = text if self.language == ENGLISH else self.translated(text)
        if here is not None:
            return escape(here)
        return Markup('<span lang="en">{}</span>').format(text)

    def verdict(self, verdict: str) -> str:
        """Say a verdict, clause by clause.

        Args:
            verdict: The verdict, in English.

        Returns:
            It in this language; a clause that the catalogue has no words for stays.
        """
        clauses = clauses_of(verdict)
        if self.language != ENGLISH:
            clauses = [self.translated(clause) or clause.strip() for clause in clauses]
        return " ".join(clause.strip() for clause in clauses)

    def translated(self, text: str) -> str | None:
        """Translate what another room said in English.

        Args:
            text: A sentence or a clause.

        Returns:
            It in this language; None where the catalogue has no words for it.
        """
        for sentence in self.sentences:
            found = sentence.english.fullmatch(text.strip())
            if found:
                groups = found.groupdict(default="")
                named = {name: self._named(name, one) for name, one in groups.items()}
                return sentence.here.format(**named)
        return None

    def _named(self, group: str, text: str) -> str:
        if group.startswith("model"):
            return self.model(text)
        return self.name(text) if group.startswith("name_") else text


@cache
def clauses_of(verdict: str) -> list[str]:
    """Part a verdict where it takes breath.

    Args:
        verdict: The verdict.

    Returns:
        Its clauses, each with its own signs and spaces.
    """
    return re.split(r"(?:(?<=[;.])|(?<=corrected for that:))(?=\s)", verdict)


def words_of(language: str) -> Words:
    """Load the catalogue of a language.

    Args:
        language: One of ``LANGUAGES``.

    Returns:
        Its words.

    Raises:
        SettingError: There is no such catalogue.
    """
    if language not in LANGUAGES:
        raise SettingError(
            f"Expected a language among {', '.join(LANGUAGES)}, got {language!r}. "
            "Choose one of them."
        )
    text = (CATALOGUES / f"{language}.toml").read_text(encoding="utf-8")
    catalogue = tomllib.loads(text)
    return Words(
        language=language,
        months=catalogue.pop("months"),
        numbers=catalogue.pop("counted"),
        sentences=[
            Sentence(english=re.compile(one["english"], re.DOTALL), here=one["here"])
            for one in catalogue.pop("sentences", [])
        ],
        entries=_flat(catalogue),
    )


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in table.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
