"""What a model is blended with: EWMA-t of its training windows, and from when on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from closecast.market.bars import Bars
from closecast.models.baselines import EwmaT, fit_ewma_t
from closecast.training.settings import Settings
from closecast.windows import Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """EWMA-t beside a model.

    Attributes:
        ewma_t: The baseline, fitted to the model's training windows.
        adapts_from: ISO date of the first cutoff whose outcome moves the blend: the
            first of the test block.
    """

    ewma_t: EwmaT
    adapts_from: str

    @classmethod
    def fit(cls, bars: Bars, split: Split, settings: Settings) -> "Companion":
        """Fit the baseline to the windows that the model was trained on.

        Args:
            bars: The panel.
            split: Its blocks.
            settings: Settings of the model.

        Returns:
            The companion.

        Raises:
            TrainingError: There are too few windows.
        """
        spec = settings.window_spec
        return cls(
            ewma_t=fit_ewma_t(bars, split.train, spec, settings.calendar),
            adapts_from=str(split.test_start),
        )

    def to_dict(self) -> dict[str, Any]:
        """Give the companion as plain values.

        Returns:
            What ``of`` reads back, to the last bit.
        """
        return asdict(self)

    @classmethod
    def of(cls, values: Mapping[str, Any], horizon: int) -> "Companion":
        """Make a companion from plain values.

        Args:
            values: What ``to_dict`` gave.
            horizon: Steps of the model that it stands beside.

        Returns:
            The companion.

        Raises:
            ValueError: A step has no tail or spread, or one that is not positive.
        """
        fitted = dict(values["ewma_t"])
        for name in ("degrees_of_freedom", "factors"):
            fitted[name] = tuple(float(value) for value in fitted[name])
            found = np.asarray(fitted[name])
            if len(found) != horizon or not np.all(np.isfinite(found) & (found > 0)):
                raise ValueError(f"{name} of {found}")
        date = np.datetime64(values["adapts_from"], "D")
        return cls(ewma_t=EwmaT(**fitted), adapts_from=str(date))
