"""Walk forward through a panel: train, validate, test, step on, and again.

Each fold is a purged split of its own, cut at one date for every symbol. Together
the folds test every cutoff of the newest sessions once.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Int, Shaped

from closecast.errors import WindowError
from closecast.market.bars import Bars
from closecast.windows.index import cutoffs_with_targets
from closecast.windows.spec import WindowSpec
from closecast.windows.split import (
    TEST_SHARE,
    VALIDATION_SHARE,
    Split,
    split_by_date,
)

FOLDS = 8
REFIT_EVERY = 63
"""Sessions between two trainings: a quarter of a year of an exchange."""

VALIDATION_TAIL = VALIDATION_SHARE / (1 - TEST_SHARE)
"""Share of the sessions before a test block that validate: that of one split."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fold:
    """One step of a walk forward.

    Attributes:
        number: Its place, counted from 1.
        train_start: First date that a training cutoff may have.
        test_stop: First date that a test cutoff may no longer have.
        split: Its blocks; no target of one reaches into the next.
    """

    number: int
    train_start: np.datetime64
    test_stop: np.datetime64
    split: Split


def walk_forward(
    bars: Bars,
    spec: WindowSpec,
    folds: int = FOLDS,
    *,
    refit_every: int = REFIT_EVERY,
    expanding: bool = False,
    broken: Bool[np.ndarray, " row"] | None = None,
) -> tuple[Fold, ...]:
    """Cut a panel into folds by date.

    A session is a date on which the panel has a window. The newest
    ``folds x refit_every`` of them are tested, ``refit_every`` in each fold; the last
    eighth of the sessions before a test block validate, those before it train.

    Args:
        bars: The panel.
        spec: Shape of a window.
        folds: Trainings.
        refit_every: Sessions that one training is tested on.
        expanding: Whether each fold trains from the first session on; otherwise the
            training block rolls, the same number of sessions in each fold.
        broken: Steps that cannot be trusted, see ``cutoffs_with_targets``.

    Returns:
        The folds, oldest first.

    Raises:
        WindowError: A number is below 1, or the panel is too short for a fold.
    """
    for name, number in (("folds", folds), ("refit_every", refit_every)):
        if number < 1:
            raise WindowError(
                f"Expected {name} to be at least 1, got {number}. Raise it."
            )
    cutoffs = cutoffs_with_targets(bars, spec, broken)
    sessions = np.unique(bars.dates[cutoffs])
    past = len(sessions) - folds * refit_every
    _require_long_enough(sessions, past, folds, refit_every, spec)
    stop = sessions[-1] + np.timedelta64(1, "D")
    cuts = [*sessions[past::refit_every], stop]
    tail = max(int(VALIDATION_TAIL * past), spec.horizon + 1)
    return tuple(
        _fold(
            bars,
            cutoffs,
            spec,
            number,
            (
                sessions[0 if expanding else (number - 1) * refit_every],
                sessions[past + (number - 1) * refit_every - tail],
                *around_test,
            ),
        )
        for number, around_test in enumerate(pairwise(cuts), start=1)
    )


def walk_back(
    bars: Bars,
    spec: WindowSpec,
    split: Split,
    folds: int,
    broken: Bool[np.ndarray, " row"] | None = None,
) -> tuple[Split, ...]:
    """Cut further folds before a split, to choose on more than one validation block.

    Each validation block ends where the next begins and has as many sessions; each
    training block ends before its own. The test block of the split is behind them all.

    Args:
        bars: The panel.
        spec: Shape of a window.
        split: The newest fold.
        folds: Folds, the newest among them.
        broken: Steps that cannot be trusted, see ``cutoffs_with_targets``.

    Returns:
        The folds, oldest first. What an older one calls its test block is the newer
        ones' validation and test: nothing may be scored on it.

    Raises:
        WindowError: The panel is too short for so many.
    """
    calendar = np.unique(bars.dates)
    start, stop = np.searchsorted(calendar, (split.validation_start, split.test_start))
    length, found = int(stop - start), [split]
    for _ in range(folds - 1):
        start, stop = start - length, start
        if start < 1:
            raise WindowError(
                f"Expected sessions to train on before {folds} validation blocks of "
                f"{length} sessions, got {len(calendar)} in all. Take fewer folds or a "
                "longer series."
            )
        cuts = str(calendar[start]), str(calendar[stop])
        found.append(split_by_date(bars, spec, *cuts, broken))
    return tuple(reversed(found))


def _fold(
    bars: Bars,
    cutoffs: Int[np.ndarray, " window"],
    spec: WindowSpec,
    number: int,
    cuts: tuple[np.datetime64, np.datetime64, np.datetime64, np.datetime64],
) -> Fold:
    start, validation, test, stop = cuts
    known, matured = bars.dates[cutoffs], bars.dates[cutoffs + spec.horizon]
    blocks = {
        "train": cutoffs[(known >= start) & (matured < validation)],
        "validation": cutoffs[(known >= validation) & (matured < test)],
        "test": cutoffs[(known >= test) & (known < stop)],
    }
    for name, block in blocks.items():
        if len(block) == 0:
            raise WindowError(
                f"Expected windows in every block of every fold, got none in {name} "
                f"of fold {number} ({start} to {stop}, validation from {validation}, "
                f"test from {test}). Use fewer folds or symbols without gaps."
            )
    return Fold(
        number=number,
        train_start=start,
        test_stop=stop,
        split=Split(validation_start=validation, test_start=test, **blocks),
    )


def _require_long_enough(
    sessions: Shaped[np.ndarray, " session"],
    past: int,
    folds: int,
    refit_every: int,
    spec: WindowSpec,
) -> None:
    # a training and a validation target each need their sessions before the test
    needed = 2 * (spec.horizon + 1)
    if past < needed:
        raise WindowError(
            f"Expected at least {folds * refit_every + needed} sessions with a window "
            f"for {folds} folds of {refit_every}, got {len(sessions)} ({sessions[0]} "
            f"to {sessions[-1]}). Use a longer series, fewer folds or a smaller "
            "refit_every."
        )
