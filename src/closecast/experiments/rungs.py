"""Successive halving: of members trained together only the best third goes on.

A member that is left behind is no failure: it is a model of fewer epochs, scored,
counted and asked about like the others. Who goes on is a function of losses up to a
rung alone, so that a search that was killed decides the same again.

Source: Jamieson and Talwalkar (2016), Non-stochastic best arm identification,
arXiv:1502.07943; Li et al. (2018), Hyperband, JMLR 18(185).
"""

from collections.abc import Mapping, Sequence
from math import inf

from closecast.errors import SettingError

PRUNINGS = ("none", "halving", "hyperband")

ONE_IN = 3
"""Of so many proposals one goes on at each rung, and trains so many times longer."""

MOST_RUNGS = 3
"""Rungs below the last epoch: the first is at a 27th of the epochs, at the least."""

Curves = Sequence[Sequence[float]]
"""Validation losses by epoch of each seed of a proposal; none of one that diverged."""


def rungs_of(pruning: str, epochs: int, batch: int) -> tuple[int, ...]:
    """Say after which epochs a batch of proposals is thinned out.

    Args:
        pruning: One of ``PRUNINGS``. Halving thins out each batch at every rung;
            hyperband begins each batch at a later one and then anew, for a low loss
            after few epochs may be that of a model that soon stops learning.
        epochs: Epochs of a member that is never left behind.
        batch: Number of the batch, from 0.

    Returns:
        The epochs, rising; none where nothing is thinned out.

    Raises:
        SettingError: There are too few epochs for a rung.
    """
    if pruning == "none":
        return ()
    every = [epochs // ONE_IN**power for power in range(MOST_RUNGS, 0, -1)]
    rungs = [rung for rung in every if rung >= 1]
    if not rungs:
        raise SettingError(
            f"Expected at least {ONE_IN} epochs to thin members out, got {epochs}. "
            "Raise epochs, or choose pruning none."
        )
    first = batch % (len(rungs) + 1) if pruning == "hyperband" else 0
    return tuple(rungs[first:])


def who_goes_on(
    rivals: Mapping[object, Curves], rung: int, *, early_stopping: bool
) -> list[object]:
    """Choose the proposals that train beyond a rung.

    Args:
        rivals: Losses of each proposal that came so far, in the order proposed.
        rung: The epoch; later losses do not matter.
        early_stopping: Whether the weights of the best epoch are kept, so that the
            best loss counts; else it is the last.

    Returns:
        The best third by mean loss over seeds, rounded down, at least one; what was
        proposed first goes before its equals.
    """

    def worth(curves: Curves) -> float:
        losses = [curve[:rung] for curve in curves]
        if not all(losses):
            return inf
        ends = [min(one) if early_stopping else one[-1] for one in losses]
        return sum(ends) / len(ends)

    ranked = sorted(rivals, key=lambda name: worth(rivals[name]))
    return ranked[: max(1, len(ranked) // ONE_IN)]
