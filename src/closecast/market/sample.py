"""Real prices inside the package: five US stocks, daily, 2000 to 2013.

Where they come from and under which terms is said in ``data/us_stocks.md``.
"""

from importlib.resources import as_file, files
from typing import Any

from closecast.market.bars import Bars
from closecast.market.readers import read_bars, to_frame


def sample_bars() -> Bars:
    """Read the prices that come with the package.

    Returns:
        AAPL, FB, GOOG, IBM and MSFT, adjusted for splits and dividends.
    """
    with as_file(files("closecast.market") / "data" / "us_stocks.parquet") as path:
        return read_bars(path).bars


def sample_prices() -> Any:  # noqa: ANN401
    """Read the prices that come with the package into a pandas dataframe.

    Returns:
        Columns symbol, date, open, high, low, close, volume; sorted.
    """
    return to_frame(sample_bars(), "pandas")
