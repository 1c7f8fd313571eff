"""The desk: the model that serves, and the forecasts that it makes on request.

It follows the shelf: a version that is promoted while a server runs serves from the
next request on.
"""

import datetime as dt
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from closecast.errors import WindowError
from closecast.experiments.defects import suspect_of
from closecast.forecast import Forecast
from closecast.market.bars import Bars
from closecast.market.broken import broken_steps
from closecast.serving.prices import PriceBook
from closecast.serving.shelf import LOG, Shelf, load
from closecast.windows import cutoffs_with_context, last_cutoffs
from closecast.windows.index import touches

if TYPE_CHECKING:
    from closecast.experiments.forecaster import Forecaster

LOOK_S = 1.0
"""Seconds between two looks at whether the shelf has changed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Serving:
    """The model that serves.

    Attributes:
        version: Its number on the shelf.
        model_hash: SHA-256 that stands for its content.
        forecaster: The model itself.
        scoreboard: What it was judged to be worth; None if it was not judged.
    """

    version: int
    model_hash: str
    forecaster: "Forecaster"
    scoreboard: dict[str, Any] | None

    @property
    def reads_others(self) -> bool:
        """Whether a symbol's forecast depends on other symbols or on its whole past."""
        settings = self.forecaster.settings
        asked = (settings.states, settings.calibrate, settings.blend)
        return any(value != "none" for value in asked)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Made:
    """A forecast that was made now.

    Attributes:
        forecast: One window.
        data: Fingerprint of the bars that it was made from.
        notes: What to know before it is trusted.
    """

    forecast: Forecast
    data: str
    notes: tuple[str, ...]


class Desk:
    """Makes forecasts.

    Args:
        shelf: Where the model comes from.
        prices: Where bars come from.
        onnx: Whether ONNX Runtime runs the networks.
        clock: Seconds that never go back.

    Raises:
        IntegrityError: The version that serves is not as it was put there.
        ModelError: ONNX is asked for, and the version has no such file.
        MissingExtraError: ONNX Runtime is asked for and not installed.
    """

    def __init__(
        self,
        shelf: Shelf,
        prices: PriceBook,
        *,
        onnx: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.shelf, self.prices, self.onnx = shelf, prices, onnx
        self._clock = clock
        self._lock = threading.Lock()
        self._stamp = _stamp(shelf.path / LOG)
        self._serving = _serving_of(shelf, onnx=onnx)
        self._looked = clock()
        self._newest: tuple[object, dict[str, Made]] | None = None

    def serving(self) -> Serving | None:
        """Say which model serves.

        Returns:
            It; None where none was promoted.

        Raises:
            IntegrityError: The version that serves is not as it was put there.
        """
        if self._clock() - self._looked >= LOOK_S:
            with self._lock:
                stamp = _stamp(self.shelf.path / LOG)
                if stamp != self._stamp:
                    self._serving = _serving_of(self.shelf, onnx=self.onnx)
                    self._stamp = stamp
                self._looked = self._clock()
        return self._serving

    def forecast(
        self, serving: Serving, symbol: str, cutoff: dt.date | None = None
    ) -> Made:
        """Forecast a symbol of the price book.

        Args:
            serving: The model.
            symbol: One that the book has.
            cutoff: The last bar known; the newest one by default.

        Returns:
            The forecast.

        Raises:
            WindowError: The cutoff is no session of the symbol, or has no context.
            StoreError: The store is missing or damaged.
        """
        if not serving.reads_others:
            return make(serving, self.prices.bars(symbol), symbol, cutoff)
        if cutoff is not None:
            return make(serving, self.prices.panel(), symbol, cutoff)
        return self._newest_of(serving, symbol)

    def _newest_of(self, serving: Serving, symbol: str) -> Made:
        # all symbols at once: what one of them needs of the panel is the same for all
        key = (serving.model_hash, self.prices.content().version)
        with self._lock:
            if self._newest is None or self._newest[0] != key:
                self._newest = key, _made_of_all(serving, self.prices.panel())
            found = self._newest[1].get(symbol)
        if found is None:
            return make(serving, self.prices.bars(symbol), symbol, None)
        return found


def make(
    serving: Serving, bars: Bars, symbol: str, cutoff: dt.date | None = None
) -> Made:
    """Forecast a symbol from bars.

    Args:
        serving: The model.
        bars: The panel; bars after the cutoff do not matter.
        symbol: One of its symbols.
        cutoff: The last bar known; the newest one by default.

    Returns:
        The forecast.

    Raises:
        WindowError: The cutoff is no session of the symbol, or has no context.
    """
    spec = serving.forecaster.spec
    rows = np.array([_row_of(serving, bars, symbol, cutoff)])
    said = suspect_of(bars, rows, spec)
    return Made(
        forecast=serving.forecaster.voice.forecast(bars, rows),
        data=bars.fingerprint,
        notes=(said,) if said else (),
    )


def _row_of(serving: Serving, bars: Bars, symbol: str, cutoff: dt.date | None) -> int:
    spec, at = serving.forecaster.spec, bars.symbols.index(symbol)
    start, end = int(bars.offsets[at]), int(bars.offsets[at + 1])
    if end - start < spec.context_length:
        raise WindowError(
            f"Expected at least {spec.context_length} bars of a symbol for a context, "
            f"got {end - start} (symbol {symbol}). Give a longer series."
        )
    if cutoff is None:
        return end - 1
    every = cutoffs_with_context(bars, spec)
    own = every[(every >= start) & (every < end)]
    found = own[bars.dates[own] == np.datetime64(cutoff, "D")]
    if not len(found):
        raise WindowError(
            f"Expected a cutoff that is a session of {symbol} with "
            f"{spec.context_length} bars up to it, {bars.dates[own[0]]} to "
            f"{bars.dates[end - 1]}, got {cutoff}. Choose a session of the data."
        )
    return int(found[0])


def _made_of_all(serving: Serving, panel: Bars) -> dict[str, Made]:
    rows = last_cutoffs(panel, serving.forecaster.spec)
    forecast = serving.forecaster.voice.forecast(panel, rows)
    context = serving.forecaster.spec.context_length
    suspect = touches(rows, broken_steps(panel), context)
    made = {}
    for place, row in enumerate(rows):
        alone = np.array([row])
        spec = serving.forecaster.spec
        made[panel.symbol_of(int(row))] = Made(
            forecast=forecast.take(np.array([place])),
            data=panel.fingerprint,
            notes=(suspect_of(panel, alone, spec),) if suspect[place] else (),
        )
    return made


def _serving_of(shelf: Shelf, *, onnx: bool) -> Serving | None:
    version = shelf.current()
    if version is None:
        return None
    return Serving(
        version=version.number,
        model_hash=version.model_hash,
        forecaster=load(version, onnx=onnx),
        scoreboard=version.scoreboard(),
    )


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
