"""Training over a panel on disk: memory grows with the panel's rows, and slowly.

The same engine, settings and result as in ``closecast.training.model``; only where
the tables and the cutoffs lie differs. PyTorch copies the tables into memory, the
native engine reads the mapped files.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped

from closecast.engine import choose_engine
from closecast.engine.fleet import Engine, Member, Progress, TrainedMember
from closecast.errors import SettingError, TrainingError
from closecast.training.model import TrainedModel, by_seed, ensemble
from closecast.training.settings import OWN_COLUMNS, Settings
from closecast.windows.on_disk import DiskPanel
from closecast.windows.scaling import WindowData
from closecast.windows.split import Split

WINDOWS_AT_ONCE = 2**16
"""Windows that are looked at together."""


def train_on_disk(
    panel: DiskPanel,
    settings: Settings,
    split: Split,
    on_epoch: Callable[[Progress], None] | None = None,
) -> TrainedModel:
    """Train a model, of one seed or several, on a panel that is mapped.

    Args:
        panel: The panel.
        settings: Settings of the model.
        split: From ``panel.split`` with the shape of window of these settings.
        on_epoch: Called after each epoch, and between the pools of a long one.

    Returns:
        The model.

    Raises:
        SettingError: The engine or the device is not there, or a setting needs the
            bars in memory.
        TrainingError: A batch is larger than the data, or the training diverged.
    """
    _refuse_what_needs_bars(settings)
    if settings.batch_size > len(split.train):
        raise TrainingError(
            f"Expected batch_size to be at most the {len(split.train)} training "
            f"windows, got {settings.batch_size}. Lower batch_size or use longer "
            "series."
        )
    data = panel.data(settings.window_spec)
    engine = choose_engine(settings.engine, settings.device)
    each = by_seed(settings)
    members = [_member(one, split, one_of_many=len(each) > 1) for one in each]
    record = _record(panel, split, settings.horizon)
    results = engine.train(data, members, on_epoch)
    networks = [
        _model(one, engine, data, trained, record)
        for one, trained in zip(each, results, strict=True)
    ]
    model = ensemble(settings, networks)
    if isinstance(model, TrainingError):
        raise model
    return model


def _refuse_what_needs_bars(settings: Settings) -> None:
    own = tuple((name, "none") for name in OWN_COLUMNS)
    for name, needed in (("states", "none"), ("mean", "free"), ("width", "free"), *own):
        if getattr(settings, name) != needed:
            raise SettingError(
                f"Expected {name} to be {needed} over a panel on disk, got "
                f"{getattr(settings, name)!r}. Leave it out, or train in memory."
            )


def _model(
    settings: Settings,
    engine: Engine,
    data: WindowData,
    trained: TrainedMember | TrainingError,
    record: dict[str, Any],
) -> TrainedModel | TrainingError:
    if isinstance(trained, TrainingError):
        return trained
    point = settings.head == "point"
    return TrainedModel(
        settings=settings,
        weights=trained.weights,
        curve=trained.curve,
        residual_scale=_residual_scale(engine, data, trained) if point else None,
        trained_on={**record, "engine": engine.name},
    )


def _member(settings: Settings, split: Split, *, one_of_many: bool) -> Member:
    return Member(
        name=f"model 1, seed {settings.seed}" if one_of_many else "model 1",
        network=settings.network,
        optimizer=settings.optimizer_config,
        train=split.train,
        validation=split.validation,
    )


def _residual_scale(
    engine: Engine, data: WindowData, trained: TrainedMember
) -> Float[np.ndarray, " horizon"]:
    rows, network = trained.member.validation, trained.member.network
    squares = np.zeros(network.horizon)
    for some in _parts(rows):
        point = engine.outputs(data, network, trained.weights, some)[..., 0]
        squares += ((data.target(some) / data.unit(some) - point) ** 2).sum(axis=0)
    return np.asarray(np.sqrt(squares / len(rows)))


def _record(panel: DiskPanel, split: Split, horizon: int) -> dict[str, Any]:
    dates, symbols = panel.dates, set()
    for rows in _parts(split.train):
        symbols |= set(np.searchsorted(panel.offsets, rows, "right") - 1)
    return {
        "fingerprint": panel.fingerprint,
        "symbols": len(symbols),
        # the scale of a window goes back to its symbol's first bar
        "first_date": str(dates[panel.offsets[sorted(symbols)]].min()),
        "last_date": str(_last(dates, split.train, horizon)),
        "validation_last_date": str(_last(dates, split.validation, horizon)),
        "train_windows": len(split.train),
        "validation_windows": len(split.validation),
    }


def _last(
    dates: Shaped[np.ndarray, " row"], cutoffs: Int[np.ndarray, " window"], horizon: int
) -> np.datetime64:
    return np.datetime64(max(dates[rows + horizon].max() for rows in _parts(cutoffs)))


def _parts(rows: Int[np.ndarray, " window"]) -> Iterator[Int[np.ndarray, " some"]]:
    for start in range(0, len(rows), WINDOWS_AT_ONCE):
        yield np.asarray(rows[start : start + WINDOWS_AT_ONCE])
