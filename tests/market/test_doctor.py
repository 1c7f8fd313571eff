"""The doctor finds all that is wrong, and what looks wrong."""

import numpy as np
import pandas as pd
import pytest

from closecast.errors import BarsError
from closecast.market.doctor import check
from closecast.market.readers import read_bars
from closecast.market.sample import sample_prices


def frame(close, volume=1.0):
    dates = pd.bdate_range("2024-01-01", periods=len(close))
    prices = dict.fromkeys(("open", "high", "low", "close"), np.asarray(close, float))
    return pd.DataFrame({"symbol": "A", "date": dates, **prices, "volume": volume})


class TestCheck:
    def test_a_sound_table_has_no_findings(self):
        """Nothing is said of nothing."""
        assert check(frame([1, 1.1, 1.2])) == []

    def test_every_trouble_is_found(self, tmp_path):
        """Each bad row is reported once for each trouble, with its line number."""
        path = tmp_path / "a.csv"
        path.write_text(
            "date,open,high,low,close,volume\n"
            "2024-01-02,1,1,1,1,1\n"
            "2024-01-03,1,1,1,x,1\n"
            "2024-01-04,-1,1,1,1,\n"
            "2024-13-05,1,1,1,1,1\n"
            "2024-01-02,1,1,1,1,1\n"
            "2024-01-08,1,1\n"
        )
        found = [(f.row, f.date, f.severity) for f in check(path)]

        assert sorted(found, key=str) == [
            (3, "2024-01-03", "error"),
            (4, "2024-01-04", "error"),
            (4, "2024-01-04", "error"),
            (5, None, "error"),
            (6, "2024-01-02", "error"),
            (7, None, "error"),
        ]

    def test_the_reader_raises_the_first_error(self, tmp_path):
        """Reader and doctor speak with one voice."""
        path = tmp_path / "a.csv"
        path.write_text("date,close\n2024-01-02,x\n2024-01-03,y\n")
        first, _ = check(path)

        with pytest.raises(BarsError) as raised:
            read_bars(path)
        assert str(raised.value).startswith(first.message)

    def test_a_folder_is_examined_to_its_end(self, tmp_path):
        """A file that cannot be read does not hide the trouble of the next."""
        (tmp_path / "a.csv").write_bytes(b"")
        (tmp_path / "b.csv").write_text("date,close\n2024-01-02,x\n")

        assert [f.row for f in check(tmp_path)] == [None, 2]

    def test_a_jump_looks_like_a_split(self):
        """A close halved overnight is a warning on the day it happens."""
        (finding,) = check(frame([10, 10.1, 5, 5.1]))

        assert (finding.severity, finding.row) == ("warning", 2)
        assert "log return within 0.5 a session, got -0.70" in finding.what

    def test_five_equal_closes_look_frozen(self):
        """Five are reported, four are not."""
        (finding,) = check(frame([2, 2, 2, 2, 2.5, 3, 3, 3, 3, 3]))

        assert finding.date == "2024-01-08"
        assert "got 5 up to 2024-01-12" in finding.what

    def test_sessions_without_trade(self):
        """Runs without volume are one warning each."""
        found = check(frame([1, 1.1, 1.2, 1.3], volume=[1.0, 0, 0, 1]))

        assert [f.what for f in found] == [
            "Expected a volume above 0, got 0, 2 sessions up to 2024-01-03"
        ]

    def test_rows_out_of_order(self):
        """Newest first is a warning, not an error."""
        (finding,) = check(frame([1, 1.1, 1.2])[::-1])

        assert finding.severity == "warning"
        assert "order of date" in finding.what

    def test_broken_bars_do_not_upset_the_warnings(self):
        """A negative close is an error and no log return is taken of it."""
        found = check(frame([1, 1.1, -1, 1.2]))

        assert {(f.row, f.severity) for f in found} == {(2, "error")}

    def test_the_sample_has_one_true_crash(self):
        """Apple's 52 % fall of September 2000 is the only oddity of the sample."""
        assert [(f.symbol, f.date) for f in check(sample_prices())] == [
            ("AAPL", "2000-09-29")
        ]
