"""PRICES are a file, a folder of any size, the store, the sample or a frame."""

import multiprocessing
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from closecast.errors import BarsError, ClosecastWarning, StoreError
from closecast.market import streams
from closecast.market.importing import import_files
from closecast.market.panels import bars_of, joined, read_prices
from closecast.market.readers import Hints, to_frame
from closecast.market.sample import sample_bars
from closecast.market.store import Store
from closecast.testing import random_walk

BARS = random_walk(3, 40)


def only(symbol: str, start: int = 0, end: int = 40):
    """Some sessions of one symbol."""
    at = np.arange(len(BARS)) - BARS.starts
    name = BARS.names(np.arange(len(BARS)))
    return BARS.select((name == symbol) & (at >= start) & (at < end))


def quiet(function, *arguments):
    """What a function gives, whatever it has to say."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ClosecastWarning)
        return function(*arguments)


@pytest.fixture
def folder(tmp_path):
    """Three symbols in three files with histories of different lengths."""
    folder = tmp_path / "prices"
    folder.mkdir()
    frame = to_frame(only("W00"), "pandas").drop(columns="symbol")
    frame.to_csv(folder / "W00.csv", index=False)
    seoul = to_frame(only("W01", 5, 30), "pandas")
    seoul["date"] = pd.to_datetime(seoul["date"]).dt.tz_localize("Asia/Seoul")
    seoul.to_parquet(folder / "asia.parquet")
    new_york = to_frame(only("W02", 20, 40), "pandas")
    new_york["date"] = [f"{day:%Y-%m-%d} 00:00:00-05:00" for day in new_york["date"]]
    new_york.to_csv(folder / "us.csv", index=False)
    return folder


class TestFolder:
    def test_ragged_histories_and_time_zones(self, folder):
        """Every file keeps its own sessions; no time zone shifts a day."""
        seen = []
        bars = bars_of(folder, on_file=lambda *done: seen.append(done))

        assert bars.symbols == ("W00", "W01", "W02")
        assert np.diff(bars.offsets).tolist() == [40, 25, 20]
        for symbol, start, end in (("W00", 0, 40), ("W01", 5, 30), ("W02", 20, 40)):
            rows = bars.names(np.arange(len(bars))) == symbol
            expected = only(symbol, start, end)
            assert np.array_equal(bars.dates[rows], expected.dates)
            assert bars.close[rows] == pytest.approx(expected.close)
        assert seen == [(1, 3), (2, 3), (3, 3)]

    def test_a_bad_file_is_named_and_passed_over(self, folder):
        """One file of three cannot be used: the others are the panel."""
        (folder / "us.csv").write_text("date,open,high,low,close\n2024-01-02,1,1,1,x\n")

        with pytest.warns(
            ClosecastWarning, match=r"1 of 3 files cannot be used: .*us\.csv, row 2"
        ):
            bars = bars_of(folder)
        assert bars.symbols == ("W00", "W01")

    def test_a_session_in_two_files(self, folder):
        """The second file of a session is passed over, and both are named."""
        (folder / "again.csv").write_bytes((folder / "us.csv").read_bytes())

        with pytest.warns(
            ClosecastWarning, match=r"another for .*again\.csv \(.*us\.c"
        ):
            bars = bars_of(folder)
        assert len(bars) == 85

    def test_only_bad_files(self, folder):
        """Where nothing can be used, nothing is made up."""
        for path in folder.iterdir():
            path.unlink()
        for name in "abcde":
            (folder / f"{name}.csv").write_text("hello\n")

        with pytest.raises(BarsError, match=r"got none: 5 of 5 .*; and 2 more\."):
            bars_of(folder)


class TestNames:
    def test_the_sample(self):
        """The word sample stands for the prices inside the package."""
        assert bars_of("sample").fingerprint == sample_bars().fingerprint

    def test_symbols_of_the_store(self, tmp_path, monkeypatch):
        """store: and names, or nothing for all; spaces do not matter."""
        monkeypatch.setenv("CLOSECAST_STORE", str(tmp_path))
        Store().append(BARS, source="test")

        assert bars_of("store:").fingerprint == BARS.fingerprint
        assert bars_of("store:W02, W00").symbols == ("W00", "W02")
        with pytest.raises(BarsError, match="Expected symbols that are stored, got W9"):
            bars_of("store:W9")

    def test_an_empty_store(self, tmp_path, monkeypatch):
        """Without a store the sentence says how to begin one."""
        monkeypatch.setenv("CLOSECAST_STORE", str(tmp_path / "none"))

        with pytest.raises(StoreError, match="closecast data import FILE"):
            bars_of("store:AAPL")


class TestJoined:
    def test_symbols_that_are_whole(self):
        """Panels of different symbols, in any order, are the panel of all."""
        parts = [only("W02"), only("W00"), only("W01")]

        assert joined(parts).fingerprint == BARS.fingerprint

    def test_symbols_in_pieces(self):
        """A symbol may come in several parts if no session does."""
        parts = [
            only("W00", 20, 40),
            BARS.select(BARS.symbol_ids > 0),
            only("W00", 0, 20),
        ]

        assert joined(parts).fingerprint == BARS.fingerprint
        with pytest.raises(BarsError, match="one bar a date, got two"):
            joined([BARS, only("W01", 3, 4)])


class TestReadPrices:
    """Python's door takes whatever the command line takes."""

    def test_a_name_is_no_path(self, tmp_path, monkeypatch):
        """The sample and the store come as frames too."""
        monkeypatch.setenv("CLOSECAST_STORE", str(tmp_path))
        Store().append(BARS, source="test")
        sample, stored = read_prices("sample"), read_prices("store:W02,W00")

        assert bars_of(sample).fingerprint == sample_bars().fingerprint
        assert sorted(stored["symbol"].unique()) == ["W00", "W02"]
        assert isinstance(read_prices("store:", as_="pyarrow"), pa.Table)

    def test_a_folder(self, folder):
        """All files of a folder are one frame, a bad one is named."""
        (folder / "bad.csv").write_text("hello\n")
        with pytest.warns(ClosecastWarning, match=r"1 of 4 files .*bad\.csv"):
            frame = read_prices(str(folder))

        assert bars_of(frame).fingerprint == quiet(bars_of, folder).fingerprint

    @pytest.mark.parametrize("kind", ["bars", "folder", "store:", "frame"])
    def test_one_symbol_of_many(self, kind, folder, tmp_path, monkeypatch):
        """The symbol that is asked for comes alone; another is refused."""
        monkeypatch.setenv("CLOSECAST_STORE", str(tmp_path))
        Store().append(BARS, source="test")
        prices = {"bars": BARS, "folder": folder, "frame": to_frame(BARS)}.get(kind)
        prices = kind if prices is None else prices

        assert set(read_prices(prices, symbol="W01")["symbol"]) == {"W01"}
        with pytest.raises(BarsError, match="a symbol of the table, got W9"):
            read_prices(prices, symbol="W9")

    def test_adjusted_closes_of_a_folder(self, folder):
        """Prices follow adj_close in every file that has it; no other is taken."""
        frame = to_frame(only("W00"), "pandas")
        frame.assign(adj_close=frame["close"] / 2).to_csv(
            folder / "W00.csv", index=False
        )
        with pytest.warns(ClosecastWarning, match="2 of 3 files .* column adj_close"):
            bars = bars_of(folder, Hints(adjust=True))

        assert bars.close == pytest.approx(only("W00").close / 2)

    @pytest.mark.parametrize("prices", ["sample", "store:", BARS])
    def test_nothing_to_adjust_by(self, prices):
        """What is no table has no adj_close, and the sentence names the option."""
        with pytest.raises(BarsError, match=r"to adjust by, got .*--adjust"):
            read_prices(prices, adjust=True)


