"""Panels, and the same network in C++ and in PyTorch in double precision."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from closecast.engine.fleet import OptimizerConfig
from closecast.engine.native import engine as native_engine
from closecast.engine.native import supported
from closecast.engine.native.kernels import load_kernels
from closecast.models.config import NetworkConfig, Weights, initial_weights
from closecast.windows.scaling import WindowData
from closecast.windows.spec import WindowSpec

ROWS = 400
SEED, EPOCH = 7, 3
NOT_BUILT = "the compiled kernels are not built"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "instruction_set" in metafunc.fixturenames:
        names = supported() or ["none"]
        metafunc.parametrize("instruction_set", names)


@pytest.fixture(autouse=True)
def _needs_kernels() -> None:
    if not supported():
        pytest.skip(NOT_BUILT)


@dataclass(frozen=True)
class Case:
    """A network over a random panel, and the windows of a batch."""

    config: NetworkConfig
    data: WindowData
    rows: np.ndarray
    weights: Weights
    training: OptimizerConfig

    def native(self, instruction_set: str, threads: int = 1) -> tuple[Any, Any]:
        """Give the network and the panel in C++."""
        kernels = load_kernels(instruction_set)
        network = native_engine._network(
            kernels, self.data, self.config, threads, self.training
        )
        network.load(native_engine._flat(self.config, self.weights))
        return network, native_engine._panel(kernels, self.data)

    def gradient(self, instruction_set: str) -> tuple[float, Weights]:
        """Give the loss of the batch and its gradient by the kernels."""
        network, panel = self.native(instruction_set)
        loss, flat = network.gradient(panel, self.rows, SEED, EPOCH)
        return loss, native_engine._named(self.config, flat)


def make_data(context_length: int, horizon: int, features: int = 5, state: int = 0):
    """Make a panel of random walks with features beside the bars."""
    rng = np.random.default_rng(context_length * 31 + features)
    logs = 3 + np.cumsum(rng.normal(0, 0.02, (ROWS, features)), axis=0)
    scale = rng.uniform(0.01, 0.03, ROWS)
    spec = WindowSpec(context_length=context_length, horizon=horizon)
    return WindowData(spec, logs, scale, rng.normal(size=(ROWS, state)))


@pytest.fixture
def panel():
    """Give `make_data`, which tests cannot import."""
    return make_data


@pytest.fixture
def case():
    """Give a maker of cases: a context length, a batch, settings of the network."""

    def make(
        *,
        context_length: int = 10,
        batch: int = 37,
        loss: str = "auto",
        centred: bool = False,
        precision: str = "float32",
        **settings: Any,
    ) -> Case:
        config = NetworkConfig(**{"dropout": 0.0, **settings})
        data = make_data(
            context_length, config.horizon, config.input_size, config.state_size
        )
        rng = np.random.default_rng(batch)
        inside = np.arange(context_length - 1, ROWS - config.horizon)
        rows = rng.choice(inside, batch, replace=False)
        training = OptimizerConfig(loss=loss, centred=centred, precision=precision)
        return Case(config, data, rows, initial_weights(config, 1), training)

    return make
