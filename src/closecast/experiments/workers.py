"""Where the tasks of an experiment are done: in this process, or where workers are.

An experiment cuts what it trains into tasks that do not know each other, a fleet or a
fold each. Whoever does them changes when they are done, never what comes of them.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from closecast.engine.fleet import Progress

Shared = TypeVar("Shared")
Task = TypeVar("Task")
Result = TypeVar("Result")

OnEpoch = Callable[[Progress], None]


class Workers(Protocol):
    """Whatever does tasks."""

    def fleet_size(self, members: int, most: int) -> int:
        """Say how many members a task should hold, so that all workers have one.

        Args:
            members: Members that are to be trained, 1 or more.
            most: Members that a task may hold.

        Returns:
            Members of a task, from 1 to ``most``.
        """
        ...

    def run(
        self,
        work: Callable[[Shared, Task, OnEpoch | None], Result],
        shared: Shared,
        tasks: Iterable[Task],
        on_epoch: OnEpoch | None = None,
    ) -> Iterator[tuple[int, Result]]:
        """Do every task.

        Args:
            work: Does a task; a function of a module, that changes nothing outside.
            shared: What all tasks read, brought to a worker once.
            tasks: The tasks; the next is asked for when there is a worker for it.
            on_epoch: Called in the caller's thread after each epoch of each network.

        Yields:
            Place of a task, counted from 0, and what came of it, as soon as it is
            done and in any order; each task once. What ``work`` raises is raised.
        """
        ...


class InProcess:
    """Does one task after the other, here."""

    def fleet_size(self, members: int, most: int) -> int:
        """Fill every task: a fleet uses all cores by itself.

        Args:
            members: Members that are to be trained.
            most: Members that a task may hold.

        Returns:
            The lesser of both.
        """
        return min(members, most)

    def run(
        self,
        work: Callable[[Shared, Task, OnEpoch | None], Result],
        shared: Shared,
        tasks: Iterable[Task],
        on_epoch: OnEpoch | None = None,
    ) -> Iterator[tuple[int, Result]]:
        """Do every task, in their order.

        Args:
            work: Does a task.
            shared: What all tasks read.
            tasks: The tasks.
            on_epoch: Called after each epoch of each network.

        Yields:
            Place of a task and what came of it.
        """
        for place, task in enumerate(tasks):
            yield place, work(shared, task, on_epoch)


IN_PROCESS = InProcess()
