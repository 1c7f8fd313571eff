"""Trains and runs networks with the compiled kernels.

Members take turns on threads of their own; a fleet smaller than the processor is
trained one member after the other with all threads in each. Either way a member's
result has the same bits.
"""

import math
import os
import queue
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Float32, Int

from closecast.engine.epochs import Losses, Steps, reporter, train_member
from closecast.engine.fleet import (
    Checkpoints,
    Member,
    OptimizerConfig,
    Progress,
    Runner,
    TrainedMember,
    TrainingState,
    require_fit,
)
from closecast.engine.memory import require_memory
from closecast.engine.native.kernels import choose_instruction_set, load_kernels
from closecast.errors import SettingError, TrainingError
from closecast.models.config import (
    NetworkConfig,
    Weights,
    initial_weights,
    require_whole,
    weight_shapes,
)
from closecast.models.heads import choose_loss, start_gaps, student_t_polynomials
from closecast.windows.scaling import WindowData

CENTRED = "centred_"
"""Of a Student-t's losses with its location held at 0."""

SHORTEST_SHARE = 64
"""Windows of a batch for each thread, at least: less is not worth waiting for."""


class NativeEngine:
    """Trains and runs networks with vector instructions of the processor."""

    name = "native"
    trains_together = True

    def __init__(
        self, threads: int | None = None, instruction_set: str | None = None
    ) -> None:
        """Choose the kernels and the threads.

        Args:
            threads: Threads to use; by default one for each core.
            instruction_set: One of ``closecast.engine.native.kernels``; by default
                the best that runs here.

        Raises:
            SettingError: The instruction set does not run here.
            MissingExtraError: There are no compiled kernels.
        """
        self.threads = cores() if threads is None else threads
        require_whole("threads", self.threads, 1, 1024)
        self.instruction_set = choose_instruction_set(instruction_set)
        self.kernels = load_kernels(self.instruction_set)

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
            self._require_precision(member)
            for rows in (member.train, member.validation):
                _require_inside(data, rows, data.spec.horizon)
        if not members:
            return []
        alone = len(members) < self.threads
        workers = 1 if alone else self.threads
        require_memory(data.spec.context_length, members, workers)
        fleet = _Fleet(
            kernels=self.kernels,
            data=data,
            panel=_panel(self.kernels, data),
            threads=self.threads if alone else 1,
            members=members,
            checkpoints=checkpoints or Checkpoints(),
            engine=f"native {self.instruction_set}",
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
        _require_inside(data, cutoffs, 0)
        threads = max(1, min(self.threads, len(cutoffs) // SHORTEST_SHARE))
        return self._prepared(data, network, weights, threads)(cutoffs)

    def prepare(
        self, data: WindowData, network: NetworkConfig, weights: Weights
    ) -> Runner:
        """Make a network ready; see ``closecast.engine.fleet.Engine``."""
        return self._prepared(data, network, weights, self.threads)

    def _require_precision(self, member: Member) -> None:
        wanted = member.optimizer.precision
        if wanted == "bfloat16" and not self.kernels.HAS_BFLOAT16:
            raise SettingError(
                "Expected precision float32 with kernels that have no bfloat16, got "
                f"{wanted!r} (member {member.name}, instruction set "
                f"{self.instruction_set}). Choose float32, or engine torch."
            )

    def _prepared(
        self, data: WindowData, network: NetworkConfig, weights: Weights, threads: int
    ) -> Runner:
        require_fit(data, network)
        native = _network(self.kernels, data, network, threads)
        native.load(_flat(network, weights))
        panel = _panel(self.kernels, data)

        def run(
            cutoffs: Int[np.ndarray, " window"],
        ) -> Float32[np.ndarray, "window horizon param"]:
            _require_inside(data, cutoffs, 0)
            return np.asarray(native.outputs(panel, _rows(cutoffs)))

        return run


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
    checkpoints: Checkpoints
    engine: str
    reports: "queue.SimpleQueue[_Told]" = field(default_factory=queue.SimpleQueue)
    running: list[Any] = field(default_factory=list)
    stopped: bool = False

    def train(
        self, workers: int, on_epoch: Callable[[Progress], None] | None
    ) -> list[TrainedMember | TrainingError]:
        with ThreadPoolExecutor(workers) as pool:
            # all of it guarded: whenever Ctrl-C comes, leaving the pool must not wait
            # for threads that nobody told to stop
            try:
                futures = {
                    number: pool.submit(self._train_member, number + 1, member)
                    for number, member in self._longest_first(workers)
                }
                for future in futures.values():
                    future.add_done_callback(self.reports.put)
                self._report_until_done(on_epoch)
            except BaseException:
                self._stop()
                pool.shutdown(cancel_futures=True)
                raise
        return [futures[number].result() for number in range(len(self.members))]

    def _longest_first(self, workers: int) -> list[tuple[int, Member]]:
        # so that no thread is left alone with a long one at the end
        numbered = list(enumerate(self.members))
        if workers > 1:
            numbered.sort(key=lambda one: _work(one[1]), reverse=True)
        return numbered

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
            elif isinstance(report, Progress):
                if on_epoch is not None:
                    on_epoch(report)
            elif self.checkpoints.keep is not None:  # pragma: no branch
                self.checkpoints.keep(*report)

    def _stop(self) -> None:
        self.stopped = True
        for native in list(self.running):
            native.stop()

    def _train_member(
        self, number: int, member: Member
    ) -> TrainedMember | TrainingError:
        trainee = _Trainee(self, member)
        self.running.append(trainee.native)
        if self.stopped:
            trainee.native.stop()
        report = reporter(self.reports.put, member, number, len(self.members))
        checkpoints = self.checkpoints
        if checkpoints.keep is not None:
            checkpoints = replace(checkpoints, keep=self._pass_on)
        try:
            return train_member(trainee, member, report, checkpoints)
        finally:
            self.running.remove(trainee.native)

    def _pass_on(self, name: str, state: TrainingState) -> None:
        self.reports.put((name, state))


_Told = Progress | tuple[str, TrainingState] | Future[TrainedMember | TrainingError]
"""What a member's thread tells the caller's."""


def _work(member: Member) -> float:
    # multiplications of an epoch, roughly, times the epochs
    network = member.network
    size = network.num_layers * network.hidden_size**2
    return float(size * len(member.train) * member.optimizer.epochs)


class _StoppedError(Exception):
    """Somebody told the fleet to stop; nobody waits for this member."""


class _Trainee:
    """A network under training in the kernels."""

    def __init__(self, fleet: _Fleet, member: Member) -> None:
        config, network = member.optimizer, member.network
        self.fleet, self.network, self.seed = fleet, network, config.seed
        self.validation = _rows(member.validation)
        self.native = _network(
            fleet.kernels, fleet.data, network, fleet.threads, config
        )
        self.native.load(_flat(network, initial_weights(network, config.seed)))
        self.native.set_optimizer(
            config.optimizer, config.weight_decay, config.momentum, config.clip_norm
        )

    def train_epoch(self, steps: Steps) -> Losses:
        ends = np.cumsum([len(batch) for batch in steps.order], dtype=np.int64)
        rows = _rows(np.concatenate(steps.order))
        losses = self.native.train_epoch(
            self.fleet.panel, rows, ends, steps.rates, self.seed, steps.epoch
        )
        if self.fleet.stopped:
            raise _StoppedError
        return np.asarray(losses)

    def validation_loss(self) -> float:
        loss: float = self.native.loss(self.fleet.panel, self.validation)
        return loss

    def weights(self) -> Weights:
        return _named(self.network, self.native.save())

    @property
    def engine(self) -> str:
        return self.fleet.engine

    def state(self) -> dict[str, np.ndarray]:
        # dropout is a function of the epoch and keeps no state
        steps, moments = self.native.save_moments()
        return {
            "weights": self.native.save(),
            "steps": np.array([steps], np.int64),
            "moments": moments,
        }

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        self.native.load(state["weights"])
        self.native.load_moments(int(state["steps"][0]), state["moments"])


def cores() -> int:
    """Count the cores that this process may use, by its system and OMP_NUM_THREADS."""
    if hasattr(os, "sched_getaffinity"):
        found = len(os.sched_getaffinity(0))
    else:
        found = os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return min(found, int(limit)) if limit.isdecimal() and int(limit) else found


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
    training: OptimizerConfig | None = None,
) -> Any:  # noqa: ANN401
    training = training or OptimizerConfig()
    name, table = _loss(config.head, training)
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
        draft=training.precision == "bfloat16",
        threads=threads,
    )


def _loss(
    head: str, training: OptimizerConfig
) -> tuple[str, Float32[np.ndarray, " constant"]]:
    # its name in the kernels, and the constants that it needs
    name = choose_loss(head, training.loss)
    if name != "crps":
        return f"{CENTRED * training.centred}{name}", np.empty(0, np.float32)
    table = student_t_polynomials() if head == "student_t" else start_gaps()
    of = CENTRED if training.centred else f"{head}_"
    return f"{of}crps", np.ascontiguousarray(table.ravel(), dtype=np.float32)


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
