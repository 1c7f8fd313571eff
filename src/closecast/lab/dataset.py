"""``StockDataset``: prices as windows, as a DataLoader of PyTorch takes them.

A window is x_frames sessions and the y_frames sessions after them, every value as
``log(value) - log(value of the last session that is known)``. Windows are cut by
``closecast.windows`` and nowhere else.
"""

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int

from closecast.errors import BarsError, WindowError
from closecast.market.bars import Bars
from closecast.market.panels import SAMPLE, STORE, bars_of
from closecast.market.readers import to_frame
from closecast.market.sample import sample_bars
from closecast.market.store import Store
from closecast.windows.index import cutoffs_with_targets
from closecast.windows.scaling import gather_contexts, log_table
from closecast.windows.spec import WindowSpec

Day = str | dt.date | tuple[int, int, int] | None
"""An ISO date, a date, or (year, month, day) as the lecture writes it."""


class StockDataset:
    """Windows of prices, each a pair ``(X, y)``.

    Args:
        prices: A symbol of the store or of the sample such as ``"AAPL"``, or whatever
            ``closecast.read_prices`` takes: a file, a folder, a frame, ``"sample"``,
            ``"store:AAPL"``.
        x_frames: Sessions that a model reads.
        y_frames: Sessions that it forecasts.
        start: First day of the prices; None takes all.
        end: Last day of the prices, itself included; None takes all.

    Raises:
        BarsError: The prices cannot be read, or none lies between the days.
        WindowError: They are shorter than one window, or a day is none.

    Source: Standalone-DeepLearning, lecture on LSTM, ``StockDataset``.
    """

    def __init__(
        self,
        prices: Any,  # noqa: ANN401  whatever read_prices takes
        x_frames: int = 10,
        y_frames: int = 5,
        start: Day = None,
        end: Day = None,
    ) -> None:
        self.x_frames, self.y_frames = x_frames, y_frames
        self.spec = WindowSpec(context_length=x_frames, horizon=y_frames)
        self.bars = _between(_bars(prices), start, end)
        self.cutoffs: Int[np.ndarray, " window"] = cutoffs_with_targets(
            self.bars, self.spec
        )
        self._logs = log_table(self.bars)

    @property
    def data(self) -> Any:  # noqa: ANN401  a frame of pandas
        """The sessions as a frame of pandas, oldest first."""
        return to_frame(self.bars)

    def __len__(self) -> int:
        """Count the windows: sessions - (x_frames + y_frames) + 1 of each symbol."""
        return len(self.cutoffs)

    def __getitem__(
        self, idx: int
    ) -> tuple[
        Float32[np.ndarray, "x_frames column"], Float32[np.ndarray, "y_frames column"]
    ]:
        """Give one window.

        Args:
            idx: Its place from 0; a negative one counts from the end.

        Returns:
            X, the sessions that are known, and y, those to come: open, high, low,
            close and volume as logarithms over the last known session. The close is
            column 3.

        Raises:
            IndexError: There is no such window.
        """
        if not -len(self) <= idx < len(self):
            raise IndexError(
                f"Expected a window from 0 to {len(self) - 1}, got {idx}. "
                "len(dataset) says how many there are."
            )
        whole = WindowSpec(context_length=self.spec.length, horizon=self.y_frames)
        last = self.cutoffs[idx : idx + 1 or None] + self.y_frames
        window = gather_contexts(self._logs, last, whole)[0]  # over the last of all
        window = _rebased(window, self.x_frames - 1).astype(np.float32)
        return window[: self.x_frames], window[self.x_frames :]


def _rebased(
    window: Float[np.ndarray, "frame column"], frame: int
) -> Float[np.ndarray, "frame column"]:
    return np.asarray(window - window[frame])


def _bars(prices: Any) -> Bars:  # noqa: ANN401
    if not _is_symbol(prices):
        return bars_of(prices)
    store = Store()
    if store.exists and prices in {stored.symbol for stored in store.symbols()}:
        return store.read([prices])
    sample = sample_bars()
    if prices in sample.symbols:
        return sample.select(sample.names(np.arange(len(sample))) == prices)
    raise BarsError(
        f"Expected a file, or a symbol of the store or of the sample "
        f"({', '.join(sample.symbols)}), got {prices!r}. Fetch it into the store with: "
        f"closecast data pull {prices} --vendor yahoo"
    )


def _is_symbol(prices: object) -> bool:
    return (
        isinstance(prices, str)
        and prices != SAMPLE
        and not prices.startswith(STORE)
        and not Path(prices).suffix
        and not Path(prices).exists()
        and Path(prices).name == prices
    )


def _between(bars: Bars, start: Day, end: Day) -> Bars:
    first, last = _day("start", start), _day("end", end)
    keep = np.ones(len(bars), bool)
    if first is not None:
        keep &= bars.dates >= first
    if last is not None:
        keep &= bars.dates <= last
    if keep.all():
        return bars
    if not keep.any():
        raise BarsError(
            f"Expected prices from {first} to {last}, got none: they run from "
            f"{bars.dates.min()} to {bars.dates.max()}. Choose other days."
        )
    return bars.select(keep)


def _day(name: str, day: Day) -> np.datetime64 | None:
    if day is None:
        return None
    try:
        date = dt.date(*day) if isinstance(day, tuple) else day
        return np.datetime64(date, "D")
    except (TypeError, ValueError) as error:
        raise WindowError(
            f"Expected a day such as (2000, 1, 1) or '2000-01-01' for {name}, got "
            f"{day!r}. Write year, month and day."
        ) from error