class TestNotes:
    def test_what_was_done_to_many_files_is_said_once(self, folder):
        """Files are counted, rows are added up, three files are named."""
        for name in "abcde":
            lines = ["date,open,high,low,close", "2024-01-02,1,1,1,1"]
            empty = ["2024-01-03,,,,", "2024-01-04,,,,"]
            (folder / f"{name}.csv").write_text("\n".join([*lines, *empty]))
        with pytest.warns(ClosecastWarning) as told:
            bars_of(folder)
        said = [str(one.message) for one in told]

        assert len(said) == 2
        assert "a.csv" in said[0]
        assert said[0].endswith("and 2 more: there is no volume: it is set to 0.")
        assert said[1].endswith("and 2 more: 10 rows without any price are left out.")


class TestStream:
    def test_a_large_parquet_file_comes_in_pieces(self, tmp_path, monkeypatch):
        """Piece by piece it is the same as at once."""
        monkeypatch.setattr(streams, "PIECE", 25)
        path = tmp_path / "all.parquet"
        pq.write_table(to_frame(BARS, "pyarrow"), path)
        parts = list(streams.stream([path]))
        store = Store(tmp_path / "store")
        done = import_files(store, [path])

        assert len(parts) == 5
        assert (done.files, done.added) == (1, 120)
        assert store.read().fingerprint == BARS.fingerprint

    def test_a_bad_row_of_a_piece_has_its_own_number(self, tmp_path, monkeypatch):
        """The sentence counts rows from the begin of the file, not of the piece."""
        monkeypatch.setattr(streams, "PIECE", 25)
        path = tmp_path / "W00.parquet"
        frame = to_frame(only("W00"), "pandas").drop(columns="symbol")
        frame.loc[33, "close"] = -1.0
        pq.write_table(pa.Table.from_pandas(frame), path)
        parts = list(streams.stream([path]))

        assert parts[0].bars.symbols == ("W00",)
        assert "W00.parquet, row 33" in parts[1].trouble
        assert len(parts) == 2

    @pytest.mark.slow
    def test_helpers_read_the_same(self, folder, monkeypatch):
        """Two processes read what one reads, in the same order."""
        monkeypatch.setattr(streams, "MANY", 2)
        (folder / "bad.csv").write_text("hello\n")
        paths = streams.files_in([folder])
        alone = list(streams.stream(paths))
        helped = list(streams.stream(paths, workers=2))

        assert multiprocessing.get_start_method(allow_none=True) != "spawn"
        assert [part.path for part in helped] == paths
        for one, other in zip(alone, helped, strict=True):
            assert one.trouble == other.trouble
            assert (one.bars and one.bars.fingerprint) == (
                other.bars and other.bars.fingerprint
            )


