"""A trained model that may speak: calibrated where asked, and tested for leaks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int

from closecast.evaluation.blend import Blended
from closecast.evaluation.conformal import (
    MIN_WINDOWS,
    Calibrated,
    Conformal,
    fit_conformal,
)
from closecast.evaluation.no_skill import NAME, label_shuffle
from closecast.evaluation.path_band import (
    Banded,
    PathBand,
    calibration_windows,
    fit_path_band,
)
from closecast.experiments.companion import Companion
from closecast.forecast import Forecaster
from closecast.market.bars import Bars
from closecast.models.baselines import (
    Baseline,
    Drift,
    Historical,
    MovingAverage,
    Zero,
)
from closecast.models.baselines.location_scale import expanding_moments
from closecast.training.model import TrainedModel
from closecast.training.permuted import Permuted, train_permuted
from closecast.windows import Split, WindowData, WindowSpec
from closecast.windows.leakage import (
    LeakResult,
    require_no_leak,
    run_leak_tests,
    scaler_audit,
    target_overlap,
)

MOST_ASKED = 200_000
"""Bars that leak tests ask a model on: of a larger panel every so many symbols."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fitted:
    """A model after its training and all that follows it.

    Attributes:
        model: The model.
        conformal: How far its intervals are stretched; None leaves them.
        companion: What it is blended with; None leaves it alone.
        path_band: What its whole path stays inside; None where there were too few
            validation windows to measure it on, and of a model saved without.
        leak_tests: Outcomes of the leak tests.
        permuted: The same network on targets dealt out anew; None where it was not
            trained, and of a model that was loaded.
    """

    model: TrainedModel
    conformal: Conformal | None = None
    companion: Companion | None = None
    path_band: PathBand | None = None
    leak_tests: tuple[LeakResult, ...] = ()
    permuted: Permuted | None = None

    @classmethod
    def of(cls, model: TrainedModel, bars: Bars, split: Split) -> "Fitted":
        """Calibrate a model on its validation tail and test it for leaks.

        Args:
            model: The model.
            bars: The panel that it was trained on.
            split: The blocks that it was trained by.

        Returns:
            The model with calibration and stamps.

        Raises:
            LeakageError: A forecast could have seen its own answer.
            WindowError: There are too few validation windows to calibrate on.
        """
        settings = model.settings
        conformal = None
        if settings.calibrate == "conformal":
            tail = model.forecast(bars, split.validation)
            truth = WindowData.of(bars, settings.window_spec).target(split.validation)
            conformal = fit_conformal(tail, truth, split.test_start)
        blended = settings.blend != "none"
        companion = Companion.fit(bars, split, settings) if blended else None
        made = cls(model=model, conformal=conformal, companion=companion)
        path_band = _path_band(made.stepwise, bars, split, settings.window_spec)
        made = replace(made, path_band=path_band)
        every = np.concatenate([split.train, split.validation, split.test])
        asked, asked_rows = some_symbols(bars, every)
        permuted = train_permuted(bars, settings, split)
        leak_tests = [
            *run_leak_tests(made.voice, asked, asked_rows),
            target_overlap(bars, split, settings.window_spec),
            scaler_audit(fitted_on(made.parts), str(split.validation_start)),
            labels_shuffled(permuted, bars),
        ]
        require_no_leak(leak_tests)
        return replace(made, leak_tests=tuple(leak_tests), permuted=permuted)

    @property
    def parts(self) -> list[TrainedModel | Baseline]:
        """All that was fitted to training windows."""
        companion = [] if self.companion is None else [self.companion.ewma_t]
        return [self.model, *companion]

    @property
    def voice(self) -> Forecaster[Bars]:
        """What forecasts: the model, its intervals held where asked, and a band."""
        if self.path_band is None:
            return self.stepwise
        return Banded(base=self.stepwise, band=self.path_band)

    @property
    def stepwise(self) -> TrainedModel | Blended | Calibrated:
        """The voice without the band of the path: the intervals of each step."""
        if self.conformal is None:
            return self.source
        spec = self.model.settings.window_spec
        return Calibrated(base=self.source, conformal=self.conformal, spec=spec)

    @property
    def source(self) -> TrainedModel | Blended:
        """The voice before its intervals are held: the model, blended where asked."""
        if self.companion is None:
            return self.model
        return Blended(
            base=self.model,
            other=self.companion.ewma_t,
            spec=self.model.settings.window_spec,
            adapts_from=np.datetime64(self.companion.adapts_from, "D"),
        )


def _path_band(
    stepwise: Forecaster[Bars], bars: Bars, split: Split, spec: WindowSpec
) -> PathBand | None:
    if len(split.validation) < MIN_WINDOWS:
        return None
    rows = calibration_windows(split.validation)
    truth = WindowData.of(bars, spec).target(rows)
    return fit_path_band(stepwise.forecast(bars, rows), truth)


def some_symbols(
    bars: Bars, rows: Int[np.ndarray, " window"]
) -> tuple[Bars, Int[np.ndarray, " some"]]:
    """Take every so many symbols of a large panel.

    Args:
        bars: The panel.
        rows: Some of its rows.

    Returns:
        The smaller panel, and those of the rows that are in it.
    """
    every = -(-len(bars) // MOST_ASKED)
    keep = bars.symbol_ids % every == 0
    kept = np.cumsum(keep) - 1
    return bars.select(keep), kept[rows[keep[rows]]]


def labels_shuffled(permuted: Permuted | None, bars: Bars) -> LeakResult:
    """Ask whether a network foresees targets that were dealt out anew.

    Args:
        permuted: The network; None where none was trained.
        bars: The panel.

    Returns:
        The outcome.
    """
    if permuted is None:
        return LeakResult(
            NAME, None, "too few windows to exchange targets: nothing checked"
        )
    unit = WindowData.of(bars, permuted.model.settings.window_spec).unit
    steps = np.arange(1, permuted.model.settings.horizon + 1)
    pace = expanding_moments(bars)[0][permuted.cutoffs][:, None]
    drift = pace * steps / unit(permuted.cutoffs)
    return label_shuffle(
        (permuted.target - permuted.mean) ** 2,
        (permuted.target - drift) ** 2,
        bars.dates[permuted.cutoffs],
        "the same network trained and judged on targets dealt out anew in blocks",
    )


def fitted_on(
    models: Sequence[TrainedModel | Baseline | Permuted],
) -> dict[str, tuple[str, str]]:
    """Say which bars each model has fitted something to, for ``scaler_audit``.

    Args:
        models: Models and baselines; some of them fit nothing.

    Returns:
        ISO dates of the first and the last bar, by the model's name.
    """
    fitted = {}
    for model in models:
        if isinstance(model, TrainedModel):
            record = model.trained_on
            fitted[model.name] = (record["first_date"], record["last_date"])
        elif not isinstance(model, Zero | Drift | MovingAverage | Historical):
            fitted[model.name] = (model.first_date, model.last_date)
    return fitted
