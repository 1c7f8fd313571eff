"""Trains and runs networks with the compiled kernels.

Members take turns on threads of their own; a fleet smaller than the processor is
trained one member after the other with all threads in each. Either way a member's
result has the same bits.
"""

import math
import os
import queue
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
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
    refuse_divergence,
    require_fit,
)
from closecast.engine.native.kernels import choose_instruction_set, load_kernels
from closecast.errors import SettingError
from closecast.models.config import (
    NetworkConfig,
    Weights,
    initial_weights,
    require_whole,
    weight_shapes,
)
from closecast.models.heads import choose_loss, start_gaps, student_t_polynomials
from closecast.windows.scaling import WindowData

SHORTEST_SHARE = 64
"""Windows of a batch for each thread, at least: less is not worth waiting for."""


COPIES_OF_WEIGHTS = 8
"""Weights both ways round, two moments, and a gradient for each part of a batch."""

STATES_OF_A_UNIT = 9
"""Numbers kept of a unit at a step: gates, cell, outputs, dropout."""


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
        """
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
        """Train every member; see ``closecast.engine.fleet.Engine``."""
        for member in members:
            require_fit(data, member.network)
            for rows in (member.train, member.validation):
                _require_inside(data, rows, data.spec.horizon)
        if not members:
            return []
        alone = len(members) < self.threads
        workers = 1 if alone else self.threads
        _require_memory(data, members, workers)
        fleet = _Fleet(
            kernels=self.kernels,
            data=data,
            panel=_panel(self.kernels, data),
            threads=self.threads if alone else 1,
            members=members,
        )
        return fleet.train(workers, on_epoch)

    def outputs(
        self,
        data: WindowData,
        network: NetworkConfig,
        weights: Weights,
        cutoffs: Int[np.ndarray, " window"],
    ) -> Float32[np.ndarray, "window horizon param"]:
        """Run a network; see ``closecast.engine.fleet.Engine``."""
        require_fit(data, network)
        _require_inside(data, cutoffs, 0)
        threads = max(1, min(self.threads, len(cutoffs) // SHORTEST_SHARE))
        native = _network(self.kernels, data, network, threads)
        native.load(_flat(network, weights))
        outputs = native.outputs(_panel(self.kernels, data), _rows(cutoffs))
        return np.asarray(outputs)


WAKE_S = 0.2
"""How often the caller's thread looks for Ctrl-C: a system may hand the signal to
another thread, which does not wake one that waits."""


@dataclass(kw_only=True)
class _Fleet:
    """A training under way: what its threads share."""

    kernels: Any
    data: WindowData
    panel: Any
    threads: int
    members: Sequence[Member]
    reports: "queue.SimpleQueue[Progress | Future[TrainedMember]]" = field(
        default_factory=queue.SimpleQueue
    )
    running: list[Any] = field(default_factory=list)
    stopped: bool = False

    def train(
        self, workers: int, on_epoch: Callable[[Progress], None] | None
    ) -> list[TrainedMember]:
        with ThreadPoolExecutor(workers) as pool:
            # all of it guarded: whenever Ctrl-C comes, leaving the pool must not wait
            # for threads that nobody told to stop
            try:
                futures = [
                    pool.submit(self._train_member, number, member)
                    for number, member in enumerate(self.members, start=1)
                ]
                for future in futures:
                    future.add_done_callback(self.reports.put)
                self._report_until_done(on_epoch)
            except BaseException:
                self._stop()
                pool.shutdown(cancel_futures=True)
                raise
        return [future.result() for future in futures]

    def _report_until_done(self, on_epoch: Callable[[Progress], None] | None) -> None:
        # in the caller's thread, which is the one that callbacks and Ctrl-C belong to
        left = len(self.members)
        while left:
            try:
                report = self.reports.get(timeout=WAKE_S)
            except queue.Empty:
                continue
            if isinstance(report, Future):
                report.result()  # raises what the member's thread raised
                left -= 1
            elif on_epoch is not None:
                on_epoch(report)

    def _stop(self) -> None:
        self.stopped = True
        for native in list(self.running):
            native.stop()

    def _train_member(self, number: int, member: Member) -> TrainedMember:
        started = time.perf_counter()
        native = self._first_network(member)
        self.running.append(native)
        if self.stopped:
            native.stop()
        best, curve = self._train_epochs(native, number, member)
        self.running.remove(native)
        return TrainedMember(
            member=member,
            weights=_named(
                member.network,
                best if member.optimizer.early_stopping else native.save(),
            ),
            curve=curve,
            elapsed_s=time.perf_counter() - started,
        )

    def _first_network(self, member: Member) -> Any:  # noqa: ANN401
        config = member.optimizer
        native = _network(
            self.kernels, self.data, member.network, self.threads, config.loss
        )
        native.load(_flat(member.network, initial_weights(member.network, config.seed)))
        native.set_optimizer(
            config.optimizer, config.weight_decay, config.momentum, config.clip_norm
        )
        return native

    def _train_epochs(
        self,
        native: Any,  # noqa: ANN401
        number: int,
        member: Member,
    ) -> tuple[Float32[np.ndarray, " weight"], LearningCurve]:
        config, validation = member.optimizer, _rows(member.validation)
        train_loss: list[float] = []
        validation_loss: list[float] = []
        best_epoch, best_loss, best = 0, math.inf, native.save()
        for epoch in range(1, config.epochs + 1):
            train_loss.append(self._train_epoch(native, member, epoch))
            validation_loss.append(native.loss(self.panel, validation))
            if self.stopped:
                break
            refuse_divergence(member, epoch, train_loss[-1], validation_loss[-1])
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
        return best, LearningCurve(
            train_loss=tuple(train_loss),
            validation_loss=tuple(validation_loss),
            best_epoch=best_epoch,
        )

    def _train_epoch(self, native: Any, member: Member, epoch: int) -> float:  # noqa: ANN401
        config = member.optimizer
        order = batches(member.train, config.batch_size, config.seed, epoch)
        ends = np.cumsum([len(batch) for batch in order], dtype=np.int64)
        rows = _rows(np.concatenate(order))
        rates = config.rates(epoch, len(order))
        loss: float = native.train_epoch(
            self.panel, rows, ends, rates, config.seed, epoch
        )
        return loss


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
    loss: str = "auto",
) -> Any:  # noqa: ANN401
    name, table = _loss(config.head, loss)
    return kernels.Network(
        context=data.spec.context_length,
        features=config.input_size,
        hidden=config.hidden_size,
        layers=config.num_layers,
        horizon=config.horizon,
        state=config.state_size,
        loss=name,
        loss_table=table,
        batch_norm=config.batch_norm,
        dropout=config.dropout,
        threads=threads,
    )


def _loss(head: str, loss: str) -> tuple[str, Float32[np.ndarray, " constant"]]:
    # its name in the kernels, and the constants that it needs
    name = choose_loss(head, loss)
    if name != "crps":
        return name, np.empty(0, np.float32)
    table = student_t_polynomials() if head == "student_t" else start_gaps()
    return f"{head}_crps", np.ascontiguousarray(table.ravel(), dtype=np.float32)


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


def _require_memory(data: WindowData, members: Sequence[Member], workers: int) -> None:
    # of the largest member, as many at a time as there are threads for members
    there = _memory()
    for member in members:
        network, batch = member.network, member.optimizer.batch_size
        parameters = sum(math.prod(s) for s in weight_shapes(network).values())
        states = data.spec.context_length * network.num_layers * network.hidden_size
        windows = min(batch, len(member.train)) + 1
        needed = (
            4
            * workers
            * (COPIES_OF_WEIGHTS * parameters + STATES_OF_A_UNIT * states * windows)
        )
        if needed > there:
            raise SettingError(
                f"Expected a training that fits in the memory of {there / 1e9:.1f} GB, "
                f"got one that needs {needed / 1e9:.1f} GB (member {member.name}, "
                f"{workers} at a time). Lower batch_size, hidden_size or the threads."
            )


def _memory() -> float:
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return math.inf
