"""The store keeps what it is given, whatever order, pieces, readers and writers."""

import datetime as dt
import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace

import duckdb
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from closecast.errors import BarsError, StoreBusyError, StoreError
from closecast.market.bars import Bars, from_columns
from closecast.market.store import Store, default_path, manifest
from closecast.market.store import store as store_module
from closecast.market.store.lock import writing
from closecast.testing import random_walk

LONG_AGO = dt.datetime(2012, 1, 2, 12, tzinfo=dt.UTC)
BARS = random_walk(4, 90)


def part(bars: Bars, start: int, end: int) -> Bars:
    """Sessions start:end of every symbol."""
    at = np.arange(len(bars)) - bars.starts
    return bars.select((at >= start) & (at < end))


def times(bars: Bars, price: float = 1.0, volume: float = 1.0) -> Bars:
    """All prices and volumes by a factor."""
    return replace(bars, values=bars.values * [price, price, price, price, volume])


def shifted(bars: Bars, symbol: str, session: int, by: float) -> Bars:
    """One close, with high and low around it, moved."""
    values = bars.values.copy()
    row = int(bars.offsets[bars.symbols.index(symbol)]) + session
    values[row, 3] += by
    values[row, 1] = max(values[row, 1], values[row, 3])
    values[row, 2] = min(values[row, 2], values[row, 3])
    return replace(bars, values=values)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store")


class TestAppend:
    def test_what_goes_in_comes_out(self, store):
        """The panel is the same to the bit, and so it is in a new object."""
        outcome = store.append(BARS, source="test")

        assert outcome.added == len(BARS)
        assert store.read().fingerprint == BARS.fingerprint
        assert Store(store.path).read().fingerprint == BARS.fingerprint
        assert store.verify() == ()

    def test_the_same_bars_again_are_known(self, store):
        """Nothing is written twice."""
        store.append(BARS, source="test")
        again = store.append(part(BARS, 40, 90), source="test")

        assert (again.batch, again.added, again.known) == (None, 0, 200)
        assert store.generation == 1

    def test_a_changed_final_bar_is_a_conflict(self, store):
        """The old bars stay, nothing of the symbol is taken, the others are."""
        store.append(part(BARS, 0, 80), source="test")
        outcome = store.append(shifted(BARS, "W02", 50, 0.01), source="other")

        assert [c.symbol for c in outcome.conflicts] == ["W02"]
        assert "Expected the stored close of" in outcome.conflicts[0].message
        assert store.conflicts() == outcome.conflicts
        assert [one.bars for one in store.symbols()] == [90, 90, 80, 90]
        kept = store.read(["W02"]).values
        assert np.array_equal(kept, part(BARS, 0, 80).values[160:240])
        assert store.verify() == ()

    def test_replace_lets_new_bars_win(self, store):
        """An owner who knows better says so, and the batch is recorded."""
        store.append(BARS, source="test")
        better = shifted(BARS, "W02", 50, 0.01)
        outcome = store.append(better, source="repair", replace=True)

        assert (outcome.added, outcome.replaced) == (0, 1)
        assert store.read().fingerprint == better.fingerprint
        assert store.provenance("W02")[better.dates[50].item()].source == "repair"
        store.compact()
        assert store.read().fingerprint == better.fingerprint
        assert store.verify() == ()

    def test_an_unfinished_bar_is_replaced(self, store):
        """A session that still ran when it was fetched gives way to its final bar."""
        last = BARS.dates[-1].item()
        noon = dt.datetime(last.year, last.month, last.day, 12, tzinfo=dt.UTC)
        store.append(shifted(BARS, "W01", 89, 0.5), source="noon", fetched_at=noon)
        outcome = store.append(BARS, source="night", final_before=dt.date.max)

        assert (outcome.added, outcome.replaced, outcome.conflicts) == (0, 4, ())
        assert store.read().fingerprint == BARS.fingerprint
        assert store.last(3).close.tolist() == part(BARS, 87, 90).close.tolist()
        assert store.provenance("W01")[last].source == "night"

    def test_cents_of_a_dear_share_are_kept(self, store):
        """A close of 723,456.78 comes back as it went in."""
        dear = from_columns(
            np.array(["BRK.A"]),
            np.array(["2024-01-02"], "datetime64[D]"),
            np.array([[723_456.78, 723_456.79, 723_456.77, 723_456.78, 2.0**40 + 1]]),
        )
        store.append(dear, source="test")

        assert store.read().values.tolist() == dear.values.tolist()


