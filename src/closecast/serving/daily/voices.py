"""What forecasts in the daily job: the model, its intervals adapted, and baselines."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int

from closecast.errors import ModelError
from closecast.evaluation.conformal import Calibrated, Promise, stretched
from closecast.experiments.forecaster import Forecaster
from closecast.forecast import Forecast
from closecast.market.bars import Bars
from closecast.models.baselines import EwmaT, Zero, fit_ewma_t
from closecast.serving import shelf as shelves
from closecast.serving.daily.config import DailyConfig
from closecast.training.checkpoint import MODEL
from closecast.windows.index import cutoffs_with_targets

FITTED_WINDOWS = 20_000
"""Windows that EWMA-t is fitted to, evenly spread over the past."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Voices:
    """The model and the baselines that are recorded with it.

    Attributes:
        forecaster: The model.
        model_hash: SHA-256 that its folder states of its content.
        version: Its number on a shelf; None for a model that is on none.
    """

    forecaster: Forecaster
    model_hash: str
    version: int | None = None

    @classmethod
    def of(cls, config: DailyConfig) -> "Voices":
        """Load the model that a job is told to use.

        Args:
            config: The settings of the job.

        Returns:
            It and its baselines: of a shelf, the version that serves now.

        Raises:
            IntegrityError: The shelf is not as it was written.
            ModelError: The model is missing or damaged, or none was promoted.
        """
        if config.model is not None:
            return cls.load(config.model)
        shelf = shelves.Shelf(config.shelf)
        version = shelf.current()
        if version is None:
            raise ModelError(
                f"Expected a shelf with a version that serves, got none ({shelf.path})."
                " Promote one: closecast shelf promote."
            )
        return cls(
            forecaster=shelves.load(version),
            model_hash=version.model_hash,
            version=version.number,
        )

    @classmethod
    def load(cls, folder: Path) -> "Voices":
        """Load a model.

        Args:
            folder: What ``closecast train`` wrote.

        Returns:
            It and its baselines.

        Raises:
            ModelError: The folder is missing or damaged.
        """
        forecaster = Forecaster.load(folder)  # refuses what is not as it was saved
        document = json.loads((folder / MODEL).read_text(encoding="utf-8"))
        return cls(forecaster=forecaster, model_hash=document["sha256"])

    @property
    def adapts(self) -> bool:
        """Whether the model's intervals follow what they missed."""
        return self.forecaster.fitted.conformal is not None

    def first_promise(self, bars: Bars) -> Promise:
        """Say what intervals are asked to hold before the ledger has seen any.

        Args:
            bars: What is known.

        Returns:
            The promise that follows from these bars.
        """
        voice = self.forecaster.fitted.stepwise
        if not isinstance(voice, Calibrated):
            return Promise.nominal(self.forecaster.spec.horizon)
        return voice.promise(bars)

    def forecasts(
        self, bars: Bars, rows: Int[np.ndarray, " window"], promise: Promise
    ) -> tuple[Mapping[str, Forecast], Mapping[str, str]]:
        """Forecast from some rows of a panel that ends with them.

        Args:
            bars: What is known.
            rows: The newest bars of some symbols.
            promise: What the model's intervals are asked to hold.

        Returns:
            Forecasts by name, the model first, and the hash of each forecaster.

        Raises:
            TrainingError: There are too few windows to fit a baseline to.
        """
        spec, calendar = self.forecaster.spec, self.forecaster.settings.calendar
        past = cutoffs_with_targets(bars, spec)
        spread = np.linspace(0, len(past) - 1, min(len(past), FITTED_WINDOWS))
        baselines: list[EwmaT | Zero] = [
            fit_ewma_t(bars, past[spread.astype(int)], spec, calendar),
            Zero(horizon=spec.horizon, calendar=calendar),
        ]
        own = self._own(bars, rows, promise)
        forecasts = {self.forecaster.voice.name: own}
        forecasts |= {one.name: one.forecast(bars, rows) for one in baselines}
        hashes = {self.forecaster.voice.name: self.model_hash}
        hashes |= {
            one.name: hashlib.sha256(repr(one).encode()).hexdigest()
            for one in baselines
        }
        return forecasts, hashes

    def _own(
        self, bars: Bars, rows: Int[np.ndarray, " window"], promise: Promise
    ) -> Forecast:
        plain = self.forecaster.fitted.source.forecast(bars, rows)
        conformal = self.forecaster.fitted.conformal
        if conformal is None:
            return plain
        return stretched(plain, conformal.factors(promise.coverage))
