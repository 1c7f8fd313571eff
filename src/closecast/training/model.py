"""A trained model: weights with the settings and the record of what they saw."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from closecast.engine import choose_engine
from closecast.engine.fleet import (
    Engine,
    LearningCurve,
    Member,
    Progress,
    TrainedMember,
)
from closecast.errors import TrainingError, WindowError
from closecast.forecast import Forecast
from closecast.market.bars import Bars
from closecast.market.calendar import target_sessions
from closecast.models.config import NetworkConfig, Weights
from closecast.models.heads import distribution
from closecast.training.settings import Settings
from closecast.windows.scaling import WindowData


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainedModel:
    """A trained model.

    Attributes:
        settings: What it was trained with.
        weights: Its weights, by name.
        curve: Losses of its training.
        residual_scale: Standard deviation of the point head's validation errors at
            each step, in units of the window; None for other heads.
        trained_on: Record of the data: ``fingerprint``, ``symbols``,
            ``first_date`` and ``last_date`` of the bars that training saw, targets
            included, ``validation_last_date``, ``train_windows``,
            ``validation_windows``.
    """

    settings: Settings
    weights: Weights
    curve: LearningCurve
    residual_scale: Float[np.ndarray, " horizon"] | None
    trained_on: dict[str, Any]

    @property
    def name(self) -> str:
        """What tables call it."""
        return "closecast"

    def forecast(self, bars: Bars, cutoffs: Int[np.ndarray, " window"]) -> Forecast:
        """Forecast the closes after each cutoff from the bars up to it.

        Args:
            bars: The panel; bars after a cutoff do not matter to its forecast.
            cutoffs: Rows of the last known bars, each with a whole context.

        Returns:
            One window for each cutoff, in the same order.

        Raises:
            WindowError: A cutoff has no whole context.
        """
        settings = self.settings
        _require_windows(bars, cutoffs, settings.context_length, 0)
        data = WindowData.of(bars, settings.window_spec)
        engine = choose_engine(settings.engine, settings.device)
        raw = engine.outputs(data, settings.network, self.weights, cutoffs)
        mean, quantiles = distribution(
            settings.head, raw, data.unit(cutoffs), self.residual_scale
        )
        return Forecast(
            symbols=np.asarray(bars.symbols)[bars.symbol_ids[cutoffs]],
            cutoffs=bars.dates[cutoffs],
            target_dates=target_sessions(
                bars, cutoffs, settings.horizon, settings.calendar
            ),
            last_close=bars.close[cutoffs],
            mean=mean,
            quantiles=quantiles,
        )


def train_fleet(
    bars: Bars,
    settings_list: Sequence[Settings],
    train_rows: Int[np.ndarray, " train"],
    validation_rows: Int[np.ndarray, " validation"],
    on_epoch: Callable[[Progress], None] | None = None,
    *,
    names: Sequence[str] | None = None,
) -> list[TrainedModel]:
    """Train one model for each of some settings, over the same windows.

    Args:
        bars: The panel.
        settings_list: Settings of the models.
        train_rows: Cutoffs to train on, each with a whole window.
        validation_rows: Cutoffs to stop and to measure the spread on.
        on_epoch: Called after each epoch of each model.
        names: What messages call the models; "model 1" and so on if None.

    Returns:
        The models, in the order of their settings.

    Raises:
        SettingError: The engine or the device is not there.
        TrainingError: There is no window, a batch is larger than the data, or a
            training diverged.
        WindowError: A cutoff has no whole window.
    """
    if names is None:
        names = [f"model {number + 1}" for number in range(len(settings_list))]
    members = [
        _member(bars, settings, name, train_rows, validation_rows)
        for name, settings in zip(names, settings_list, strict=True)
    ]
    models: dict[int, TrainedModel] = {}
    for together in _same_data(settings_list):
        settings = settings_list[together[0]]
        data = WindowData.of(bars, settings.window_spec)
        engine = choose_engine(settings.engine, settings.device)
        fleet = [members[place] for place in together]
        for place, trained in zip(
            together, engine.train(data, fleet, on_epoch), strict=True
        ):
            models[place] = _model(bars, settings_list[place], engine, data, trained)
    return [models[place] for place in range(len(settings_list))]


def _same_data(settings_list: Sequence[Settings]) -> list[list[int]]:
    # places of the settings that share windows and an engine
    groups: dict[object, list[int]] = {}
    for place, settings in enumerate(settings_list):
        key = (settings.window_spec, settings.engine, settings.device)
        groups.setdefault(key, []).append(place)
    return list(groups.values())


def _member(
    bars: Bars,
    settings: Settings,
    name: str,
    train: Int[np.ndarray, " train"],
    validation: Int[np.ndarray, " validation"],
) -> Member:
    for rows in (train, validation):
        _require_windows(bars, rows, settings.context_length, settings.horizon)
    member = Member(
        name=name,
        network=settings.network,
        optimizer=settings.optimizer_config,
        train=train,
        validation=validation,
    )
    if settings.batch_size > len(train):
        raise TrainingError(
            f"Expected batch_size to be at most the {len(train)} training windows, got "
            f"{settings.batch_size} ({member.name}). Lower batch_size or use a longer "
            "series."
        )
    return member


def _model(
    bars: Bars,
    settings: Settings,
    engine: Engine,
    data: WindowData,
    trained: TrainedMember,
) -> TrainedModel:
    member = trained.member
    residual_scale = None
    if settings.head == "point":
        residual_scale = _residual_scale(
            engine, data, member.network, trained.weights, member.validation
        )
    return TrainedModel(
        settings=settings,
        weights=trained.weights,
        curve=trained.curve,
        residual_scale=residual_scale,
        trained_on=_record(bars, member, settings.horizon),
    )


def _residual_scale(
    engine: Engine,
    data: WindowData,
    network: NetworkConfig,
    weights: Weights,
    validation: Int[np.ndarray, " window"],
) -> Float[np.ndarray, " horizon"]:
    point = engine.outputs(data, network, weights, validation)[..., 0]
    z = data.target(validation) / data.unit(validation)
    return np.asarray(np.sqrt(np.mean((z - point) ** 2, axis=0)))


def _record(bars: Bars, member: Member, horizon: int) -> dict[str, Any]:
    train, validation = member.train, member.validation
    return {
        "fingerprint": bars.fingerprint,
        "symbols": len(np.unique(bars.symbol_ids[train])),
        # the scale of a window goes back to its symbol's first bar
        "first_date": str(bars.dates[bars.starts[train]].min()),
        "last_date": str(bars.dates[train + horizon].max()),
        "validation_last_date": str(bars.dates[validation + horizon].max()),
        "train_windows": len(train),
        "validation_windows": len(validation),
    }


def _require_windows(
    bars: Bars, rows: Int[np.ndarray, " window"], context_length: int, horizon: int
) -> None:
    # a window that leaves its symbol would read another one's bars
    outside = rows[(rows < 0) | (rows >= len(bars))]
    if len(outside):
        raise WindowError(
            f"Expected cutoffs in rows 0 to {len(bars) - 1} of the panel, got "
            f"{outside[0]}. Take cutoffs from closecast.windows.index."
        )
    behind, ahead = rows - bars.starts[rows] + 1, bars.ends[rows] - rows - 1
    short = np.flatnonzero((behind < context_length) | (ahead < horizon))
    if len(short):
        first = short[0]
        row = int(rows[first])
        raise WindowError(
            f"Expected {context_length} bars up to a cutoff and {horizon} after it, "
            f"got {behind[first]} and {ahead[first]} (symbol {bars.symbol_of(row)}, "
            f"{bars.dates[row]}). Take cutoffs from closecast.windows.index."
        )
