"""The doctor finds all that is wrong, and what looks wrong."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from closecast.errors import BarsError
from closecast.market.checkup import spots_in, worst_first
from closecast.market.doctor import check, examine
from closecast.market.readers import read_bars
from closecast.market.sample import sample_prices
from closecast.market.store import Store


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


def walk(count=80, start=100.0):
    """Make closes that move a little each day, the same ones each time."""
    moves = np.random.default_rng(0).normal(0, 0.01, count)
    return start * np.exp(np.cumsum(moves))


def troubles(table, **options):
    return [finding.what for finding in check(table, **options)]


class TestUnits:
    @pytest.mark.parametrize(
        ("factor", "said"), [(100, "about 100 times"), (0.1, "about 1/10 of")]
    )
    def test_an_isolated_spike_is_one_finding(self, factor, said):
        """A close in another unit is named on its day, not as two jumps."""
        close = walk()
        close[40] = factor * (close[39] + close[41]) / 2
        (finding,) = check(frame(close))

        assert finding.row == 40
        assert said in finding.what
        assert finding.training == "refuses the windows that touch it"

    @pytest.mark.parametrize(
        ("divisor", "said"),
        [
            (4, "about 1/4: check for a split"),
            (100, "about 1/100: check for prices in"),
        ],
    )
    def test_a_lasting_change_looks_like_a_split_or_a_unit(self, divisor, said):
        """A level that stays divided by a whole number is a split, by 100 a unit."""
        close = walk()
        close[40:] *= close[39] / close[40] / divisor
        (finding,) = check(frame(close))

        assert finding.row == 40
        assert said in finding.remedy

    def test_a_crash_of_no_whole_ratio_is_no_split(self):
        """A fall to 0.44 is a jump and nothing more."""
        close = walk()
        close[40:] *= 0.44 * close[39] / close[40]
        (finding,) = check(frame(close))

        assert finding.remedy.startswith("Check for a split, or another unit")

    def test_a_low_of_another_unit(self):
        """A low at a hundredth of its high is sound by rule, and odd."""
        table = frame(walk())
        table.loc[7, "low"] /= 100

        assert "high within 5 times the low" in troubles(table)[0]


class TestGaps:
    def test_a_gap_against_its_own_rhythm(self):
        """Three weeks without a row are a gap for a stock, a long weekend is none."""
        table = frame(walk())

        assert troubles(table.drop(index=range(40, 44))) == []
        assert "gap of 28 days" in troubles(table.drop(index=range(40, 59)))[0]

    def test_a_market_that_never_closes(self):
        """Five days are a gap for a coin."""
        table = frame(walk())
        table["date"] = pd.date_range("2024-01-01", periods=len(table))

        assert troubles(table.drop(index=[40, 41])) == []
        assert "gap of 5 days" in troubles(table.drop(index=range(40, 44)))[0]

    def test_weekly_rows_are_no_gaps(self):
        """The rhythm is the symbol's own."""
        table = frame(walk())
        table["date"] = pd.date_range("2020-01-03", periods=len(table), freq="7D")

        assert troubles(table) == []

    @pytest.mark.parametrize(("level", "count"), [(10.0, 1), (1.2, 0)])
    def test_a_symbol_that_was_given_away(self, level, count):
        """Another price level after a year of silence may be another company."""
        close = walk()
        close[40:] *= level
        table = frame(close)
        table.loc[40:, "date"] += pd.Timedelta(days=400)
        found = troubles(table)

        assert len(found) == 1
        assert sum("one company a symbol" in what for what in found) == count


class TestSteps:
    def test_a_price_of_few_steps_is_coarse(self):
        """One won on a price of 50 won is most of a day's move."""
        found = troubles(frame(np.round(walk() * 0.5)))

        assert any("steps of 1, " in what for what in found)

    def test_one_won_on_364_is_coarse(self):
        """Also where the price moves by many steps a day."""
        close = 364 * (walk(start=1.0) ** 2)
        found = troubles(frame(np.round(close)))

        assert any("steps of 1, 0.2" in what for what in found)
        assert troubles(frame(np.round(10 * close))) == []

    def test_cents_on_a_hundred_are_fine(self):
        """A hundredth of a per cent is no trouble."""
        assert check(frame(np.round(walk(), 2))) == []


class TestFolder:
    def folder(self, tmp_path):
        """Two files of the same prices, one with a bad row, one that is no table."""
        close = walk()
        for name in ("one", "one (1)", "bad"):
            frame(close).drop(columns="symbol").to_csv(
                tmp_path / f"{name}.csv", index=False
            )
        text = (tmp_path / "bad.csv").read_text().splitlines()
        day, opened, _, *others = text[20].split(",")
        text[20] = ",".join([day, opened, "1", *others])
        (tmp_path / "bad.csv").write_text("\n".join(text))
        (tmp_path / "none.csv").write_text("hello\n")
        return tmp_path

    def test_a_bad_file_costs_that_file_alone(self, tmp_path):
        """Training goes on without it, and the doctor says so."""
        found = check(self.folder(tmp_path))
        errors = {f.file.rpartition("/")[2]: f.training for f in found if not f.kind}

        assert errors == {
            "bad.csv": "leaves the file out",
            "none.csv": "leaves the file out",
        }

    def test_a_file_that_was_saved_twice(self, tmp_path):
        """The same bars under two names are a copy of one."""
        (finding,) = [f for f in check(self.folder(tmp_path)) if f.kind == "copy"]

        assert finding.symbol == "one (1)"
        assert "got those of one" in finding.what

    def test_files_are_counted_as_they_are_read(self, tmp_path):
        """Progress names each file, the result their number."""
        seen = []
        folder = self.folder(tmp_path)
        examined = examine(folder, on_file=lambda *done: seen.append(done))

        assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
        assert examined.files == 4

    def test_the_worst_spots_are_drawn_beside_errors(self, tmp_path):
        """A high below its close is a spot, with the closes of its own file around."""
        examined = examine(self.folder(tmp_path))
        (spot,) = spots_in(examined.table, worst_first(examined.findings))

        assert (spot["symbol"], spot["kind"], spot["at"]) == ("bad", "error", 19)
        assert len(spot["dates"]) == len(spot["closes"]) == 40


def test_some_of_each_kind_are_drawn():
    """Three changes of unit leave room for a split among the worst spots."""
    close = walk()
    for at, factor in ((20, 10), (30, 10), (40, 10), (60, 0.25)):
        close[at:] *= factor * close[at - 1] / close[at]
    examined = examine(frame(close))
    spots = spots_in(examined.table, worst_first(examined.findings))

    assert [spot["kind"] for spot in spots] == ["unit", "unit", "split"]


def test_the_store_is_examined_too(tmp_path, monkeypatch):
    """Symbols of the store have findings as files have."""
    monkeypatch.setenv("CLOSECAST_STORE", str(tmp_path))
    close = walk()
    close[40:] /= 4 * close[40] / close[39]
    Store().append(read_bars(frame(close)).bars, source="test")
    examined = examine("store:A")

    assert [finding.kind for finding in examined.findings] == ["split"]
    assert len(spots_in(examined.table, examined.findings)) == 1


class TestLastBar:
    @pytest.mark.parametrize(("day", "count"), [(3, 1), (4, 0)])
    def test_a_session_of_today_may_not_be_over(self, day, count):
        """The last bar is doubted on its own day and not on the next."""
        found = troubles(frame([1, 1.1, 1.2]), today=dt.date(2024, 1, day))

        assert sum("may still run" in what for what in found) == count
