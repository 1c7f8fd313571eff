"""The engine on PyTorch: any device, and the reference of the others.

The panel lies on the device as one tensor and windows are gathered by index; a
batch is a few indices. On a CPU members are trained one after the other, each from its
own seed, so that a member alone equals the member in a fleet bit for bit. On a GPU
members of equal shape are one program.
"""

import ctypes
import platform
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int

from closecast.engine.epochs import (
    Report,
    reporter,
    train_member,
    train_together,
    training,
)
from closecast.engine.fleet import (
    Checkpoints,
    Member,
    Progress,
    Runner,
    TrainedMember,
    require_fit,
)
from closecast.engine.memory import count_that_fit, require_memory
from closecast.engine.shuffle import POOL
from closecast.engine.torch.batched import BatchedMembers, BatchedTrainee, alike
from closecast.engine.torch.network import has_kernels
from closecast.engine.torch.panel import ResidentPanel
from closecast.engine.torch.single import (
    SingleTrainee,
    forward,
    load_network,
    run_network,
)
from closecast.errors import ClosecastWarning, SettingError, TrainingError
from closecast.models.config import NetworkConfig, Weights
from closecast.windows.scaling import WindowData


class TorchEngine:
    """Trains and runs networks with PyTorch."""

    name = "torch"

    def __init__(
        self, device: str = "cpu", threads: int = 1, *, batched: bool = False
    ) -> None:
        """Choose where to run.

        Args:
            device: ``"cpu"``, ``"cuda"`` or ``"cuda:1"`` and so on.
            threads: CPU threads. Networks of this size gain little from more, and
                lose much when other processes want the same cores.
            batched: Whether members of equal shape are trained as one program on a CPU
                too; on a GPU they always are. A member then equals itself in another
                fleet up to the rounding of the device's products. One with more windows
                than are shuffled as a whole is a program by itself.

        Raises:
            SettingError: The device is not there.
        """
        self.device = _device(device)
        self.threads = threads
        self.batched = batched or self.device.type == "cuda"
        if self.device.type == "cuda" and not has_kernels("cuda"):
            warnings.warn(
                "Expected Triton beside PyTorch on a GPU, found none: the GPU is told "
                "every instruction by itself, which is many times slower. Use the CUDA "
                "build of PyTorch for Linux, which brings it.",
                ClosecastWarning,
                stacklevel=2,
            )

    @property
    def trains_together(self) -> bool:
        """Whether members of a fleet are trained at the same time."""
        return self.batched

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
            reports = [
                reporter(on_epoch, member, number, len(members))
                for number, member in enumerate(members, start=1)
            ]
            outcomes: dict[int, TrainedMember | TrainingError] = {}
            for places in self._programs(panel, members):
                group = [members[place] for place in places]
                told = [reports[place] for place in places]
                done = self._train_group(panel, group, told, checkpoints)
                outcomes |= dict(zip(places, done, strict=True))
        return [outcomes[place] for place in range(len(members))]

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
            module = forward(load_network(network, weights, self.device), panel)

        def run(
            cutoffs: Int[np.ndarray, " window"],
        ) -> Float32[np.ndarray, "window horizon param"]:
            with _settled_torch(self.threads, self.device):
                raw = run_network(module, network, panel, cutoffs)
                return np.asarray(raw.cpu().numpy())

        return run

    def _programs(
        self, panel: ResidentPanel, members: Sequence[Member]
    ) -> list[list[int]]:
        # places of the members that are trained together, in the order of the first
        if not self.batched:
            return [[place] for place in range(len(members))]
        memory = self._memory()
        return [
            places[start : start + fit]
            for places in alike(members)
            for fit in [_fit(panel.context_length, members[places[0]], memory)]
            for start in range(0, len(places), fit)
        ]

    def _train_group(
        self,
        panel: ResidentPanel,
        members: Sequence[Member],
        reports: Sequence[Report],
        checkpoints: Checkpoints | None,
    ) -> list[TrainedMember | TrainingError]:
        if not self.batched:
            return [
                train_member(SingleTrainee(panel, member), member, report, checkpoints)
                for member, report in zip(members, reports, strict=True)
            ]
        together = BatchedMembers(panel, members)
        trainings = [
            training(BatchedTrainee(together, place), member, report, checkpoints)
            for place, (member, report) in enumerate(zip(members, reports, strict=True))
        ]
        return train_together(trainings, together.train_epochs)

    def _memory(self) -> float | None:
        if self.device.type != "cuda":
            return None
        return float(torch.cuda.get_device_properties(self.device).total_memory)


def _fit(context_length: int, member: Member, memory: float | None) -> int:
    # members whose windows are shuffled by blocks do not step in step
    if len(member.train) > POOL:
        return 1
    return count_that_fit(context_length, member, memory)


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
    products: Any = torch.backends.cudnn.rnn
    before = torch.get_num_threads(), products.fp32_precision
    devices = [device] if device.type == "cuda" else []
    torch.set_num_threads(threads)
    products.fp32_precision = "ieee"  # torch's own choice keeps ten bits
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        torch.set_num_threads(before[0])
        products.fp32_precision = before[1]


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
