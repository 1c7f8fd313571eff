"""The same networks trained by closecast and by libraries that people would take.

Runs as a process of its own, by ``side_by_side.py``, also in an environment without
closecast: prices come as a file. Each trains two layers of 50 units with a squared
error, Adam and batches of 128 on ten bars of five features, for the next five closes.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CONTEXT, HORIZON, HIDDEN, BATCH, DROPOUT = 10, 5, 50, 128, 0.1
FEATURES = ("open", "high", "low", "close", "volume")
CLOSE = 3


class Panel:
    """Prices of a file: logarithms, where symbols start, windows to train on."""

    def __init__(self, path: Path) -> None:
        stored = np.load(path)
        self.values, self.offsets = stored["values"], stored["offsets"]
        self.rows, self.length = stored["rows"], int(stored["length"])

    def windows(self) -> tuple[np.ndarray, np.ndarray]:
        """Cut every training window: log ratios, and log returns to come."""
        logs = np.log(self.values).astype(np.float32)
        back = np.arange(1 - CONTEXT, 1)
        context = logs[self.rows[:, None] + back] - logs[self.rows][:, None]
        close = logs[:, CLOSE]
        ahead = self.rows[:, None] + np.arange(1, HORIZON + 1)
        return context / 0.02, (close[ahead] - close[self.rows][:, None]) / 0.02

    def returns(self) -> list[np.ndarray]:
        """Give the training part of each symbol, as changes of logarithms."""
        parts = []
        for start in self.offsets[:-1]:
            logs = np.log(self.values[start : start + self.length])
            parts.append(np.diff(logs, axis=0, prepend=logs[:1]).astype(np.float32))
        return parts


def closecast(
    panel: Panel, folder: Path, members: list[tuple[float, int]], epochs: int
):
    """Train with the native engine, test for leaks, save; fit light baselines."""
    from closecast.experiments.forecaster import Forecaster
    from closecast.market.bars import Bars
    from closecast.training.model import train_fleet
    from closecast.training.settings import Settings
    from closecast.windows import split_by_date

    names = tuple(f"W{number:05d}" for number in range(len(panel.offsets) - 1))
    bars_each = np.diff(panel.offsets)[0]
    dates = np.busday_offset(np.datetime64("2000-01-03"), np.arange(bars_each))
    bars = Bars(
        symbols=names,
        offsets=panel.offsets,
        dates=np.tile(dates, len(names)),
        values=panel.values,
    )
    spec = Settings().window_spec
    split = split_by_date(bars, spec)
    each = [
        Settings(
            engine="native", head="point", epochs=epochs, early_stopping=False,
            learning_rate=rate, num_layers=depth,
            validation_start=str(split.validation_start),
            test_start=str(split.test_start),
        )
        for rate, depth in members
    ]  # fmt: skip
    started = time.process_time()
    models = train_fleet(bars, each, split.train, split.validation)
    trained = time.process_time() - started
    for number, model in enumerate(models):
        Forecaster().adopt(model, bars, split).save(folder / str(number))
    if len(names) == len(models) == 1:
        light_baselines(bars, split, spec)
    return trained


def light_baselines(bars: Any, split: Any, spec: Any) -> None:
    """Fit every baseline that has no likelihood to search, and forecast the test."""
    from closecast.models import baselines as room

    plain = (room.Zero, room.Drift, room.MovingAverage, room.Historical)
    fits = (room.fit_ewma_t, room.fit_har_t, room.fit_ridge)
    fitted = [kind(horizon=spec.horizon, calendar="auto") for kind in plain]
    fitted += [fit(bars, split.train, spec, "auto") for fit in fits]
    for baseline in fitted:
        baseline.forecast(bars, split.test)


def torch(panel: Panel, folder: Path, members: list[tuple[float, int]], epochs: int):
    """Train as a careful person would by hand: windows cut once, one tensor."""
    import torch as library

    context, target = (library.from_numpy(x) for x in panel.windows())

    class Network(library.nn.Module):
        def __init__(self, depth: int) -> None:
            super().__init__()
            nn = library.nn
            self.lstm = nn.LSTM(
                len(FEATURES), HIDDEN, depth, batch_first=True,
                dropout=DROPOUT if depth > 1 else 0.0,
            )  # fmt: skip
            self.head = nn.Sequential(
                nn.BatchNorm1d(HIDDEN), nn.Dropout(DROPOUT),
                nn.Linear(HIDDEN, HIDDEN // 2), nn.ReLU(),
                nn.Linear(HIDDEN // 2, HORIZON),
            )  # fmt: skip

        def forward(self, x):
            return self.head(self.lstm(x)[1][0][-1])

    started = time.process_time()
    for number, (rate, depth) in enumerate(members):
        network = Network(depth)
        optimizer = library.optim.Adam(network.parameters(), lr=rate)
        for _ in range(epochs):
            for batch in library.randperm(len(target)).split(BATCH):
                loss = library.nn.functional.mse_loss(
                    network(context[batch]), target[batch]
                )
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        library.save(network.state_dict(), folder / f"{number}.pt")
    return time.process_time() - started


def keras(panel: Panel, folder: Path, members: list[tuple[float, int]], epochs: int):
    """Train with Keras' own fit, on its JAX backend."""
    import os

    os.environ["KERAS_BACKEND"] = "jax"
    import keras as library

    context, target = panel.windows()
    layers = library.layers
    started = time.process_time()
    for number, (rate, depth) in enumerate(members):
        lstm = [
            layers.LSTM(HIDDEN, return_sequences=layer + 1 < depth)
            for layer in range(depth)
        ]
        model = library.Sequential(
            [
                *lstm, layers.BatchNormalization(), layers.Dropout(DROPOUT),
                layers.Dense(HIDDEN // 2, activation="relu"), layers.Dense(HORIZON),
            ]
        )  # fmt: skip
        model.compile(library.optimizers.Adam(rate), loss="mse")
        model.fit(context, target, batch_size=BATCH, epochs=epochs, verbose=0)
        model.save(folder / f"{number}.keras")
    return time.process_time() - started


def neuralforecast(
    panel: Panel, folder: Path, members: list[tuple[float, int]], epochs: int
):
    """Train NeuralForecast's LSTM for as many steps as the epochs have batches."""
    import pandas as pd
    from neuralforecast import NeuralForecast
    from neuralforecast.losses.pytorch import MSE
    from neuralforecast.models import LSTM

    others = [name for name in FEATURES if name != "close"]
    days = pd.bdate_range("2000-01-03", periods=panel.length)
    frames = [
        pd.DataFrame(changes, columns=list(FEATURES)).assign(
            unique_id=f"W{i:05d}", ds=days
        )
        for i, changes in enumerate(panel.returns())
    ]
    frame = pd.concat(frames).rename(columns={"close": "y"})
    steps = epochs * -(-len(panel.rows) // BATCH)
    started = time.process_time()
    models = [
        LSTM(
            h=HORIZON, input_size=CONTEXT, encoder_n_layers=depth,
            encoder_hidden_size=HIDDEN, encoder_dropout=DROPOUT,
            decoder_hidden_size=HIDDEN // 2, decoder_layers=2, recurrent=False,
            hist_exog_list=others, loss=MSE(), max_steps=steps, learning_rate=rate,
            windows_batch_size=BATCH, batch_size=32, scaler_type="identity",
            val_check_steps=steps, accelerator="cpu", logger=False,
            enable_progress_bar=False, enable_checkpointing=False,
            enable_model_summary=False, alias=f"m{number}",
        )
        for number, (rate, depth) in enumerate(members)
    ]  # fmt: skip
    forecaster = NeuralForecast(models=models, freq="B")
    forecaster.fit(frame)
    trained = time.process_time() - started
    forecaster.save(str(folder / "nf"), save_dataset=False, overwrite=True)
    return trained


def darts(panel: Panel, folder: Path, members: list[tuple[float, int]], epochs: int):
    """Train Darts' block LSTM."""
    from darts import TimeSeries
    from darts.models import BlockRNNModel

    returns = panel.returns()
    others = [i for i in range(len(FEATURES)) if i != CLOSE]
    series = [TimeSeries.from_values(changes[:, CLOSE]) for changes in returns]
    covariates = [TimeSeries.from_values(changes[:, others]) for changes in returns]
    quiet = {
        "accelerator": "cpu", "logger": False, "enable_progress_bar": False,
        "enable_model_summary": False, "enable_checkpointing": False,
    }  # fmt: skip
    started = time.process_time()
    for number, (rate, depth) in enumerate(members):
        model = BlockRNNModel(
            input_chunk_length=CONTEXT, output_chunk_length=HORIZON, model="LSTM",
            hidden_dim=HIDDEN, n_rnn_layers=depth, hidden_fc_sizes=[HIDDEN // 2],
            dropout=DROPOUT, batch_size=BATCH, n_epochs=epochs,
            optimizer_kwargs={"lr": rate}, pl_trainer_kwargs=quiet,
        )  # fmt: skip
        model.fit(series, past_covariates=covariates, verbose=False)
        model.save(str(folder / f"{number}.darts"))
    return time.process_time() - started


CONTENDERS: dict[str, Callable[..., Any]] = {
    "closecast": closecast,
    "PyTorch": torch,
    "NeuralForecast": neuralforecast,
    "Darts": darts,
    "Keras": keras,
}


def main() -> None:
    """Train what is asked for and say how long that took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contender", choices=CONTENDERS)
    parser.add_argument("prices", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("members", type=json.loads)
    parser.add_argument("epochs", type=int)
    arguments = parser.parse_args()
    panel = Panel(arguments.prices)
    members = [(rate, depth) for rate, depth in arguments.members]
    train = CONTENDERS[arguments.contender]
    trained = train(panel, arguments.folder, members, arguments.epochs)
    print(json.dumps({"training_cpu_s": round(trained, 2)}))


if __name__ == "__main__":
    main()
