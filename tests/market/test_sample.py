"""The prices inside the package are what their label says."""

from importlib.resources import files

import numpy as np

from closecast.market.bars import CLOSE
from closecast.market.calendar import rhythm
from closecast.market.sample import sample_bars, sample_prices

DATA = files("closecast.market") / "data"


class TestSample:
    def test_holds_five_stocks(self):
        """Counts and dates are those of the label."""
        bars = sample_bars()

        assert bars.symbols == ("AAPL", "FB", "GOOG", "IBM", "MSFT")
        assert list(np.diff(bars.offsets)) == [3270, 196, 2148, 3270, 3270]
        assert str(bars.dates.max()) == "2013-03-01"
        assert "12,154 rows" in (DATA / "us_stocks.md").read_text("utf-8")
        assert len(bars) == 12_154

    def test_dates_are_sessions_of_new_york(self):
        """Every symbol trades by the calendar of NYSE."""
        bars = sample_bars()

        assert {rhythm(bars.dates[start:end]) for _, start, end in bars} == {"XNYS"}

    def test_splits_are_adjusted_for(self):
        """Apple's split of 2005-02-28 and Microsoft's of 2003-02-18 leave no jump."""
        bars = sample_bars()
        for symbol, day in (("AAPL", "2005-02-28"), ("MSFT", "2003-02-18")):
            at = np.array([bars.symbol_of(i) == symbol for i in range(len(bars))])
            row = np.flatnonzero(at & (bars.dates == np.datetime64(day)))[0]
            close = bars.values[row - 1 : row + 1, CLOSE]
            assert abs(np.log(close[1] / close[0])) < 0.05

    def test_stays_small(self):
        """The wheel carries less than 700 kB of prices."""
        assert len((DATA / "us_stocks.parquet").read_bytes()) < 700_000

    def test_comes_as_a_dataframe(self):
        """The same prices in pandas."""
        prices = sample_prices()

        np.testing.assert_array_equal(prices["close"], sample_bars().close)
