"""The engine on PyTorch: any device, and the reference of the others.

The panel lies on the device as one tensor and windows are gathered by index; a
batch is a few indices. Members are trained one after the other, each from its own
seed, so that a member alone equals the member in a fleet bit for bit.
"""

import ctypes
import math
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import nn

from closecast.engine.fleet import (
    LearningCurve,
    Member,
    OptimizerConfig,
    Progress,
    TrainedMember,
    batches,
    refuse_divergence,
    require_fit,
)
from closecast.errors import SettingError
from closecast.market.bars import CLOSE, VOLUME
from closecast.models.config import NetworkConfig, Weights, initial_weights
from closecast.models.lstm import StackedLSTM, loss
from closecast.windows.scaling import WindowData

INFERENCE_BATCH = 256
"""Windows of a pass without gradients. A shorter pass is filled up to it, so that a
window gives the same bits alone and among others."""


class TorchEngine:
    """Trains and runs networks with PyTorch."""

    name = "torch"

    def __init__(self, device: str = "cpu", threads: int = 1) -> None:
        """Choose where to run.

        Args:
            device: ``"cpu"``, ``"cuda"`` or ``"cuda:1"`` and so on.
            threads: CPU threads. Networks of this size gain little from more, and
                lose much when other processes want the same cores.

        Raises:
            SettingError: The device is not there.
        """
        self.device = _device(device)
        self.threads = threads

    def train(
        self,
        data: WindowData,
        members: Sequence[Member],
        on_epoch: Callable[[Progress], None] | None = None,
    ) -> list[TrainedMember]:
        """Train every member; see ``closecast.engine.fleet.Engine``."""
        for member in members:
            require_fit(data, member.network)
        with _settled_torch(self.threads, self.device):
            panel = ResidentPanel(data, self.device)
            return [
                _train_member(
                    panel, member, _reporter(on_epoch, member, number, len(members))
                )
                for number, member in enumerate(members, start=1)
            ]

    def outputs(
        self,
        data: WindowData,
        network: NetworkConfig,
        weights: Weights,
        cutoffs: Int[np.ndarray, " window"],
    ) -> Float32[np.ndarray, "window horizon param"]:
        """Run a network; see ``closecast.engine.fleet.Engine``."""
        require_fit(data, network)
        with _settled_torch(self.threads, self.device):
            panel = ResidentPanel(data, self.device)
            module = _module(network, weights, self.device)
            return np.asarray(_outputs(module, panel, cutoffs).cpu().numpy())


class ResidentPanel:
    """A panel on the device, and its windows gathered by index.

    Logarithms stay in float64 until the last bar is subtracted: in float32 a return
    would keep only its first few digits.
    """

    def __init__(self, data: WindowData, device: torch.device) -> None:
        self.device = device
        self.logs = torch.tensor(data.logs, dtype=torch.float64, device=device)
        self.close = self.logs[:, CLOSE].contiguous()
        self.scale = torch.tensor(data.scale, dtype=torch.float64, device=device)
        self.state = torch.tensor(data.state, dtype=torch.float32, device=device)
        self.back = torch.arange(1 - data.spec.context_length, 1, device=device)
        self.ahead = torch.arange(1, data.spec.horizon + 1, device=device)

    def rows(self, cutoffs: Int[np.ndarray, " window"]) -> Int[torch.Tensor, " window"]:
        """Move cutoffs to the device.

        Args:
            cutoffs: Rows of the last known bars.

        Returns:
            The same rows.
        """
        return torch.tensor(cutoffs.copy(), dtype=torch.int64, device=self.device)

    def inputs(
        self, rows: Int[torch.Tensor, " window"]
    ) -> tuple[
        Float[torch.Tensor, "window context feature"],
        Float[torch.Tensor, " window"],
        Float[torch.Tensor, "window state"],
    ]:
        """Gather what the network reads.

        Args:
            rows: Rows of the last known bars.

        Returns:
            Context, scale and state, float32.
        """
        context = self.logs[rows[:, None] + self.back] - self.logs[rows][:, None]
        volume = context[..., VOLUME]
        volume.masked_fill_(volume.isnan(), 0.0)
        return context.float(), self.scale[rows].float(), self.state[rows]

    def targets(
        self, rows: Int[torch.Tensor, " window"]
    ) -> Float[torch.Tensor, "window horizon"]:
        """Gather what the network is trained to give.

        Args:
            rows: Rows of the last known bars.

        Returns:
            Log returns in units of the window, scale x sqrt(step), float32.
        """
        log_return = self.close[rows[:, None] + self.ahead] - self.close[rows][:, None]
        unit = self.scale[rows][:, None] * self.ahead.double().sqrt()
        return (log_return / unit).float()


def build_optimizer(
    parameters: Iterator[nn.Parameter], config: OptimizerConfig
) -> torch.optim.Optimizer:
    """Make the optimiser that the config names.

    Args:
        parameters: What it steps.
        config: Its settings.

    Returns:
        The optimiser, with torch's defaults where there is no setting.
    """
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimizer == "sgd":
        return torch.optim.SGD(
            parameters, lr=rate, weight_decay=decay, momentum=config.momentum
        )
    if config.optimizer == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=rate, weight_decay=decay)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(parameters, lr=rate, weight_decay=decay)
    return torch.optim.Adam(parameters, lr=rate, weight_decay=decay)


