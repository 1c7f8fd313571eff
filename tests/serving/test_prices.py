"""Prices that are served: a list that names are looked up in, and what lies behind."""

import datetime as dt
from pathlib import Path

import numpy as np
import pytest

from closecast.errors import BarsError
from closecast.market.bars import Bars
from closecast.market.store import Store
from closecast.serving.prices import PriceBook, nearest


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bars: Bars) -> Store:
    """A store with all bars but the newest session."""
    monkeypatch.setenv("CLOSECAST_STORE", str(tmp_path / "store"))
    place = Store()
    older = bars.select(bars.dates < bars.dates.max())
    place.append(older, source="test", final_before=dt.date(2020, 1, 1))
    return place


def test_a_file_is_served_as_it_is(prices_file: Path, bars: Bars):
    """Symbols, bars and the fingerprint are those of the file."""
    book = PriceBook(str(prices_file))

    assert tuple(book.content().symbols) == bars.symbols
    assert book.content().version == bars.fingerprint
    alone = book.bars("IBM")
    np.testing.assert_array_equal(alone.values, bars.values[bars.offsets[1] :])
    assert book.bars("IBM") is alone


def test_a_store_is_read_again_when_it_has_grown(store: Store, bars: Bars):
    """Within a second new bars are there, under another version."""
    now = [0.0]
    book = PriceBook("store:", clock=lambda: now[0])
    before = book.content()
    assert len(book.bars("AAPL")) == bars.offsets[1] - 1

    store.append(bars, source="test", final_before=dt.date(2020, 1, 1))
    assert book.content() is before
    now[0] = 2.0

    assert book.content().version != before.version
    assert len(book.bars("AAPL")) == bars.offsets[1]
    assert book.panel().fingerprint == bars.fingerprint


@pytest.mark.usefixtures("store")
def test_of_a_store_only_what_was_named_is_served():
    """Other symbols are as unknown as those that are not stored."""
    assert tuple(PriceBook("store:IBM").content().symbols) == ("IBM",)
    with pytest.raises(BarsError, match="APPL"):
        PriceBook("store:APPL")


@pytest.mark.usefixtures("store")
def test_bars_of_a_store_do_not_pile_up(monkeypatch: pytest.MonkeyPatch):
    """The symbol that was asked for longest ago goes first."""
    monkeypatch.setattr("closecast.serving.prices.MOST_KEPT", 1)
    book = PriceBook("store:")

    first = book.bars("AAPL")
    book.bars("IBM")

    assert book.bars("AAPL") is not first


@pytest.mark.parametrize(
    ("name", "found"),
    [("APPL", ["AAPL"]), ("aapl", ["AAPL"]), ("../../etc", []), ("X" * 100_000, [])],
)
def test_the_nearest_symbols_are_found(name: str, found: list[str]):
    """Whatever the case; a name of any length costs little."""
    assert nearest(name, ["AAPL", "IBM", "MSFT"]) == found


def test_of_many_symbols_those_with_the_same_letter_are_compared():
    """A hundred thousand names do not make a wrong one slow."""
    many = [f"{letter}{number:04d}" for letter in "ABCD" for number in range(1500)]

    assert nearest("B00010", many)[0].startswith("B0")
    assert "A0001" not in nearest("B00010", many)
