"""The front door: fit an LSTM, forecast closes, and be told how far to trust it."""

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from closecast.engine.fleet import Progress
from closecast.errors import (
    ClosecastWarning,
    ModelError,
    SettingError,
    WindowError,
)
from closecast.evaluation.scoreboard import Scoreboard, score
from closecast.experiments.index import Index
from closecast.forecast import Forecast
from closecast.market.bars import Bars
from closecast.market.readers import bars_of, frame_kind, frame_of
from closecast.models.baselines import fit_baselines
from closecast.training.checkpoint import load, save, write_durably
from closecast.training.model import TrainedModel, train_fleet
from closecast.training.settings import Settings
from closecast.windows import (
    Split,
    WindowData,
    WindowSpec,
    cutoffs_with_context,
    last_cutoffs,
    split_by_date,
)
from closecast.windows.index import short_symbols
from closecast.windows.leakage import (
    LeakResult,
    require_no_leak,
    run_leak_tests,
    target_overlap,
)
from closecast.windows.scaling import volatility

LEAK_TESTS_FILE = "leak_tests.json"

SHORT_NAMED = 5
"""Symbols too short for a window that a note names, at most."""

ONE_OF_EACH = (
    "These are figures of one split by date and of one seed: another period or seed "
    "may say otherwise."
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """What a model is worth on bars it never trained on.

    Attributes:
        scoreboard: Scores beside the baselines, and the verdict.
        leak_tests: Outcomes of the leak tests after training.
        split: The blocks; all scores are of ``split.test``.
        bars: The panel that was scored.
        settings: What the model was made of, dates resolved.
    """

    scoreboard: Scoreboard
    leak_tests: tuple[LeakResult, ...]
    split: Split
    bars: Bars
    settings: Settings

    @property
    def verdict(self) -> str:
        """The verdict in words."""
        return self.scoreboard.verdict

    @property
    def why(self) -> tuple[str, ...]:
        """The figures behind the verdict, a sentence each."""
        return (*self.scoreboard.why, ONE_OF_EACH)

    def to_dict(self) -> dict[str, Any]:
        """Lay everything out for ``scoreboard.json``.

        Returns:
            Plain values that JSON holds.
        """
        return {
            **self.scoreboard.to_dict(),
            "why": list(self.why),
            "leak_tests": {
                result.name: {"passed": result.passed, "detail": result.detail}
                for result in self.leak_tests
            },
            "data": {
                "fingerprint": self.bars.fingerprint,
                "symbols": list(self.bars.symbols),
                "first": str(self.bars.dates.min()),
                "last": str(self.bars.dates.max()),
                "bars": len(self.bars),
            },
            "split": {
                name: _block(self.bars, getattr(self.split, name))
                for name in ("train", "validation", "test")
            },
            "seeds": 1,
            "settings": self.settings.to_dict(),
        }


class Forecaster:
    """An LSTM that reads the last bars and forecasts the next closes.

    Args:
        settings: Any setting of ``closecast.training.settings.Settings`` by name,
            such as ``context_length=10``.

    Raises:
        SettingError: A setting is unknown or out of its range.
    """

    def __init__(self, **settings: object) -> None:
        self.settings = Settings.of(settings)
        self.leak_tests: tuple[LeakResult, ...] = ()
        self._model: TrainedModel | None = None

    @property
    def model(self) -> TrainedModel:
        """The trained model.

        Raises:
            ModelError: ``fit`` was not called yet.
        """
        if self._model is None:
            raise ModelError(
                "Expected a fitted Forecaster, got one without weights. Call fit "
                "first, or Forecaster.load."
            )
        return self._model

    @property
    def spec(self) -> WindowSpec:
        """Shape of a window."""
        return self.settings.window_spec

    def fit(
        self, prices: object, *, on_epoch: Callable[[Progress], None] | None = None
    ) -> "Forecaster":
        """Train on the oldest bars, stop early on a purged tail, test for leaks.

        Bars from ``test_start`` on (by default the last fifth) are not seen.

        Args:
            prices: A frame, a path or a panel; see ``closecast.read_prices``.
            on_epoch: Called after every epoch, for progress.

        Returns:
            Itself, fitted.

        Raises:
            BarsError: The prices break a rule.
            WindowError: They are too short for the blocks.
            TrainingError: The training diverged.
            LeakageError: A forecast could have seen its own answer.
        """
        bars = bars_of(prices)
        split = self._split(bars)
        _tell_short(bars, self.spec.length, "training")
        settings = replace(
            self.settings,
            validation_start=str(split.validation_start),
            test_start=str(split.test_start),
        )
        _count(bars, settings)
        (model,) = train_fleet(
            bars, [settings], split.train, split.validation, on_epoch
        )
        return self.adopt(model, bars, split)

    def adopt(self, model: TrainedModel, bars: Bars, split: Split) -> "Forecaster":
        """Take a model that was trained elsewhere, once it passes the leak tests.

        Args:
            model: The model.
            bars: The panel that it was trained on.
            split: The blocks that it was trained by.

        Returns:
            Itself, fitted.

        Raises:
            LeakageError: A forecast could have seen its own answer.
        """
        every = np.concatenate([split.train, split.validation, split.test])
        leak_tests = [
            *run_leak_tests(model, bars, every),
            target_overlap(bars, split, model.settings.window_spec),
        ]
        require_no_leak(leak_tests)
        self.settings, self.leak_tests = model.settings, tuple(leak_tests)
        self._model = model
        return self

    def predict(
        self, prices: object, cutoffs: str | Sequence[str] | None = None
    ) -> Any:  # noqa: ANN401  the frame's kind is the caller's
        """Forecast the next closes.

        Args:
            prices: A frame, a path or a panel.
            cutoffs: None for the last bar of each symbol, "all" for every bar with
                a context behind it, or ISO dates of last known bars.

        Returns:
            A frame of the kind that went in (pandas from a file), one row a symbol,
            cutoff and step: see ``Forecast.to_columns``.

        Raises:
            BarsError: The prices break a rule.
            WindowError: No symbol has a context at a cutoff.
            ModelError: ``fit`` was not called yet.
        """
        forecast = self.forecast(bars_of(prices), cutoffs)
        return frame_of(forecast.to_columns(), frame_kind(prices))

    def forecast(
        self, bars: Bars, cutoffs: str | Sequence[str] | None = None
    ) -> Forecast:
        """Forecast as ``predict`` does, as the object that all parts exchange.

        Args:
            bars: The panel.
            cutoffs: As in ``predict``.

        Returns:
            The distributions.

        Raises:
            WindowError: No symbol has a context at a cutoff.
            ModelError: ``fit`` was not called yet.
        """
        model, rows = self.model, _rows(bars, self.spec, cutoffs)
        _tell_short(bars, self.spec.context_length, "the forecast")
        return model.forecast(bars, rows)

    def evaluate(self, prices: object) -> Evaluation:
        """Score every window of the test block beside the baselines.

        Args:
            prices: A frame, a path or a panel that holds the bars trained on too:
                the baselines are fitted to the same block as the model.

        Returns:
            Scores, checks and the verdict.

        Raises:
            BarsError: The prices break a rule.
            WindowError: A block has no window.
            ModelError: ``fit`` was not called yet.
        """
        model, bars = self.model, bars_of(prices)
        split = self._split(bars)
        baselines = fit_baselines(bars, split.train, self.spec, self.settings.calendar)
        forecasts = {
            one.name: one.forecast(bars, split.test) for one in (model, *baselines)
        }
        truth = WindowData.of(bars, self.spec).target(split.test)
        scale = volatility(bars)[split.test]
        return Evaluation(
            scoreboard=score(forecasts, truth, scale),
            leak_tests=self.leak_tests,
            split=split,
            bars=bars,
            settings=self.settings,
        )

    def save(self, folder: str | Path) -> None:
        """Write weights, settings, learning curve and leak stamps.

        Args:
            folder: Where to; made if absent.

        Raises:
            ModelError: ``fit`` was not called yet.
        """
        save(self.model, Path(folder))
        stamps = [
            {"name": result.name, "passed": result.passed, "detail": result.detail}
            for result in self.leak_tests
        ]
        text = json.dumps(stamps, indent=2) + "\n"
        write_durably(Path(folder) / LEAK_TESTS_FILE, text.encode())

    @classmethod
    def load(cls, folder: str | Path) -> "Forecaster":
        """Read what ``save`` wrote.

        Args:
            folder: A model folder.

        Returns:
            A fitted forecaster that gives the same forecasts.

        Raises:
            ModelError: The folder is missing, damaged or of another kind.
        """
        forecaster = cls()
        forecaster._model = load(Path(folder))
        forecaster.settings = forecaster._model.settings
        forecaster.leak_tests = _stamps(Path(folder) / LEAK_TESTS_FILE)
        return forecaster

    def _split(self, bars: Bars) -> Split:
        dates = (self.settings.validation_start, self.settings.test_start)
        return split_by_date(bars, self.spec, *dates)


def _count(bars: Bars, settings: Settings) -> None:
    # a fit needs no count, a later verdict does: so it goes on, and says so
    try:
        Index().add_trials(bars.fingerprint, [settings.hash])
    except SettingError as error:
        warnings.warn(f"This trial is not counted. {error}", ClosecastWarning, 3)


def _stamps(path: Path) -> tuple[LeakResult, ...]:
    try:
        return tuple(LeakResult(**stamp) for stamp in json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(
            f"Expected leak stamps, got none that can be read ({path}: {error}). "
            "Train the model again."
        ) from error


def _tell_short(bars: Bars, needed: int, what: str) -> None:
    short = short_symbols(bars, needed)
    if short:
        names = ", ".join(short[:SHORT_NAMED]) + (
            " ..." if len(short) > SHORT_NAMED else ""
        )
        warnings.warn(
            f"{len(short)} of {len(bars.symbols)} symbols left out of {what}: fewer "
            f"than {needed} bars ({names}).",
            ClosecastWarning,
            stacklevel=3,
        )


def _block(bars: Bars, cutoffs: Int[np.ndarray, " window"]) -> dict[str, Any]:
    dates = bars.dates[cutoffs]
    return {
        "first": str(dates.min()),
        "last": str(dates.max()),
        "windows": len(cutoffs),
    }


def _rows(
    bars: Bars, spec: WindowSpec, cutoffs: str | Sequence[str] | None
) -> Int[np.ndarray, " window"]:
    if cutoffs is None:
        return last_cutoffs(bars, spec)
    every = cutoffs_with_context(bars, spec)
    if isinstance(cutoffs, str) and cutoffs == "all":
        return every
    texts = [cutoffs] if isinstance(cutoffs, str) else list(cutoffs)
    try:
        dates = np.array(texts, dtype="datetime64[D]")
    except ValueError as error:
        raise WindowError(
            f"Expected ISO dates or 'all' as cutoffs, got {texts}. "
            "Write dates such as 2012-01-31."
        ) from error
    rows = every[np.isin(bars.dates[every], dates)]
    missing = dates[~np.isin(dates, bars.dates[rows])]
    if len(missing):
        raise WindowError(
            f"Expected cutoffs that are sessions with {spec.context_length} bars up to "
            f"them, got {missing[0]} (bars run {bars.dates.min()} to "
            f"{bars.dates.max()}). Choose a session of the data."
        )
    return np.asarray(rows)