class TestContentHash:
    @given(data=st.data())
    @settings(max_examples=6)
    def test_order_and_pieces_leave_no_trace(self, tmp_path_factory, data):
        """Any partition of the rows, in any order, with compactions between."""
        whole = Store(tmp_path_factory.mktemp("whole"))
        whole.append(BARS, source="test")
        piece = data.draw(
            st.lists(st.integers(0, 4), min_size=len(BARS), max_size=len(BARS))
            | st.integers(1, 90).map(lambda n: (np.arange(len(BARS)) // n % 5).tolist())
        )
        store = Store(tmp_path_factory.mktemp("pieces"))
        for number in data.draw(st.permutations(range(5))):
            keep = np.array(piece) == number
            if keep.any():
                store.append(BARS.select(keep), source=f"piece {number}")
            if store.exists and data.draw(st.booleans()):
                store.compact()

        assert store.content_hash == whole.content_hash
        assert store.read().fingerprint == BARS.fingerprint
        assert store.last(7).fingerprint == whole.last(7).fingerprint
        assert store.verify() == ()

    @given(row=st.integers(0, len(BARS) - 1), column=st.integers(0, 4))
    @settings(max_examples=5)
    def test_a_changed_bit_is_seen(self, tmp_path_factory, row, column):
        """The smallest change of any value gives another hash."""
        values = BARS.values.copy()
        values[row, column] = np.nextafter(values[row, column], np.inf)
        values[row, 1] = values[row, :4].max()
        values[row, 2] = values[row, :4].min()
        one, other = (Store(tmp_path_factory.mktemp("store")) for _ in range(2))
        one.append(BARS, source="test")
        other.append(replace(BARS, values=values), source="test")

        assert one.content_hash != other.content_hash

    def test_symbols_are_part_of_it(self, tmp_path):
        """The same prices under other names are other content."""
        one, other = Store(tmp_path / "1"), Store(tmp_path / "2")
        one.append(BARS, source="test")
        swapped = ("V00", *BARS.symbols[1:])
        other.append(replace(BARS, symbols=swapped), source="test")

        assert one.content_hash != other.content_hash


class TestRefresh:
    @given(
        price=st.sampled_from([0.5, 0.1, 2.0, 2 / 3]) | st.floats(0.9, 0.999),
        volume=st.sampled_from([1.0, 2.0]),
        decimals=st.sampled_from([2, 4, None]),
    )
    @settings(max_examples=10)
    def test_one_factor_is_an_adjustment(
        self, tmp_path_factory, price, volume, decimals
    ):
        """Old bars by one factor, rounded as the vendor does, are recorded as that."""

        def rounded(bars):
            if decimals is None:
                return bars
            return replace(bars, values=np.round(bars.values, decimals))

        whole = times(BARS, volume=1000)
        old = rounded(replace(whole, values=np.round(whole.values, 2)))
        store = Store(tmp_path_factory.mktemp("store"))
        store.append(part(old, 0, 80), source="vendor")
        outcome = store.refresh(
            part(rounded(times(old, price, volume)), 50, 90), source="vendor"
        )

        assert outcome.conflicts == ()
        assert len(outcome.adjustments) == 4
        for found in outcome.adjustments:
            assert found.price_factor == pytest.approx(price, rel=2e-4)
            assert found.volume_factor == pytest.approx(volume, rel=1e-4)
        adjusted = store.read().close.reshape(4, 90)
        expected = times(old, price).close.reshape(4, 90)
        assert adjusted == pytest.approx(expected, rel=4e-4, abs=0.006)
        raw = store.read(adjusted=False)
        assert np.array_equal(part(raw, 0, 80).values, part(old, 0, 80).values)
        assert store.verify() == ()

    @given(session=st.integers(50, 79), by=st.sampled_from([0.01, -0.01, 5.0]))
    @settings(max_examples=10)
    def test_anything_else_is_a_conflict(self, tmp_path_factory, session, by):
        """One cent in one session of the overlap keeps the old data and is told."""
        old = replace(BARS, values=np.round(BARS.values, 2))
        store = Store(tmp_path_factory.mktemp("store"))
        store.append(part(old, 0, 80), source="vendor")
        before = store.read(["W03"]).fingerprint
        new = shifted(old, "W03", session, by)
        outcome = store.refresh(part(new, 50, 90), source="vendor")

        assert [c.symbol for c in outcome.conflicts] == ["W03"]
        assert (
            "Expected each price to change by one factor" in outcome.conflicts[0].what
        )
        assert outcome.adjustments == ()
        assert outcome.added == 30
        assert store.read(["W03"]).fingerprint == before

    def test_a_split_whose_middle_is_changed_is_a_conflict(self, store):
        """A factor holds for every session or for none."""
        store.append(part(BARS, 0, 80), source="vendor")
        new = shifted(times(BARS, 0.5, 2), "W00", 60, 0.3)
        outcome = store.refresh(part(new, 50, 90), source="vendor")

        assert [c.symbol for c in outcome.conflicts] == ["W00"]
        assert {a.symbol: a.price_factor for a in outcome.adjustments} == {
            "W01": 0.5,
            "W02": 0.5,
            "W03": 0.5,
        }

    def test_two_splits_multiply(self, store):
        """Each refresh is held against bars on the basis of the last."""
        store.append(part(BARS, 0, 70), source="vendor")
        store.refresh(part(times(BARS, 0.5, 2), 40, 80), source="vendor")
        outcome = store.refresh(part(times(BARS, 0.25, 4), 50, 90), source="vendor")

        assert len(outcome.adjustments) == 4
        assert store.read().values == pytest.approx(times(BARS, 0.25, 4).values)
        assert len(store.adjustments()) == 8
        again = store.refresh(part(times(BARS, 0.25, 4), 50, 90), source="vendor")
        assert again.batch is None

    def test_too_few_sessions_tell_no_factor(self, store):
        """With three sessions a ratio may be a coincidence."""
        store.append(part(BARS, 0, 80), source="vendor")
        outcome = store.refresh(part(times(BARS, 0.5), 77, 90), source="vendor")

        assert len(outcome.conflicts) == 4
        assert "only 3 sessions" in outcome.conflicts[0].what

    def test_prices_that_repeat_nothing(self, store):
        """Without an overlap nobody knows on which basis new prices are."""
        store.append(part(BARS, 0, 80), source="vendor")
        outcome = store.refresh(part(BARS, 80, 90), source="vendor")

        assert len(outcome.conflicts) == 4
        assert "Expected some stored sessions again" in outcome.conflicts[0].what

    @pytest.mark.parametrize("side", ["stored", "new"])
    def test_a_session_on_one_side_only(self, store, side):
        """A session that came or went is told by its date."""
        at = np.arange(len(BARS)) - BARS.starts
        less = BARS.select(at != 60)
        old, new = (BARS, less) if side == "stored" else (less, BARS)
        store.append(old.select(old.dates < BARS.dates[80]), source="vendor")
        outcome = store.refresh(
            new.select(new.dates >= BARS.dates[50]), source="vendor"
        )

        assert len(outcome.conflicts) == 4
        assert f"one in the {side} prices only" in outcome.conflicts[0].what
        assert outcome.conflicts[0].date == BARS.dates[60].item()

    def test_a_first_unfinished_session(self, store):
        """A symbol that was listed today has no final session to compare."""
        first = part(BARS, 0, 1)
        store.refresh(first, source="vendor", final_before=first.dates[0].item())
        outcome = store.refresh(part(BARS, 0, 2), source="vendor")

        assert (outcome.added, outcome.replaced, outcome.conflicts) == (4, 4, ())

    def test_it_begins_thirty_sessions_back(self, store):
        """The overlap is 30 sessions; a new symbol has none."""
        store.append(BARS, source="vendor")

        assert store.refresh_from("W01") == BARS.dates[60].item()
        assert store.refresh_from("W01", sessions=2) == BARS.dates[88].item()
        assert store.refresh_from("X") is None


class TestRead:
    def test_symbols_and_dates(self, store):
        """A selection is what is asked for and no bar more."""
        store.append(BARS, source="test")
        start, end = str(BARS.dates[20]), BARS.dates[29].item()
        found = store.read(["W02", "W01"], start, end)

        assert found.symbols == ("W01", "W02")
        assert np.array_equal(found.dates, np.tile(BARS.dates[20:30], 2))

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((["W05"],), "Expected symbols that are stored, got W05 .*Did you mean W0"),
            ((["W01"], "2030-01-01"), "Expected at least one bar, got none"),
            ((None, "31.12.2011"), "Expected a date as YYYY-MM-DD, got '31.12.2011'"),
        ],
    )
    def test_what_is_not_there(self, store, arguments, message):
        """The sentence says what to ask for."""
        store.append(BARS, source="test")

        with pytest.raises(BarsError, match=message):
            store.read(*arguments)

    def test_no_store(self, store):
        """A folder without a store is refused, and nothing is made."""
        with pytest.raises(
            StoreError, match=r"Expected a store, got none .* import FILE"
        ):
            store.read()
        assert not store.path.exists()

    @pytest.mark.parametrize("sessions", [5, 80])
    def test_the_last_sessions(self, store, sessions):
        """From the cache or, beyond it, from the files."""
        store.append(BARS, source="test")

        assert store.last(sessions).fingerprint == (
            part(BARS, 90 - sessions, 90).fingerprint
        )
        assert store.last(sessions, ["W03"]).symbols == ("W03",)

    def test_a_cache_is_made_again(self, store):
        """Whoever deletes or breaks the caches loses no bar."""
        store.append(part(BARS, 0, 80), source="test")
        for path in (store.path / "cache").iterdir():
            path.write_bytes(b"broken")
        store.append(part(BARS, 80, 90), source="test")

        assert store.last(5).fingerprint == part(BARS, 85, 90).fingerprint

    def test_the_panel_is_mapped(self, store):
        """All adjusted bars as arrays, float32 as asked, made once."""
        store.append(part(BARS, 0, 80), source="vendor")
        store.refresh(part(times(BARS, 0.5, 2), 50, 90), source="vendor")
        panel, small = store.panel(), store.panel("float32")

        assert isinstance(panel.values, np.memmap)
        assert panel.values == pytest.approx(store.read().values)
        assert panel.bars("W02").fingerprint == store.read(["W02"]).fingerprint
        assert small.values.dtype == np.float32
        assert len(small) == len(BARS)
        assert panel.content_hash == store.content_hash


