from argparse import Namespace
from copy import deepcopy

import numpy as np
import pytest

from closecast.errors import SettingError, TrainingError
from closecast.lab import StockDataset, experiment
from closecast.lab.loop import NAMES
from closecast.training.settings import Settings

EPOCHS = 15


def persistence_error(dataset: StockDataset) -> float:
    """Give the mean error in percent of repeating the last close."""
    closes = np.array([y[:, 3] for _, y in dataset])
    return float(100 * np.mean(np.abs(np.exp(-closes) - 1)))


def test_a_market_that_can_be_forecast_is_learned(partition, args):
    """Where returns go on, the error falls below that of the last close."""
    args.epoch = EPOCHS
    setting, result = experiment(partition, deepcopy(args))

    assert setting == vars(args)
    assert len(result["train_losses"]) == len(result["val_losses"]) == EPOCHS
    assert result["train_losses"][-1] < result["train_losses"][0]
    for block, dataset in partition.items():
        assert result[f"{block}_acc"] < 0.98 * persistence_error(dataset)


def test_the_test_days_do_not_move_the_training(partition, args):
    """Other prices in test: another error there, and nothing else changes a bit."""
    frame = partition["test"].data
    frame[["open", "high", "low", "close"]] **= 1.5
    _, one = experiment(partition, args)
    _, other = experiment({**partition, "test": StockDataset(frame)}, args)

    assert one.pop("test_acc") != other.pop("test_acc")
    assert one == other


def test_the_same_seed_is_the_same_result(partition, args):
    """A result can be made again; another seed is another result."""
    again = experiment(partition, deepcopy(args))
    args.seed = 1

    assert experiment(partition, Namespace(**vars(args), note="x"))[1] != again[1]
    args.seed = 0
    assert experiment(partition, args)[1] == again[1]


CHANGES = [
    ("hid_dim", 4), ("n_layers", 2), ("dropout", 0.5), ("use_bn", False),
    ("optim", "RMSprop"), ("lr", 0.001), ("l2", 0.1), ("batch_size", 16),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), CHANGES)
def test_every_argument_matters(partition, args, name, value):
    """An argument that is changed changes the losses."""
    args.epoch = 2
    before = experiment(partition, args)[1]["train_losses"]
    setattr(args, name, value)

    assert experiment(partition, args)[1]["train_losses"] != before


def test_every_name_is_a_setting():
    """No name of the lecture points to a setting that is not there."""
    assert set(NAMES.values()) <= set(Settings().to_dict())


def test_what_is_measured_must_not_be_seen(partition, args):
    """Days that overlap, a missing dataset and other windows are refused."""
    with pytest.raises(SettingError, match="val to end before test starts, got 2015"):
        experiment({**partition, "test": partition["val"]}, args)
    with pytest.raises(SettingError, match="got none for val, test"):
        experiment({"train": partition["train"]}, args)
    other = StockDataset(partition["test"].bars, 10, 3)
    with pytest.raises(SettingError, match=r"same x_frames .*\(10, 3\)"):
        experiment({**partition, "test": other}, args)


def test_arguments_that_cannot_be_are_told(partition, args):
    """The lecture's name or the setting's is in the sentence."""
    for name, value, sentence in (
        ("x_frames", 20, "x_frames to be that of the datasets, 10, got 20"),
        ("input_dim", 6, r"input_dim 5 \(open, .*got 6"),
        ("optim", "Adagrad", "optimizer to be one of .*got 'adagrad'"),
    ):
        with pytest.raises(SettingError, match=sentence):
            experiment(partition, Namespace(**{**vars(args), name: value}))
    args.batch_size = 10_000
    with pytest.raises(TrainingError, match="batch_size to be at most"):
        experiment(partition, args)
