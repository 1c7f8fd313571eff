import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from closecast.errors import BarsError, WindowError
from closecast.lab import StockDataset
from closecast.market.panels import bars_of
from closecast.market.readers import to_frame
from closecast.market.sample import sample_bars
from closecast.market.store import Store
from closecast.market.store.store import VARIABLE
from closecast.testing import random_walk

COLUMNS = ["open", "high", "low", "close", "volume"]


def by_hand(frame: pd.DataFrame, x_frames: int, y_frames: int) -> list:
    """Cut windows as the slides explain them, one row after the other."""
    values = frame[COLUMNS].to_numpy()
    pairs = []
    for start in range(len(frame) - (x_frames + y_frames) + 1):
        window = np.log(values[start : start + x_frames + y_frames])
        window = window - window[x_frames - 1]
        pairs.append((window[:x_frames], window[x_frames:]))
    return pairs


@given(
    st.integers(1, 12), st.integers(1, 6), st.integers(0, 30)
)  # fmt: skip
def test_windows_are_those_of_a_naive_loop(x_frames: int, y_frames: int, more: int):
    """Every window is log(value) - log(last value), and there are as many as said."""
    bars = random_walk(1, x_frames + y_frames + more)
    dataset = StockDataset(bars, x_frames, y_frames)
    expected = by_hand(dataset.data, x_frames, y_frames)

    assert len(dataset) == len(dataset.data) - (x_frames + y_frames) + 1
    assert len(dataset) == len(expected)
    for (X, y), (known, to_come) in zip(dataset, expected, strict=True):
        np.testing.assert_allclose(X, known, atol=1e-6)
        np.testing.assert_allclose(y, to_come, atol=1e-6)


def test_one_to_two_and_ten_to_twenty_are_the_same():
    """A window forgets the price level."""
    bars = random_walk(1, 40)
    tenfold = to_frame(bars).assign(symbol="W00")
    tenfold[["open", "high", "low", "close"]] *= 10

    for (X, y), (X10, y10) in zip(
        StockDataset(bars), StockDataset(tenfold), strict=True
    ):
        np.testing.assert_allclose(X, X10, atol=1e-6)
        np.testing.assert_allclose(y, y10, atol=1e-6)


def test_a_loader_of_torch_takes_it():
    """A batch is its windows, stacked, and the last short batch can be dropped."""
    dataset = StockDataset(random_walk(1, 30))
    batches = list(DataLoader(dataset, batch_size=6, drop_last=True))

    assert len(dataset) == 16
    assert [len(X) for X, _ in batches] == [6, 6]
    assert batches[0][0].shape == (6, 10, 5)
    assert batches[0][1].shape == (6, 5, 5)
    assert batches[1][0].dtype == torch.float32
    np.testing.assert_array_equal(batches[1][0][2], dataset[8][0])


def test_no_window_crosses_from_one_symbol_into_the_next():
    """A panel has the windows of each symbol, one after the other."""
    bars = random_walk(3, 20)
    alone = [StockDataset(bars.select(bars.symbol_ids == at)) for at in range(3)]
    together = StockDataset(bars)

    assert len(together) == 3 * 6
    expected = [X for dataset in alone for X, _ in dataset]
    np.testing.assert_array_equal([X for X, _ in together], expected)


def test_a_session_without_trade_has_the_volume_of_the_last_one():
    """A volume of 0 has no logarithm, and makes no window infinite."""
    frame = to_frame(random_walk(1, 15))
    frame.loc[4, "volume"] = 0
    X, _ = StockDataset(frame)[0]

    assert np.isfinite(X).all()
    assert X[4, 4] == X[3, 4]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ((2012, 1, 3), (2012, 12, 31)),
        ("2012-01-03", dt.date(2012, 12, 31)),
        (dt.date(2012, 1, 3), "2012-12-31"),
    ],
)
def test_days_are_written_as_in_the_lecture_or_otherwise(start, end):
    """The days belong to the prices, the first and the last one too."""
    dataset = StockDataset("AAPL", 10, 5, start, end)

    assert str(dataset.bars.dates[0]) == "2012-01-03"
    assert str(dataset.bars.dates[-1]) == "2012-12-31"
    assert dataset.bars.symbols == ("AAPL",)


def test_negative_places_count_from_the_end():
    """The last window is -1, and beyond the ends there is none."""
    dataset = StockDataset(random_walk(1, 20))

    np.testing.assert_array_equal(dataset[-1][0], dataset[5][0])
    for place in (6, -7):
        with pytest.raises(IndexError, match="a window from 0 to 5, got"):
            dataset[place]


def test_a_symbol_of_the_store_comes_before_the_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Who has fetched AAPL means that one."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "store"))
    mine = random_walk(1, 40)
    Store().append(bars_of(to_frame(mine).assign(symbol="AAPL")), source="test")

    np.testing.assert_allclose(StockDataset("AAPL").bars.close, mine.close)
    assert len(StockDataset("store:AAPL")) == 26


def test_files_and_the_sample_are_read(tmp_path: Path):
    """Whatever read_prices takes is taken."""
    path = tmp_path / "mine.csv"
    to_frame(random_walk(1, 20)).to_csv(path, index=False)

    assert len(StockDataset(path)) == len(StockDataset(str(path))) == 6
    assert StockDataset("sample").bars.symbols == sample_bars().symbols


def test_what_is_no_source_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A symbol that nobody has is told with the command that fetches it."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "store"))
    with pytest.raises(BarsError, match=r"got 'TSLA'\. Fetch .* data pull TSLA"):
        StockDataset("TSLA")
    with pytest.raises(BarsError, match="none: they run from 2000-03-01 to 2013-03-01"):
        StockDataset("AAPL", start=(2015, 1, 1), end=(2018, 1, 1))
    with pytest.raises(WindowError, match=r"Expected a day .* for end, got \(2015, 13"):
        StockDataset("AAPL", end=(2015, 13, 1))
    with pytest.raises(WindowError, match="at least 15 bars"):
        StockDataset(random_walk(1, 14))
