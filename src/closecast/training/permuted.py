"""The same network on targets dealt out anew: what it forecasts without a clue.

It is a baseline, since a network that learns something must beat it, and a test:
where nothing can be learned, skill is a leak.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from closecast.engine import choose_engine
from closecast.engine.fleet import Member
from closecast.errors import TrainingError
from closecast.forecast import Forecast
from closecast.market.bars import Bars
from closecast.training.model import TrainedModel, learned_mean, record_of, tables_of
from closecast.training.settings import Settings
from closecast.windows.permuted import permuted_windows
from closecast.windows.split import Split

BUDGET = 40_960
"""Windows that its training passes over, all epochs together: it has a shape to
learn and no more."""

FEWEST_WINDOWS = 32
"""Of fewer training windows a network learns nothing at all."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Permuted:
    """A network trained on targets dealt out anew.

    Attributes:
        model: The network; its mean is as it was learned.
        mean: What it expects in validation windows with targets dealt out anew, in
            units of the window.
        target: What was dealt to them, in the same unit.
        cutoffs: Rows of the panel that their contexts end at.
        name: What tables call it.
    """

    model: TrainedModel
    mean: Float[np.ndarray, "window horizon"]
    target: Float[np.ndarray, "window horizon"]
    cutoffs: Int[np.ndarray, " window"]
    name: str = "permuted"

    @property
    def first_date(self) -> str:
        """First bar that its training saw, ISO."""
        return str(self.model.trained_on["first_date"])

    @property
    def last_date(self) -> str:
        """Last bar that its training saw, ISO."""
        return str(self.model.trained_on["last_date"])

    def forecast(self, bars: Bars, cutoffs: Int[np.ndarray, " window"]) -> Forecast:
        """Forecast as ``TrainedModel`` does."""
        return self.model.forecast(bars, cutoffs)


def train_permuted(bars: Bars, settings: Settings, split: Split) -> Permuted | None:
    """Train a network of some settings on targets dealt out anew.

    One seed, at most ``BUDGET`` windows, the epochs that fit into it, no early stop.

    Args:
        bars: The panel.
        settings: Settings of the model that it stands beside.
        split: The blocks of that model.

    Returns:
        The network; None where there are too few windows to exchange targets, or
        where its training diverged.

    Raises:
        SettingError: The engine or the device is not there.
    """
    data = tables_of(bars, settings)
    windows = permuted_windows(data, bars, split, settings.seed)
    if len(windows.train) < FEWEST_WINDOWS or len(windows.validation) == 0:
        return None
    own = _plain(settings, len(windows.train))
    member = Member(
        name="permuted targets",
        network=own.network,
        optimizer=own.optimizer_config,
        train=windows.train,
        validation=windows.validation,
    )
    engine = choose_engine(own.engine, own.device)
    (trained,) = engine.train(windows.data, [member], None)
    if isinstance(trained, TrainingError):
        return None
    mean = learned_mean(engine, windows.data, own, trained)
    rows = windows.validation
    target = windows.data.target(rows) / windows.data.unit(rows)
    spread = np.sqrt(np.mean((target - mean) ** 2, axis=0))
    record = record_of(bars, split.train, split.validation, own.horizon)
    model = TrainedModel(
        settings=own,
        weights=trained.weights,
        curve=trained.curve,
        residual_scale=spread if own.head == "point" else None,
        trained_on={**record, "engine": engine.name},
    )
    return Permuted(
        model=model, mean=mean, target=target, cutoffs=windows.validation_cutoffs
    )


def _plain(settings: Settings, windows: int) -> Settings:
    return replace(
        settings,
        seeds=1,
        mean="free",
        width="free",
        calibrate="none",
        blend="none",
        early_stopping=False,
        batch_size=min(settings.batch_size, windows),
        epochs=max(1, min(settings.epochs, BUDGET // windows)),
    )
