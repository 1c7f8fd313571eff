"""``experiment``: train on one dataset, watch a second, measure on a third.

The arguments have the lecture's names; the training is the engine's. Losses are mean
squared errors in units of the window (log return over the symbol's volatility times
the root of the step), so that they compare between symbols.
"""

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Int

from closecast.errors import SettingError
from closecast.lab.dataset import StockDataset
from closecast.market.bars import Bars, from_columns
from closecast.training.model import TrainedModel, train_fleet
from closecast.training.settings import Settings
from closecast.windows.scaling import FEATURES, WindowData

BLOCKS = ("train", "val", "test")

NAMES = {
    "x_frames": "context_length",
    "y_frames": "horizon",
    "hid_dim": "hidden_size",
    "hidden_dim": "hidden_size",
    "n_layers": "num_layers",
    "num_layers": "num_layers",
    "dropout": "dropout",
    "use_bn": "batch_norm",
    "optim": "optimizer",
    "lr": "learning_rate",
    "l2": "weight_decay",
    "batch_size": "batch_size",
    "epoch": "epochs",
    "seed": "seed",
    "device": "device",
}
"""The lecture's names and those of ``closecast.training.settings.Settings``."""

LECTURE: dict[str, Any] = {
    "head": "point",
    "early_stopping": False,
    "dropout": 0.0,
    "batch_norm": False,
}
"""What the lecture's loop does where an argument is not set: squared error, all epochs,
weights of the last one."""


def experiment(
    partition: Mapping[str, StockDataset], args: Namespace
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Train a network and measure it.

    Args:
        partition: Datasets ``train``, ``val`` and ``test``, of days that do not
            overlap.
        args: ``lr``, ``n_layers``, ``hid_dim``, ``dropout``, ``use_bn``, ``optim``,
            ``l2``, ``batch_size``, ``epoch`` and so on, see ``NAMES``; others are kept
            with the result.

    Returns:
        The setting, a dictionary of its own, and the result: ``train_losses`` and
        ``val_losses`` by epoch, ``train_acc``, ``val_acc`` and ``test_acc``. These have
        the lecture's name and are errors: the mean of ``|forecast / close - 1|`` in
        percent, smaller is better.

    Raises:
        SettingError: A dataset is missing or of other windows, the days of two
            overlap, or an argument is out of its range.
        TrainingError: The training diverged.
    """
    setting = dict(vars(args))
    datasets = _require_datasets(partition)
    settings = _settings(setting, datasets["train"])
    bars, rows = _joined(datasets)
    (model,) = train_fleet(bars, [settings], rows["train"], rows["val"])
    result: dict[str, Any] = {
        "train_losses": list(model.curve.train_loss),
        "val_losses": list(model.curve.validation_loss),
    }
    for block, dataset in datasets.items():
        result[f"{block}_acc"] = _percent_error(model, dataset)
    return setting, result


def _settings(setting: Mapping[str, Any], dataset: StockDataset) -> Settings:
    features = setting.get("input_dim", len(FEATURES))
    if features != len(FEATURES):
        raise SettingError(
            f"Expected input_dim {len(FEATURES)} ({', '.join(FEATURES)}), got "
            f"{features!r}. A dataset has these columns."
        )
    for name in ("x_frames", "y_frames"):
        own = getattr(dataset, name)
        if setting.get(name, own) != own:
            raise SettingError(
                f"Expected {name} to be that of the datasets, {own}, got "
                f"{setting[name]!r}. Make the datasets again with the new one."
            )
    values: dict[str, Any] = {
        **LECTURE,
        "context_length": dataset.x_frames,
        "horizon": dataset.y_frames,
    }
    for name, known in NAMES.items():
        if name in setting:
            values[known] = setting[name]
    for known in ("optimizer", "device"):
        if known in values:
            values[known] = str(values[known]).lower()
    return Settings.of(values)


def _require_datasets(
    partition: Mapping[str, StockDataset],
) -> dict[str, StockDataset]:
    missing = [block for block in BLOCKS if block not in partition]
    if missing:
        raise SettingError(
            f"Expected a partition with {', '.join(BLOCKS)}, got none for "
            f"{', '.join(missing)}. Add a StockDataset of other days."
        )
    datasets = {block: partition[block] for block in BLOCKS}
    if len({dataset.spec for dataset in datasets.values()}) > 1:
        raise SettingError(
            "Expected datasets of the same x_frames and y_frames, got "
            f"{[(d.x_frames, d.y_frames) for d in datasets.values()]}. Make them alike."
        )
    for earlier, later in (("train", "val"), ("train", "test"), ("val", "test")):
        _require_apart(earlier, datasets[earlier].bars, later, datasets[later].bars)
    return datasets


def _require_apart(name: str, bars: Bars, other_name: str, other: Bars) -> None:
    last, first = bars.dates.max(), other.dates.min()
    if last >= first:
        raise SettingError(
            f"Expected {name} to end before {other_name} starts, got {last} and "
            f"{first}: what is measured would have been seen. Choose other days."
        )


def _joined(
    datasets: Mapping[str, StockDataset],
) -> tuple[Bars, dict[str, Int[np.ndarray, " window"]]]:
    """Put datasets into one panel, each symbol of each apart from the others.

    Args:
        datasets: The datasets by the name of their block.

    Returns:
        The panel, and the rows of each block's cutoffs.
    """
    parts = [(f"{at}", dataset.bars) for at, dataset in enumerate(datasets.values())]
    bars = from_columns(
        np.concatenate([np.char.add(f"{at} ", _names(b)) for at, b in parts]),
        np.concatenate([b.dates for _, b in parts]),
        np.concatenate([b.values for _, b in parts]),
    )
    rows, offset = {}, 0
    for block, dataset in datasets.items():
        rows[block] = dataset.cutoffs + offset
        offset += len(dataset.bars)
    return bars, rows


def _names(bars: Bars) -> np.ndarray:
    return bars.names(np.arange(len(bars))).astype(str)


def _percent_error(model: TrainedModel, dataset: StockDataset) -> float:
    truth = WindowData.of(dataset.bars, dataset.spec).target(dataset.cutoffs)
    mean = model.forecast(dataset.bars, dataset.cutoffs).mean
    return float(100 * np.mean(np.abs(np.exp(mean - truth) - 1)))
