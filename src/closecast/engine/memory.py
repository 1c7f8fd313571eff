"""What a training takes of the memory, told before it starts."""

import math
import os
from collections.abc import Sequence

from closecast.engine.fleet import Member
from closecast.errors import SettingError
from closecast.models.config import weight_shapes

COPIES_OF_WEIGHTS = 8
"""Weights both ways round, two moments, and a gradient for each part of a batch."""

STATES_OF_A_UNIT = 9
"""Numbers kept of a unit at a step: gates, cell, outputs, dropout."""

MOST_MEMBERS = 512
"""Members of one program, at most: more would not make a device any busier."""


def require_memory(
    context_length: int,
    members: Sequence[Member],
    workers: int,
    there: float | None = None,
) -> None:
    """Refuse a training that is larger than the memory.

    Args:
        context_length: Bars of a window.
        members: Networks to train.
        workers: How many of them are trained at a time.
        there: Bytes that there are; by default those of this machine.

    Raises:
        SettingError: A member needs more; the message says how much.
    """
    there = _memory() if there is None else there
    for member in members:
        needed = workers * _bytes_of(context_length, member)
        if needed > there:
            raise SettingError(
                f"Expected a training that fits in the memory of {there / 1e9:.1f} GB, "
                f"got one that needs {needed / 1e9:.1f} GB (member {member.name}, "
                f"{workers} at a time). Lower batch_size, hidden_size or the threads."
            )


def count_that_fit(
    context_length: int, member: Member, there: float | None = None
) -> int:
    """Count the members that can be trained as one program.

    Args:
        context_length: Bars of a window.
        member: One of them; the others are of its shape.
        there: Bytes that there are; by default those of this machine.

    Returns:
        As many as take a quarter of it, what autograd keeps of a step beside it; at
        least 1.
    """
    there = _memory() if there is None else there
    return max(1, min(MOST_MEMBERS, int(there / 4 / _bytes_of(context_length, member))))


def _bytes_of(context_length: int, member: Member) -> int:
    network = member.network
    parameters = sum(math.prod(shape) for shape in weight_shapes(network).values())
    states = context_length * network.num_layers * network.hidden_size
    windows = min(member.optimizer.batch_size, len(member.train)) + 1
    return 4 * (COPIES_OF_WEIGHTS * parameters + STATES_OF_A_UNIT * states * windows)


def _memory() -> float:
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return math.inf
