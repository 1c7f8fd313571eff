"""The engine on PyTorch: any device, and the reference of the others.

The panel lies on the device as one tensor and windows are gathered by index; a
batch is a few indices. Members are trained one after the other, each from its own
seed, so that a member alone equals the member in a fleet bit for bit.
"""

import ctypes
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int
from torch import nn

from closecast.engine.epochs import reporter, train_member
from closecast.engine.fleet import (
    Checkpoints,
    Member,
    OptimizerConfig,
    Progress,
    Runner,
    TrainedMember,
    require_fit,
)
from closecast.engine.memory import require_memory
from closecast.errors import SettingError, TrainingError
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
        checkpoints: Checkpoints | None = None,
    ) -> list[TrainedMember | TrainingError]:
        """Train every member; see ``closecast.engine.fleet.Engine``."""
        for member in members:
            require_fit(data, member.network)
        require_memory(data.spec.context_length, members, 1, self._memory())
        with _settled_torch(self.threads, self.device):
            panel = ResidentPanel(data, self.device)
            return [
                train_member(
                    _Trainee(panel, member),
                    member,
                    reporter(on_epoch, member, number, len(members)),
                    checkpoints,
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
        return self.prepare(data, network, weights)(cutoffs)

    def prepare(
        self, data: WindowData, network: NetworkConfig, weights: Weights
    ) -> Runner:
        """Make a network ready; see ``closecast.engine.fleet.Engine``."""
        require_fit(data, network)
        with _settled_torch(self.threads, self.device):
            panel = ResidentPanel(data, self.device)
            module = _module(network, weights, self.device)

        def run(
            cutoffs: Int[np.ndarray, " window"],
        ) -> Float32[np.ndarray, "window horizon param"]:
            with _settled_torch(self.threads, self.device):
                return np.asarray(_outputs(module, panel, cutoffs).cpu().numpy())

        return run

    def _memory(self) -> float | None:
        if self.device.type != "cuda":
            return None
        return float(torch.cuda.get_device_properties(self.device).total_memory)


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


class _Trainee:
    """A network under training on a device."""

    def __init__(self, panel: ResidentPanel, member: Member) -> None:
        config = member.optimizer
        torch.manual_seed(config.seed)  # dropout
        first = initial_weights(member.network, config.seed)
        self.panel, self.member = panel, member
        self.network = _module(member.network, first, panel.device)
        self.optimizer = build_optimizer(self.network.parameters(), config)

    def train_epoch(
        self,
        order: list[Int[np.ndarray, " batch"]],
        rates: Float64[np.ndarray, " step"],
        epoch: int,  # noqa: ARG002  torch's dropout goes on from where it was
    ) -> Float64[np.ndarray, " done"]:
        self.network.train()
        rows = self.panel.rows(np.concatenate(order))  # to the device in one piece
        parts = torch.split(rows, [len(batch) for batch in order])
        losses = [
            self._step(part, rate)
            for part, rate in zip(parts, rates.tolist(), strict=True)
        ]
        return torch.stack(losses).double().cpu().numpy()

    def _step(
        self, rows: Int[torch.Tensor, " window"], rate: float
    ) -> Float[torch.Tensor, ""]:
        loss_of_step = _loss(self.network, self.panel, self.member, rows)
        self.optimizer.zero_grad()
        loss_of_step.backward()  # type: ignore[no-untyped-call]
        if self.member.optimizer.clip_norm:
            nn.utils.clip_grad_norm_(
                self.network.parameters(), self.member.optimizer.clip_norm
            )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        return loss_of_step.detach()

    def validation_loss(self) -> float:
        raw = _outputs(self.network, self.panel, self.member.validation)
        z = self.panel.targets(self.panel.rows(self.member.validation))
        member = self.member
        return float(loss(member.network.head, raw, z, member.optimizer.loss))

    def weights(self) -> Weights:
        return _weights(self.network)

    @property
    def engine(self) -> str:
        return f"torch {self.panel.device.type}"

    def state(self) -> dict[str, np.ndarray]:
        # weights and moments under their names, and where the chances of dropout are
        tensors = {f"weight.{n}": t for n, t in self.network.state_dict().items()}
        for place, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {
                f"moment.{place}.{n}": t for n, t in moments.items() if t is not None
            }
        tensors |= {f"chance.{n}": t for n, t in self._chances().items()}
        return {n: t.detach().cpu().numpy().copy() for n, t in tensors.items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        tensors = {name: torch.tensor(array) for name, array in state.items()}
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in tensors.items():
            kind, _, rest = name.partition(".")
            if kind == "moment":
                place, _, moment = rest.partition(".")
                moments.setdefault(int(place), {})[moment] = tensor
        self.network.load_state_dict(
            {n.removeprefix("weight."): t for n, t in tensors.items() if "weight." in n}
        )
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        torch.set_rng_state(tensors["chance.cpu"])
        if "chance.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["chance.cuda"], self.panel.device)

    def _chances(self) -> dict[str, torch.Tensor]:
        if self.panel.device.type != "cuda":
            return {"cpu": torch.get_rng_state()}
        there = torch.cuda.get_rng_state(self.panel.device)
        return {"cpu": torch.get_rng_state(), "cuda": there}


def _loss(
    network: StackedLSTM,
    panel: ResidentPanel,
    member: Member,
    rows: Int[torch.Tensor, " window"],
) -> Float[torch.Tensor, ""]:
    config, device = member.optimizer, panel.device.type
    draft = config.precision == "bfloat16"
    with torch.autocast(device, torch.bfloat16, enabled=draft):
        raw = network(*panel.inputs(rows))
    return loss(member.network.head, raw.float(), panel.targets(rows), config.loss)


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
