"""The front door: fit an LSTM, forecast closes, and be told how far to trust it."""

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from jaxtyping import Int

from closecast.engine.fleet import Progress
from closecast.errors import ClosecastWarning, ModelError, SettingError, WindowError
from closecast.evaluation.conformal import Conformal
from closecast.evaluation.path_band import PathBand
from closecast.evaluation.scoreboard import Scoreboard, score
from closecast.experiments.companion import Companion
from closecast.experiments.defects import (
    checkup_of,
    tell_refused,
    tell_short,
    tell_still,
    tell_suspect,
)
from closecast.experiments.evidence import Evidence, as_stored
from closecast.experiments.fitted import Fitted, fitted_on, some_symbols
from closecast.experiments.index import Index
from closecast.experiments.record import block_of, data_of, stamps_of
from closecast.experiments.workers import IN_PROCESS, Workers
from closecast.forecast import Forecast
from closecast.forecast import Forecaster as ForecasterProtocol
from closecast.market.bars import Bars
from closecast.market.broken import broken_steps
from closecast.market.checkup import Checkup
from closecast.market.own import with_own
from closecast.market.panels import bars_of
from closecast.market.readers import frame_kind, frame_of
from closecast.models.baselines import Baseline, fit_baselines
from closecast.training.checkpoint import load, save, saved_beside
from closecast.training.model import TrainedModel, train_fleet
from closecast.training.permuted import Permuted, train_permuted
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
    scaler_audit,
)
from closecast.windows.scaling import volatility
from closecast.windows.walk_forward import FOLDS, REFIT_EVERY

if TYPE_CHECKING:
    from closecast.experiments.backtest import Backtest

T = TypeVar("T")

LEAK_TESTS_FILE = "leak_tests.json"
CALIBRATION_FILE = "calibration.json"
PATH_BAND_FILE = "path_band.json"
COMPANION_FILE = "companion.json"
DATA_CHECK_FILE = "data_check.json"

