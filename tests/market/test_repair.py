"""Repairs have one remedy each, are logged, and leave all else as it was."""

import numpy as np
import pandas as pd
import pytest

from closecast.errors import BarsError
from closecast.market.bars import VOLUME
from closecast.market.repair import repair


def frame(close):
    dates = pd.bdate_range("2024-01-02", periods=len(close))
    prices = dict.fromkeys(("open", "high", "low", "close"), np.asarray(close, float))
    return pd.DataFrame({"symbol": "A", "date": dates, **prices, "volume": 8.0})


def volumes(bars):
    return bars.values[:, VOLUME].tolist()  # noqa: PD011


def walk(count=60):
    return 100 * np.exp(np.cumsum(np.random.default_rng(2).normal(0, 0.01, count)))


def test_a_sound_table_stays():
    """Nothing is done and nothing is logged."""
    bars, log = repair(frame(walk()))

    np.testing.assert_array_equal(bars.close, walk())
    assert log == []


def test_prices_before_a_split_are_divided():
    """Prices before it come down, volumes go up, the log says by how much."""
    close = walk()
    close[40:] *= close[39] / close[40] / 4
    bars, (change,) = repair(frame(close))

    np.testing.assert_allclose(bars.close[:40], close[:40] / 4)
    np.testing.assert_array_equal(bars.close[40:], close[40:])
    assert set(volumes(bars)[:40]) == {32.0}
    assert "multiplied by 0.25, volumes divided" in change.action


def test_two_changes_of_scale_multiply():
    """A unit and a split later: the oldest prices take both factors."""
    close = walk()
    close[20:] *= 100 * close[19] / close[20]
    close[40:] *= close[39] / close[40] / 2
    bars, log = repair(frame(close))

    np.testing.assert_allclose(bars.close[:20], close[:20] * 50)
    np.testing.assert_allclose(bars.close[20:40], close[20:40] / 2)
    assert set(volumes(bars)[:20]) == {16.0}
    assert len(log) == 2


def test_a_spike_a_copy_and_a_broken_row_are_dropped():
    """Rows that hold no price of their day go, each with its reason."""
    table = frame(walk())
    table.loc[30, ["open", "high", "low", "close"]] *= 100
    table.loc[10, "close"] = -1
    table = pd.concat([table, table.tail(1)], ignore_index=True)
    bars, log = repair(table)

    assert len(bars) == 58
    assert {change.action for change in log} == {"row dropped"}
    assert len(log) == 3


def test_bars_that_contradict_each_other_are_not_chosen_between():
    """Two closes of a day have no one remedy."""
    table = frame(walk())
    other = table.tail(1).assign(high=999.0)

    with pytest.raises(BarsError, match=r"one remedy, got none.*with other values"):
        repair(pd.concat([table, other], ignore_index=True))


def test_a_folder_is_repaired_file_by_file(tmp_path):
    """What has no one remedy leaves its file out; the log says why."""
    frame(walk()).drop(columns="symbol").to_csv(tmp_path / "good.csv", index=False)
    other = frame(walk()).drop(columns="symbol")
    pd.concat([other, other.tail(1)]).to_csv(tmp_path / "twice.csv", index=False)
    other = pd.concat([other, other.tail(1).assign(high=999.0)])
    other.to_csv(tmp_path / "torn.csv", index=False)
    (tmp_path / "none.csv").write_text("hello\n")
    bars, log = repair(tmp_path)

    assert bars.symbols == ("good", "twice")
    assert np.diff(bars.offsets).tolist() == [60, 60]
    assert [change.action for change in log] == [
        "file left out",
        "file left out",
        "row dropped",
    ]
    assert "none.csv" in log[0].reason


def test_a_folder_without_a_remedy(tmp_path):
    """Where nothing is left, nothing is written."""
    (tmp_path / "none.csv").write_text("hello\n")

    with pytest.raises(BarsError, match="one remedy, got none"):
        repair(tmp_path)