def _train_member(
    panel: ResidentPanel, member: Member, report: Callable[[int, float, float], None]
) -> TrainedMember:
    started, config = time.perf_counter(), member.optimizer
    torch.manual_seed(config.seed)  # dropout
    first = initial_weights(member.network, config.seed)
    network = _module(member.network, first, panel.device)
    optimizer = build_optimizer(network.parameters(), config)
    train_loss: list[float] = []
    validation_loss: list[float] = []
    best_epoch, best_loss, weights = 0, math.inf, first
    for epoch in range(1, config.epochs + 1):
        train_loss.append(_train_epoch(network, optimizer, panel, member, epoch))
        validation_loss.append(_validation_loss(network, panel, member))
        refuse_divergence(member, epoch, train_loss[-1], validation_loss[-1])
        if validation_loss[-1] < best_loss:
            best_epoch, best_loss = epoch, validation_loss[-1]
            weights = _weights(network)
        report(epoch, train_loss[-1], validation_loss[-1])
        if config.early_stopping and epoch - best_epoch >= config.patience:
            break
    return TrainedMember(
        member=member,
        weights=weights if config.early_stopping else _weights(network),
        curve=LearningCurve(
            train_loss=tuple(train_loss),
            validation_loss=tuple(validation_loss),
            best_epoch=best_epoch,
        ),
        elapsed_s=time.perf_counter() - started,
    )


def _train_epoch(
    network: StackedLSTM,
    optimizer: torch.optim.Optimizer,
    panel: ResidentPanel,
    member: Member,
    epoch: int,
) -> float:
    config = member.optimizer
    network.train()
    total = torch.zeros((), dtype=torch.float64, device=panel.device)
    order = batches(member.train, config.batch_size, config.seed, epoch)
    rates = config.rates(epoch, len(order)).tolist()
    for batch, rate in zip(order, rates, strict=True):
        step_loss = _loss(network, panel, member, panel.rows(batch))
        optimizer.zero_grad()
        step_loss.backward()  # type: ignore[no-untyped-call]
        if config.clip_norm:
            nn.utils.clip_grad_norm_(network.parameters(), config.clip_norm)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        total += step_loss.detach() * len(batch)
    return float(total) / len(member.train)


def _loss(
    network: StackedLSTM,
    panel: ResidentPanel,
    member: Member,
    rows: Int[torch.Tensor, " window"],
) -> Float[torch.Tensor, ""]:
    raw, z = network(*panel.inputs(rows)), panel.targets(rows)
    return loss(member.network.head, raw, z, member.optimizer.loss)


def _validation_loss(
    network: StackedLSTM, panel: ResidentPanel, member: Member
) -> float:
    raw = _outputs(network, panel, member.validation)
    z = panel.targets(panel.rows(member.validation))
    return float(loss(member.network.head, raw, z, member.optimizer.loss))


@torch.no_grad()
def _outputs(
    network: StackedLSTM, panel: ResidentPanel, cutoffs: Int[np.ndarray, " window"]
) -> Float[torch.Tensor, "window horizon param"]:
    network.eval()
    config = network.config
    raw = [torch.empty(0, config.horizon, config.params_per_step, device=panel.device)]
    for start in range(0, len(cutoffs), INFERENCE_BATCH):
        chunk = cutoffs[start : start + INFERENCE_BATCH]
        full = np.resize(chunk, INFERENCE_BATCH)
        raw.append(network(*panel.inputs(panel.rows(full)))[: len(chunk)])
    return torch.cat(raw)


def _reporter(
    on_epoch: Callable[[Progress], None] | None,
    member: Member,
    number: int,
    members: int,
) -> Callable[[int, float, float], None]:
    def report(epoch: int, train_loss: float, validation_loss: float) -> None:
        if on_epoch is not None:
            on_epoch(
                Progress(
                    member=member.name,
                    number=number,
                    members=members,
                    epoch=epoch,
                    epochs=member.optimizer.epochs,
                    train_loss=train_loss,
                    validation_loss=validation_loss,
                )
            )

    return report


def _module(
    config: NetworkConfig, weights: Weights, device: torch.device
) -> StackedLSTM:
    module = StackedLSTM(config)
    module.load_state_dict({name: torch.tensor(w) for name, w in weights.items()})
    return module.to(device)


def _weights(network: StackedLSTM) -> Weights:
    return {
        name: tensor.detach().cpu().numpy().copy()
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


def _device(name: str) -> torch.device:
    kind, _, number = name.partition(":")
    known = kind in {"cpu", "cuda"} and (not number or number.isdigit())
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if not known or int(number or 0) >= count:
        raise SettingError(
            f"Expected device to be cpu or a CUDA device that is there, got {name!r}. "
            "Use cpu, or install a CUDA build of PyTorch."
        )
    return torch.device(name)


@contextmanager
def _settled_torch(threads: int, device: torch.device) -> Iterator[None]:
    """Set threads and seeds for a while, and leave torch as it was found."""
    _tune_malloc()
    before = torch.get_num_threads()
    devices = [device] if device.type == "cuda" else []
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        torch.set_num_threads(before)


@cache
def _tune_malloc() -> None:
    """Let glibc keep freed memory: torch asks for the same sizes at every step.

    Gives plain torch half as much speed again; it holds for the whole process.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(mmap_threshold, 32 * 2**20)
    mallopt(trim_threshold, 512 * 2**20)