class TestFiles:
    def test_many_days_are_merged(self, store, monkeypatch):
        """Small deltas do not pile up, and a new version of a bar survives."""
        monkeypatch.setattr(store_module, "SMALL_DELTAS", 3)
        for day in range(12):
            store.append(part(BARS, day, day + 1), source=f"day {day}")
        store.append(
            shifted(part(BARS, 0, 12), "W01", 4, 0.5), source="repair", replace=True
        )
        for day in range(12, 20):
            store.append(part(BARS, day, day + 1), source=f"day {day}")

        assert len(store.files()) < 5
        expected = shifted(part(BARS, 0, 20), "W01", 4, 0.5)
        assert store.read().fingerprint == expected.fingerprint
        assert store.verify() == ()

    def test_bulk_deltas_are_divided_by_bucket(self, store, monkeypatch):
        """A large batch is read and compacted bucket by bucket, with the same rows."""
        monkeypatch.setattr("closecast.market.store.parquet.BULK", 100)
        store.append(part(BARS, 0, 60), source="test")
        store.append(part(BARS, 60, 90), source="test")
        before = store.content_hash

        assert (
            store.read(["W01", "W03"]).fingerprint
            == BARS.select(np.isin(BARS.symbol_ids, [1, 3])).fingerprint
        )
        store.compact()
        assert store.content_hash == before
        assert store.read().fingerprint == BARS.fingerprint
        assert store.verify() == ()

    def test_polars_and_duckdb_read_them(self, store):
        """After a compaction the files are the panel, for any program."""
        store.append(part(BARS, 0, 50), source="test")
        store.append(part(BARS, 50, 90), source="test")
        store.compact()
        files = [str(path) for path in store.files()]

        frame = pl.read_parquet(files).sort("symbol", "date")
        assert frame["close"].to_list() == BARS.close.tolist()
        query = "SELECT symbol, max(close) FROM read_parquet(?) GROUP BY symbol"
        highest = dict(duckdb.execute(query, [files]).fetchall())
        assert highest["W01"] == BARS.close[90:180].max()

    def test_what_is_damaged_is_found(self, store):
        """One flipped bit in a file of prices is named by verify."""
        store.append(BARS, source="test")
        (path,) = store.files()
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

        (wrong,) = Store(store.path).verify()
        assert "Expected the bytes that were written, got others" in wrong

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"{}", "no manifest of a store"),
            (b"\xff", "no manifest of a store"),
            (b'{"format": 1, "sha256": ""}', "other bytes than those"),
        ],
    )
    def test_a_damaged_manifest(self, store, content, message):
        """It is refused, not believed."""
        store.append(BARS, source="test")
        (store.path / manifest.NAME).write_bytes(content)

        with pytest.raises(StoreError, match=message):
            store.read()

    @pytest.mark.parametrize("compacted", [False, True])
    def test_a_flipped_bit_of_a_footer_is_not_read(self, store, compacted):
        """The end of a Parquet file says where what lies, and the manifest holds it."""
        store.append(BARS, source="test")
        if compacted:
            store.compact()
        path = store.files()[0]
        whole = path.read_bytes()
        length = int.from_bytes(whole[-8:-4], "little") + 8

        for back in range(1, length + 1, 7):
            flipped = bytearray(whole)
            flipped[-back] ^= 1
            path.write_bytes(flipped)
            with pytest.raises(StoreError, match="a whole file, got other bytes"):
                Store(store.path).read()

    @pytest.mark.parametrize("compacted", [False, True])
    def test_a_flipped_bit_of_a_header_is_no_traceback(self, store, compacted):
        """Refused in a sentence, or read as it was: a dictionary may be gone."""
        store.append(BARS, source="test")
        if compacted:
            store.compact()
        path, expected = store.files()[0], store.read()
        whole = path.read_bytes()

        refused = 0
        for bit in range(400):
            flipped = bytearray(whole)
            flipped[bit // 8] ^= 1 << bit % 8
            path.write_bytes(flipped)
            try:
                assert Store(store.path).read().fingerprint == expected.fingerprint
            except StoreError:
                refused += 1
        assert refused > 300

    @pytest.mark.parametrize(
        ("statement", "found"),
        [
            ("UPDATE batches SET source = 'another'", "Expected the batches"),
            ("UPDATE batches SET fetched_at = '2012-p1-02'", "no date in it"),
            ("DELETE FROM conflicts", "Expected the batches"),
            ("UPDATE adjustments SET price_factor = 0.25", "other factors"),
        ],
    )
    def test_other_origins_are_found(self, store, statement, found):
        """Where rows came from is held by the manifest, conflicts too."""
        store.append(part(BARS, 0, 60), source="first")
        store.refresh(times(part(BARS, 40, 61), 0.5, 2.0), source="split")
        changed = shifted(part(BARS, 0, 61), "W00", 50, 0.01)
        assert store.refresh(changed, source="other").conflicts
        assert store.verify() == ()
        with closing(sqlite3.connect(store.path / "metadata.sqlite")) as base, base:
            base.execute(statement)

        (wrong,) = Store(store.path).verify()

        assert found in wrong

    def test_other_factors_are_not_read(self, store):
        """An adjusted series is refused where its factors were changed."""
        store.append(part(BARS, 0, 60), source="first")
        store.refresh(times(part(BARS, 40, 61), 0.5, 2.0), source="split")
        with closing(sqlite3.connect(store.path / "metadata.sqlite")) as base, base:
            base.execute("UPDATE adjustments SET price_factor = 0.25")

        with pytest.raises(StoreError, match="other factors than were written"):
            Store(store.path).read()

    def test_a_store_of_before_origins_were_kept(self, store, monkeypatch):
        """It is whole without them, and gains them by the next batch."""
        with monkeypatch.context() as before:
            before.setattr(Store, "_provenance", lambda *_: "")
            store.append(part(BARS, 0, 60), source="first")
        assert store.verify() == ()
        store.append(part(BARS, 60, 61), source="second")
        assert store.verify() == ()
        with closing(sqlite3.connect(store.path / "metadata.sqlite")) as base, base:
            base.execute("UPDATE batches SET source = 'another' WHERE batch = 1")

        assert "Expected the batches" in Store(store.path).verify()[0]

    def test_a_damaged_tail_is_made_again(self, store):
        """The newest sessions at hand end in their hash; others are not believed."""
        store.append(BARS, source="test")
        (path,) = (store.path / "cache").glob("tail-*")
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

        assert Store(store.path).last(30).fingerprint == part(BARS, 60, 90).fingerprint
        assert path.read_bytes() != content

    def test_a_missing_file(self, store):
        """A file that somebody deleted is named."""
        store.append(BARS, source="test")
        store.files()[0].unlink()

        with pytest.raises(StoreError, match=r"got none \(.*delta-00000001"):
            Store(store.path).read()

    def test_what_a_killed_writer_left_is_removed(self, store):
        """Files that no manifest names, and batches beyond it, are gone."""
        store.append(part(BARS, 0, 50), source="test")
        orphan = store.path / "bars" / "delta-00000002.parquet"
        orphan.write_bytes(b"half a file")
        store._metadata.record(
            replace(store.batches()[0], batch=2, source="killed"), (), ()
        )
        assert [batch.source for batch in store.batches()] == ["test"]
        store.append(part(BARS, 50, 60), source="next")

        assert [batch.source for batch in store.batches()] == ["test", "next"]
        assert store.read().fingerprint == part(BARS, 0, 60).fingerprint


WRITER = """
import sys
import numpy as np
from closecast.market.store import Store
from closecast.testing import random_walk

path, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
bars = random_walk(4, 90)
at = np.arange(len(bars)) - bars.starts
store = Store(path, wait_s=60)
for session in range(first, last):
    store.append(bars.select(at == session), source=f"session {session}")
"""


class TestTogether:
    def test_two_writers_take_turns(self, store):
        """Two processes append at once and every bar is there; a reader goes on."""
        store.append(part(BARS, 0, 1), source="test")
        writers = [
            subprocess.Popen([sys.executable, "-c", WRITER, store.path, first, last])
            for first, last in (("1", "6"), ("6", "11"))
        ]
        seen = set()
        while any(writer.poll() is None for writer in writers):
            seen.add(len(store.read()))
            time.sleep(0.01)

        assert [writer.returncode for writer in writers] == [0, 0]
        assert all(rows % 4 == 0 for rows in seen)
        assert store.read().fingerprint == part(BARS, 0, 11).fingerprint
        assert store.verify() == ()

    def test_who_waits_is_told_who_writes(self, store):
        """The sentence names the process and since when."""
        store.append(part(BARS, 0, 1), source="test")
        holder = json.loads((store.path / "writer.json").read_text())
        with (
            writing(store.path, 1),
            pytest.raises(
                StoreBusyError, match=f"process {holder['pid']}, writing since 20"
            ),
        ):
            Store(store.path, wait_s=0.05).append(BARS, source="test")

    def test_a_reader_sees_one_state(self, store, monkeypatch):
        """Files that a compaction removed under a reader are read in the new state."""
        store.append(part(BARS, 0, 50), source="test")
        store.append(part(BARS, 50, 90), source="test")
        reader = Store(store.path)
        assert reader.generation == 2
        store.compact()
        stale = reader._seen[1]
        states = iter([stale, reader._snapshot(), reader._snapshot()])
        monkeypatch.setattr(reader, "_snapshot", lambda: next(states))

        assert reader.read().fingerprint == BARS.fingerprint


def test_the_default_place(monkeypatch, tmp_path):
    """A variable names the store; without it, the user's data folder."""
    monkeypatch.setenv("CLOSECAST_STORE", str(tmp_path))
    assert Store().path == tmp_path
    monkeypatch.delenv("CLOSECAST_STORE")
    assert default_path().parts[-2:] == ("closecast", "store")
