"""Workers on Ray: a task is done on a core of some node, and again if that is lost.

What all tasks read goes into the object store once, and each node fetches it once;
tasks of a node read the same memory. A task brings its settings alone. What comes of it
comes back to this process, which alone writes a run: its folder is the one that this
machine would have left by itself, whatever happens to a worker.
"""

import math
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self

from closecast.cluster.session import (
    Passport,
    passport,
    require_answer,
    require_same,
    session,
)
from closecast.engine.fleet import Progress
from closecast.errors import ClosecastWarning, ClusterError
from closecast.experiments.workers import OnEpoch, Result, Shared, Task

ATTEMPTS = 3
"""Workers that a task may lose."""

LOOK_S = 5.0
"""After so much silence the cluster is asked whether it is still there."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    # the last thing that a worker sends; before it come lists of progress
    value: Any


@dataclass(slots=True, kw_only=True)
class _Assignment:
    # a task, and how often it was begun
    place: int
    task: Any
    attempts: int = 0


class _Waiting:
    # tasks that nobody does: those that were lost, then those not begun yet
    def __init__(self, tasks: Iterable[Any]) -> None:
        self.lost: deque[_Assignment] = deque()
        self._fresh = (_Assignment(place=p, task=t) for p, t in enumerate(tasks))

    def next(self) -> _Assignment | None:
        return self.lost.popleft() if self.lost else next(self._fresh, None)


class RayWorkers:
    """Workers on Ray, on this machine or on many: ``with RayWorkers() as workers:``."""

    def __init__(self, address: str | None = None) -> None:
        """Say where the workers are.

        Args:
            address: ``HOST:PORT`` of a cluster that this machine is a node of, or
                "auto" for the one that was started here; None starts workers on the
                cores of this machine, for this process alone.
        """
        self.address = address
        self._session: AbstractContextManager[Any] | None = None
        self._kept: tuple[object, Any] = (None, None)

    def __enter__(self) -> Self:
        """Start Ray, or join the cluster.

        Returns:
            These workers.

        Raises:
            MissingExtraError: Ray is not installed.
            ClusterError: The cluster cannot be joined; see ``cluster.session``.
        """
        self._session = session(self.address)
        self._ray = self._session.__enter__()
        self._begin = self._ray.remote(num_cpus=1, max_retries=0)(_do)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop what was started, or leave the cluster."""
        self._kept = (None, None)
        if self._session is not None:
            self._session.__exit__(kind, error, trace)
            self._session = None

    def fleet_size(self, members: int, most: int) -> int:
        """Share members out evenly over all cores.

        Args:
            members: Members that are to be trained.
            most: Members that a task may hold.

        Returns:
            Members of a task.
        """
        cores = self._cores()
        rounds = math.ceil(members / (cores * most))
        return math.ceil(members / (cores * rounds))

    def run(
        self,
        work: Callable[[Shared, Task, OnEpoch | None], Result],
        shared: Shared,
        tasks: Iterable[Task],
        on_epoch: OnEpoch | None = None,
    ) -> Iterator[tuple[int, Result]]:
        """Do every task, as many at a time as there are cores.

        Args:
            work: Does a task; a function of a module that workers have installed too.
            shared: What all tasks read; put into the object store once, however often
                the same object is given.
            tasks: The tasks.
            on_epoch: Called after each epoch of each network.

        Yields:
            Place of a task and what came of it, as soon as it is done.

        Raises:
            ClusterError: A task lost its worker three times, the cluster is gone, or
                a worker's versions differ.
        """
        order = (work, self._stored(shared), on_epoch is not None)
        waiting = _Waiting(tasks)
        running: dict[Any, _Assignment] = {}
        try:
            while self._hand_out(waiting, running, order):
                for stream in self._with_news(list(running)):
                    letter = self._read(stream)
                    if isinstance(letter, _Outcome):
                        # the stream may yet break: what has come is not asked for twice
                        yield running.pop(stream).place, letter.value
                    elif isinstance(letter, Exception):
                        waiting.lost.append(_again(running.pop(stream), letter))
                    elif on_epoch is not None:
                        for progress in letter:
                            on_epoch(progress)
        finally:
            for stream in running:
                self._ray.cancel(stream, force=True)

    def _hand_out(
        self,
        waiting: "_Waiting",
        running: dict[Any, _Assignment],
        order: tuple[Any, ...],
    ) -> bool:
        # give every free core a task; whether anything is under way then
        while len(running) < self._cores() and (following := waiting.next()):
            following.attempts += 1
            stream = self._begin.remote(passport(), *order, following.task)
            running[stream] = following
        return bool(running)

    def _with_news(self, streams: list[Any]) -> list[Any]:
        while True:
            ready, _ = self._ray.wait(
                streams, num_returns=len(streams), timeout=LOOK_S, fetch_local=False
            )
            if ready:
                return list(ready)
            self._cores()

    def _read(self, stream: Any) -> _Outcome | list[Progress] | Exception:  # noqa: ANN401
        # what a worker sent, or how it was lost
        exceptions = self._ray.exceptions
        try:
            return self._ray.get(next(stream))  # type: ignore[no-any-return]
        except exceptions.RayTaskError as error:
            raise error.cause or error from error
        except exceptions.RayError as error:
            return error  # type: ignore[no-any-return]

    def _stored(self, shared: object) -> Any:  # noqa: ANN401  a reference
        if self._kept[0] is not shared:
            self._kept = (shared, self._ray.put(shared))
        return self._kept[1]

    def _cores(self) -> int:
        # a dead head is found here: Ray itself would wait a minute and end the process
        require_answer(self._ray.get_runtime_context().gcs_address)
        cores = int(self._ray.cluster_resources().get("CPU", 0))
        if cores < 1:
            raise ClusterError(
                "Expected a cluster with a core to work on, got none. Start a node "
                "with ray start --address=HOST:PORT --num-cpus=N."
            )
        return cores


def _again(assignment: _Assignment, error: Exception) -> _Assignment:
    reason = type(error).__name__
    if assignment.attempts >= ATTEMPTS:
        raise ClusterError(
            f"Expected a worker that lives until its task is done, got {ATTEMPTS} that "
            f"were lost (the last: {reason}). Give nodes more memory, or look into "
            "their logs."
        ) from error
    warnings.warn(
        f"A worker was lost ({reason}); its task is done again "
        f"({assignment.attempts + 1} of {ATTEMPTS}).",
        ClosecastWarning,
        stacklevel=3,
    )
    return assignment


def _do(
    ours: Passport,
    work: Callable[[Any, Any, OnEpoch | None], Any],
    shared: object,
    watched: bool,  # noqa: FBT001  Ray calls it by position
    task: object,
) -> Iterator[list[Progress] | _Outcome]:
    # in the worker: send epochs home while they pass, then what came of the task
    import ray

    require_same(ours, passport(), f"node {ray.get_runtime_context().get_node_id()}")
    post: SimpleQueue[Progress | None] = SimpleQueue()
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(work, shared, task, post.put if watched else None)
        done.add_done_callback(lambda _: post.put(None))
        yield from _letters(post)
        yield _Outcome(done.result())


def _letters(post: "SimpleQueue[Progress | None]") -> Iterator[list[Progress]]:
    # whatever has passed since the last letter, until the task is done
    done = False
    while not done:
        items = [post.get()]
        while not post.empty():
            items.append(post.get())
        done = items[-1] is None
        yield [item for item in items if item is not None]