class TestImport:
    def test_a_folder_into_the_store(self, folder, tmp_path):
        """Good files are stored, a bad one is named, a second import is known."""
        (folder / "bad.csv").write_text("hello\n")
        store = Store(tmp_path / "store")
        done = import_files(store, [folder])
        again = import_files(store, [folder], source="again")

        assert (done.files, done.added, len(done.unusable)) == (4, 85, 1)
        assert "bad.csv" in done.unusable[0]
        assert (again.added, again.known) == (0, 85)
        assert store.batches()[0].source.endswith("us.csv (3 files)")
        assert store.verify() == ()

    def test_files_that_share_a_session(self, folder, tmp_path):
        """The same bar twice is known, another bar a conflict."""
        other = (folder / "us.csv").read_text().splitlines()
        (folder / "us2.csv").write_text("\n".join(other) + "\n")
        date = f"{BARS.dates[30]}"
        row = next(at for at, line in enumerate(other) if f",{date} 00" in line)
        other[row] = f"W02,{date} 00:00:00-05:00,50,50,50,50,1"
        (folder / "us3.csv").write_text("\n".join(other) + "\n")
        store = Store(tmp_path / "store")
        done = import_files(store, [folder])

        assert (done.added, done.known) == (85, 20)
        assert [c.symbol for c in done.conflicts] == ["W02"]
        assert len(store.read(["W02"])) == 20

    def test_many_bars_are_compacted(self, folder, tmp_path, monkeypatch):
        """A large import ends in buckets, a small one in a delta."""
        small = Store(tmp_path / "small")
        import_files(small, [folder])
        monkeypatch.setattr("closecast.market.importing.BULK", 50)
        large = Store(tmp_path / "large")
        import_files(large, [folder])

        assert [p.name[:5] for p in small.files()] == ["delta"]
        assert {p.name[:6] for p in large.files()} == {"bucket"}
        assert small.content_hash == large.content_hash

    def test_no_usable_file(self, tmp_path):
        """Nothing to store is an error, and no store is made."""
        (tmp_path / "a.csv").write_text("hello\n")
        store = Store(tmp_path / "store")

        with pytest.raises(BarsError, match=r"1 of 1 files cannot be used: .*a\.csv"):
            import_files(store, [tmp_path / "a.csv"])
        assert not store.exists
