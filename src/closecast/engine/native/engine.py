"""Trains and runs networks with the compiled kernels.

Members take turns on threads of their own; a fleet smaller than the processor is
trained one member after the other with all threads in each. Either way a member's
result has the same bits.
"""

import math
import os
import queue
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float32, Int

from closecast.engine.fleet import (
    LearningCurve,
    Member,
    Progress,
    TrainedMember,
    batches,
    require_fit,
)
from closecast.engine.native.kernels import choose_instruction_set, load_kernels
from closecast.errors import SettingError, TrainingError
from closecast.market.bars import CLOSE
from closecast.models.config import (
    NetworkConfig,
    Weights,
    initial_weights,
    require_whole,
    weight_shapes,
)
from closecast.windows.scaling import WindowData

SHORTEST_SHARE = 64
"""Windows of a batch for each thread, at least: less is not worth waiting for."""


class NativeEngine:
    """Trains and runs networks with vector instructions of the processor."""

    name = "native"

    def __init__(
        self, threads: int | None = None, instruction_set: str | None = None
    ) -> None:
        """Choose the kernels and the threads.

        Args:
            threads: Threads to use; by default one for each core.
            instruction_set: ``"avx512"``, ``"avx2"`` or ``"baseline"``; by default
                the best that runs here.

        Raises:
            SettingError: The instruction set does not run here.
            MissingExtraError: There are no compiled kernels.
        """  # noqa: DOC502
        self.threads = _cores() if threads is None else threads
        require_whole("threads", self.threads, 1, 1024)
        self.instruction_set = choose_instruction_set(instruction_set)
        self.kernels = load_kernels(self.instruction_set)

    def train(
        self,
        data: WindowData,
        members: Sequence[Member],
        on_epoch: Callable[[Progress], None] | None = None,
    ) -> list[TrainedMember]:
        """Train every member; see ``closecast.engine.fleet.Engine``."""  # noqa: DOC201
        for member in members:
            require_fit(data, member.network)
            for rows in (member.train, member.validation):
                _require_inside(data, rows, data.spec.horizon)
        workers = min(self.threads, len(members)) if self.threads > 1 else 1
        alone = len(members) < self.threads
        fleet = _Fleet(
            kernels=self.kernels,
            data=data,
            panel=_panel(self.kernels, data),
            threads=self.threads if alone else 1,
            members=members,
        )
        return fleet.train(1 if alone else workers, on_epoch)

    def outputs(
        self,
        data: WindowData,
        network: NetworkConfig,
        weights: Weights,
        cutoffs: Int[np.ndarray, " window"],
    ) -> Float32[np.ndarray, "window horizon param"]:
        """Run a network; see ``closecast.engine.fleet.Engine``."""  # noqa: DOC201
        require_fit(data, network)
        _require_inside(data, cutoffs, 0)
        threads = max(1, min(self.threads, len(cutoffs) // SHORTEST_SHARE))
        native = _network(self.kernels, data, network, threads)
        native.load(_flat(network, weights))
        outputs = native.outputs(_panel(self.kernels, data), _rows(cutoffs))
        return np.asarray(outputs)


@dataclass(kw_only=True)
class _Fleet:
    """A training under way: what its threads share."""

    kernels: Any
    data: WindowData
    panel: Any
    threads: int
    members: Sequence[Member]
    reports: "queue.SimpleQueue[Progress | None]" = field(
        default_factory=queue.SimpleQueue
    )
    running: list[Any] = field(default_factory=list)
    stopped: bool = False

    def train(
        self, workers: int, on_epoch: Callable[[Progress], None] | None
    ) -> list[TrainedMember]:
        with ThreadPoolExecutor(workers) as pool, self._stopped_by_errors():
            futures = [
                pool.submit(self._train_member, number, member)
                for number, member in enumerate(self.members, start=1)
            ]
            for future in futures:
                future.add_done_callback(self._wake)
            self._report_until_done(futures, on_epoch)
            return [future.result() for future in futures]

    def _wake(self, _: "Future[TrainedMember]") -> None:
        self.reports.put(None)

    def _report_until_done(
        self,
        futures: "list[Future[TrainedMember]]",
        on_epoch: Callable[[Progress], None] | None,
    ) -> None:
        # callbacks run here, in the caller's thread, as does its Ctrl-C
        left = len(futures)
        while left:
            progress = self.reports.get()
            if progress is None:
                left -= 1
                left = 0 if any(_failed(future) for future in futures) else left
            elif on_epoch is not None:
                on_epoch(progress)

    @contextmanager
    def _stopped_by_errors(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.stopped = True
            for native in list(self.running):
                native.stop()
            raise

    def _train_member(self, number: int, member: Member) -> TrainedMember:
        started, config = time.perf_counter(), member.optimizer
        first = initial_weights(member.network, config.seed)
        native = _network(self.kernels, self.data, member.network, self.threads)
        native.load(_flat(member.network, first))
        native.set_optimizer(
            config.optimizer,
            config.learning_rate,
            config.weight_decay,
            config.momentum,
        )
        self.running.append(native)
        train_loss: list[float] = []
        validation_loss: list[float] = []
        best_epoch, best_loss, best = 0, math.inf, native.save()
        for epoch in range(1, config.epochs + 1):
            train_loss.append(self._train_epoch(native, member, epoch))
            validation_loss.append(native.loss(self.panel, _rows(member.validation)))
            if self.stopped:
                break
            _refuse_divergence(member, epoch, train_loss[-1], validation_loss[-1])
            if validation_loss[-1] < best_loss:
                best_epoch, best_loss = epoch, validation_loss[-1]
                best = native.save()
            self.reports.put(
                Progress(
                    member=member.name,
                    number=number,
                    members=len(self.members),
                    epoch=epoch,
                    epochs=config.epochs,
                    train_loss=train_loss[-1],
                    validation_loss=validation_loss[-1],
                )
            )
            if config.early_stopping and epoch - best_epoch >= config.patience:
                break
        self.running.remove(native)
        return TrainedMember(
            member=member,
            weights=_named(
                member.network, best if config.early_stopping else native.save()
            ),
            curve=LearningCurve(
                train_loss=tuple(train_loss),
                validation_loss=tuple(validation_loss),
                best_epoch=best_epoch,
            ),
            elapsed_s=time.perf_counter() - started,
        )

    def _train_epoch(self, native: Any, member: Member, epoch: int) -> float:  # noqa: ANN401
        config = member.optimizer
        order = batches(member.train, config.batch_size, config.seed, epoch)
        ends = np.cumsum([len(batch) for batch in order], dtype=np.int64)
        rows = _rows(np.concatenate(order))
        loss: float = native.train_epoch(self.panel, rows, ends, config.seed, epoch)
        return loss


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _failed(future: "Future[TrainedMember]") -> bool:
    return future.done() and future.exception() is not None


def _panel(kernels: Any, data: WindowData) -> Any:  # noqa: ANN401
    tables = (data.logs, data.scale, data.state)
    return kernels.Panel(*(np.ascontiguousarray(t, dtype=np.float64) for t in tables))


def _rows(cutoffs: Int[np.ndarray, " window"]) -> Int[np.ndarray, " window"]:
    return np.ascontiguousarray(cutoffs, dtype=np.int64)


def _network(
    kernels: Any,  # noqa: ANN401
    data: WindowData,
    config: NetworkConfig,
    threads: int,
) -> Any:  # noqa: ANN401
    return kernels.Network(
        context=data.spec.context_length,
        features=config.input_size,
        hidden=config.hidden_size,
        layers=config.num_layers,
        horizon=config.horizon,
        state=config.state_size,
        student_t=config.head == "student_t",
        batch_norm=config.batch_norm,
        dropout=config.dropout,
        threads=threads,
    )


def _flat(config: NetworkConfig, weights: Weights) -> Float32[np.ndarray, " weight"]:
    parts = [weights[name].ravel() for name in weight_shapes(config)]
    return np.concatenate(parts).astype(np.float32, copy=False)


def _named(config: NetworkConfig, flat: Float32[np.ndarray, " weight"]) -> Weights:
    weights: Weights = {}
    start = 0
    for name, shape in weight_shapes(config).items():
        end = start + math.prod(shape)
        weights[name] = np.array(flat[start:end]).reshape(shape)
        start = end
    return weights


def _require_inside(
    data: WindowData, cutoffs: Int[np.ndarray, " window"], ahead: int
) -> None:
    # the kernels read memory without asking
    if len(cutoffs) == 0:
        return
    first, last = data.spec.context_length - 1, len(data.logs) - 1 - ahead
    if cutoffs.min() < first or cutoffs.max() > last:
        raise SettingError(
            f"Expected windows inside the panel, cutoffs from {first} to {last}, got "
            f"{cutoffs.min()} to {cutoffs.max()}. Take cutoffs of the same panel."
        )


def _refuse_divergence(
    member: Member, epoch: int, train_loss: float, validation_loss: float
) -> None:
    if not (math.isfinite(train_loss) and math.isfinite(validation_loss)):
        config = member.optimizer
        raise TrainingError(
            f"Expected finite losses, got {train_loss:g} in training and "
            f"{validation_loss:g} in validation (member {member.name}, epoch {epoch}, "
            f"optimizer={config.optimizer}, learning_rate={config.learning_rate:g}, "
            f"batch_size={config.batch_size}, seed={config.seed}). "
            "Lower learning_rate."
        )