ONE_OF_EACH = (
    "These are figures of one split by date and of one seed: another period or seed "
    "may say otherwise."
)
ONE_SPLIT = (
    "These are figures of one split by date and of {seeds} seeds that forecast "
    "together: another period may say otherwise."
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """What a model is worth on bars it never trained on.

    Attributes:
        scoreboard: Scores beside the baselines, and the verdict.
        evidence: Every forecast that was scored, and what came.
        leak_tests: Outcomes of the leak tests after training.
        split: The blocks; all scores are of ``split.test``.
        bars: The panel that was scored.
        settings: What the model was made of, dates resolved.
    """

    scoreboard: Scoreboard
    evidence: Evidence
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
        seeds = self.settings.seeds
        caution = ONE_OF_EACH if seeds == 1 else ONE_SPLIT.format(seeds=seeds)
        return (*self.scoreboard.why, caution)

    def to_dict(self) -> dict[str, Any]:
        """Lay everything out for ``scoreboard.json``.

        Returns:
            Plain values that JSON holds.
        """
        return {
            **self.scoreboard.to_dict(),
            "why": list(self.why),
            "leak_tests": stamps_of(self.leak_tests),
            "data": data_of(self.bars),
            "data_check": checkup_of(self.bars, self.settings.window_spec).to_dict(),
            "split": {
                name: block_of(self.bars, getattr(self.split, name))
                for name in ("train", "validation", "test")
            },
            "seeds": self.settings.seeds,
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
        self._fitted: Fitted | None = None
        self._checkup: Checkup | None = None

    @property
    def fitted(self) -> Fitted:
        """The trained model with its calibration and stamps.

        Raises:
            ModelError: ``fit`` was not called yet.
        """
        if self._fitted is None:
            raise ModelError(
                "Expected a fitted Forecaster, got one without weights. Call fit "
                "first, or Forecaster.load."
            )
        return self._fitted

    @property
    def model(self) -> TrainedModel:
        """The trained model."""
        return self.fitted.model

    @property
    def voice(self) -> ForecasterProtocol[Bars]:
        """What forecasts: the model, its intervals calibrated where settings ask."""
        return self.fitted.voice

    @property
    def leak_tests(self) -> tuple[LeakResult, ...]:
        """Outcomes of the leak tests; none before ``fit``."""
        return () if self._fitted is None else self._fitted.leak_tests

    @property
    def spec(self) -> WindowSpec:
        """Shape of a window."""
        return self.settings.window_spec

    def fit(
        self,
        prices: object,
        *,
        own: object = None,
        on_epoch: Callable[[Progress], None] | None = None,
    ) -> "Forecaster":
        """Train on the oldest bars, stop early on a purged tail, test for leaks.

        Bars from ``test_start`` on (by default the last fifth) are not seen.

        Args:
            prices: A frame, a path or a panel; see ``closecast.read_prices``.
            own: Frame or path with the columns that ``past_columns``,
                ``known_columns`` and ``static_columns`` name.
            on_epoch: Called after every epoch, for progress.

        Returns:
            Itself, fitted.

        Raises:
            BarsError: The prices break a rule.
            WindowError: They are too short for the blocks.
            TrainingError: The training diverged.
            LeakageError: A forecast could have seen its own answer.
        """
        bars = self.panel(prices, own)
        split = self._split(bars)
        _tell_short(bars, self.spec.length, "training")
        tell_still(bars)
        tell_refused(bars, self.spec, split.test_start)
        settings = replace(
            self.settings,
            validation_start=str(split.validation_start),
            test_start=str(split.test_start),
        )
        count_trial(bars.fingerprint, settings)
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
            WindowError: There are too few validation windows to calibrate on.
        """
        self._checkup = checkup_of(bars, self.spec)
        return self._take(Fitted.of(model, bars, split))

    def _take(self, fitted: Fitted) -> "Forecaster":
        self.settings, self._fitted = fitted.model.settings, fitted
        return self

    @classmethod
    def of_fitted(cls, fitted: Fitted) -> "Forecaster":
        """Make a forecaster of a model that has passed the leak tests.

        Args:
            fitted: The model with its stamps.

        Returns:
            A fitted forecaster.
        """
        return cls()._take(fitted)

    def cross_validate(  # noqa: PLR0913  each is a choice of its own
        self,
        prices: object,
        folds: int = FOLDS,
        *,
        refit: bool = True,
        expanding: bool = False,
        refit_every: int = REFIT_EVERY,
        own: object = None,
        on_epoch: Callable[[Progress], None] | None = None,
        workers: Workers = IN_PROCESS,
    ) -> "Backtest":
        """Walk forward: train, test on the sessions that follow, step on, again.

        The forecaster itself stays as it is; each fold trains a model of its own.

        Args:
            prices: A frame, a path or a panel.
            folds: Test blocks, end to end, of the newest sessions.
            refit: Whether each fold trains again; otherwise the first fold's model
                and baselines are tested on all.
            expanding: Whether a fold trains from the first session on; otherwise the
                training block rolls.
            refit_every: Sessions of a test block.
            own: As in ``fit``.
            on_epoch: Called after every epoch, for progress.
            workers: Where folds are trained; see ``closecast.experiments.workers``.

        Returns:
            Scores over all folds and of each, and every forecast.

        Raises:
            BarsError: The prices break a rule.
            SettingError: A date of a single split is set.
            WindowError: They are too short for a fold.
            TrainingError: A training diverged.
            LeakageError: A forecast could have seen its own answer.
        """
        from closecast.experiments.backtest import Plan, backtest

        plan = Plan(
            folds=folds, refit=refit, expanding=expanding, refit_every=refit_every
        )
        bars = self.panel(prices, own)
        return backtest(bars, self.settings, plan, on_epoch, workers=workers)

    def predict(
        self,
        prices: object,
        cutoffs: str | Sequence[str] | None = None,
        *,
        own: object = None,
        path_bands: bool = False,
    ) -> Any:  # noqa: ANN401  the frame's kind is the caller's
        """Forecast the next closes.

        Args:
            prices: A frame, a path or a panel.
            cutoffs: None for the last bar of each symbol, "all" for every bar with
                a context behind it, or ISO dates of last known bars.
            own: As in ``fit``; columns known ahead reach beyond the last bar.
            path_bands: Whether to add the bands that all steps stay inside together.

        Returns:
            A frame of the kind that went in (pandas from a file), one row a symbol,
            cutoff and step: see ``Forecast.to_columns``.

        Raises:
            BarsError: The prices break a rule.
            WindowError: No symbol has a context at a cutoff.
            ModelError: ``fit`` was not called yet, or the model has no band.
        """
        forecast = self.forecast(self.panel(prices, own), cutoffs)
        columns = forecast.to_columns(path_bands=path_bands)
        return frame_of(columns, frame_kind(prices))

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
        voice, rows = self.voice, _rows(bars, self.spec, cutoffs)
        _tell_short(bars, self.spec.context_length, "the forecast")
        tell_suspect(bars, rows, self.spec)
        return voice.forecast(bars, rows)

    def fit_baselines(self, bars: Bars) -> tuple[Baseline | Permuted, ...]:
        """Fit the baselines to the same block as the model, the permuted one too.

        Args:
            bars: The panel that the model was trained on.

        Returns:
            The baselines.

        Raises:
            WindowError: A block has no window.
        """
        split = self._split(bars)
        permuted = self.fitted.permuted or train_permuted(bars, self.settings, split)
        return (
            *fit_baselines(bars, split.train, self.spec, self.settings.calendar),
            *([] if permuted is None else [permuted]),
        )

    def evaluate(
        self,
        prices: object,
        baselines: Sequence[Baseline | Permuted] | None = None,
        *,
        own: object = None,
    ) -> Evaluation:
        """Score every window of the test block beside the baselines.

        Args:
            prices: A frame, a path or a panel that holds the bars trained on too:
                the baselines are fitted to the same block as the model.
            baselines: What ``fit_baselines`` gave; None fits them.
            own: As in ``fit``.

        Returns:
            Scores, checks and the verdict.

        Raises:
            BarsError: The prices break a rule.
            WindowError: A block has no window.
            ModelError: ``fit`` was not called yet.
            LeakageError: Something fitted has seen a bar of a later block.
        """
        voice, bars = self.voice, self.panel(prices, own)
        split = self._split(bars)
        if baselines is None:
            baselines = self.fit_baselines(bars)
        forecasts = {
            one.name: as_stored(one.forecast(bars, split.test))
            for one in (voice, *baselines)
        }
        audit = scaler_audit(
            fitted_on([*self.fitted.parts, *baselines]), str(split.validation_start)
        )
        require_no_leak([audit])
        truth = WindowData.of(bars, self.spec).target(split.test)
        scale = volatility(bars)[split.test]
        return Evaluation(
            scoreboard=score(forecasts, truth, scale),
            evidence=Evidence(forecasts=forecasts, truth=truth, scale=scale),
            leak_tests=(
                *(test for test in self.leak_tests if test.name != audit.name),
                audit,
            ),
            split=split,
            bars=bars,
            settings=self.settings,
        )

    def leak_test(self, prices: object, own: object = None) -> list[LeakResult]:
        """Ask the trained model for leaks on any prices.

        Args:
            prices: A frame, a path or a panel.
            own: As in ``fit``.

        Returns:
            One result a test that needs a forecaster and bars alone.

        Raises:
            BarsError: The prices break a rule.
            WindowError: No symbol has a whole context.
            ModelError: ``fit`` was not called yet.
        """
        bars = self.panel(prices, own)
        asked = some_symbols(bars, cutoffs_with_context(bars, self.spec))
        return run_leak_tests(self.voice, *asked)

    def save(self, folder: str | Path) -> None:
        """Write weights, settings, learning curve and leak stamps.

        Args:
            folder: Where to; made if absent.

        Raises:
            ModelError: ``fit`` was not called yet.
        """
        told: dict[str, object] = {
            LEAK_TESTS_FILE: [asdict(result) for result in self.leak_tests]
        }
        if self._checkup is not None:
            told[DATA_CHECK_FILE] = self._checkup.to_dict()
        if self.fitted.conformal is not None:
            told[CALIBRATION_FILE] = self.fitted.conformal.to_dict()
        if self.fitted.companion is not None:
            told[COMPANION_FILE] = self.fitted.companion.to_dict()
        if self.fitted.path_band is not None:
            told[PATH_BAND_FILE] = self.fitted.path_band.to_dict()
        beside = {
            name: (json.dumps(values, indent=2) + "\n").encode()
            for name, values in told.items()
        }
        save(self.model, Path(folder), beside)

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
        folder = Path(folder)
        model = load(folder)
        horizon = model.settings.horizon
        conformal = companion = path_band = None
        if model.settings.calibrate == "conformal":
            conformal = _read_beside(
                folder / CALIBRATION_FILE,
                "a calibration",
                lambda values: Conformal.of(values, horizon),
            )
        if model.settings.blend != "none":
            companion = _read_beside(
                folder / COMPANION_FILE,
                "what the model is blended with",
                lambda values: Companion.of(values, horizon),
            )
        if PATH_BAND_FILE in saved_beside(folder):
            path = folder / PATH_BAND_FILE
            path_band = _read_beside(path, "a band of the path", PathBand.of)
        stamps = _read_beside(folder / LEAK_TESTS_FILE, "leak stamps", _stamps)
        return cls.of_fitted(
            Fitted(
                model=model,
                conformal=conformal,
                companion=companion,
                path_band=path_band,
                leak_tests=stamps,
            )
        )

    def panel(self, prices: object, own: object = None) -> Bars:
        """Put the columns that the settings name beside the bars of some prices.

        Args:
            prices: A frame, a path or a panel.
            own: As in ``fit``; without it the panel is as it is.

        Returns:
            The panel.

        Raises:
            BarsError: The prices break a rule, or a value of a column is missing.
        """
        bars = bars_of(prices)
        if own is None:
            return bars
        settings = self.settings
        return with_own(
            bars, own, settings.own_columns, settings.horizon, settings.calendar
        )

    def _split(self, bars: Bars) -> Split:
        dates = (self.settings.validation_start, self.settings.test_start)
        return split_by_date(bars, self.spec, *dates, broken=broken_steps(bars))


def _read_beside(path: Path, what: str, read: Callable[[Any], T]) -> T:
    try:
        return read(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(
            f"Expected {what}, got none that can be read ({path}: {error}). Train the "
            "model again."
        ) from error


def count_trial(fingerprint: str, settings: Settings) -> None:
    """Count a fit: it needs no count, a later verdict does, so it goes on without.

    Args:
        fingerprint: Of the data that it is fitted to.
        settings: Its settings.
    """
    try:
        Index().add_trials(fingerprint, [settings.hash])
    except SettingError as error:
        warnings.warn(f"This trial is not counted. {error}", ClosecastWarning, 3)


def _stamps(stamps: Sequence[Mapping[str, Any]]) -> tuple[LeakResult, ...]:
    return tuple(LeakResult(**stamp) for stamp in stamps)


def _tell_short(bars: Bars, needed: int, what: str) -> None:
    tell_short(short_symbols(bars, needed), len(bars.symbols), needed, what)


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
