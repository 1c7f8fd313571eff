"""Refuse windows with holes before a training, not after its loss is lost.

Panels that come from ``Bars`` have none; tables made by hand may. An unknown volume
is no hole: the engines read it as no change.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from closecast.engine.fleet import Member
from closecast.errors import TrainingError
from closecast.market.bars import VOLUME
from closecast.windows.scaling import WindowData

ROWS_AT_ONCE = 2**18
"""Rows that are looked at together: a panel may be mapped from a file."""


def require_no_holes(data: WindowData, members: Sequence[Member]) -> None:
    """Refuse members whose windows read what is no number.

    Args:
        data: The panel.
        members: Networks to train; their windows lie inside the panel.

    Raises:
        TrainingError: A window reads a NaN or an infinity, or a scale that is not
            above 0; the message names the member and the first such row.
    """
    starts = range(0, len(data.logs), ROWS_AT_ONCE)
    holes = np.concatenate([_holes(data, start) for start in starts])
    if not holes.any():
        return
    before = np.concatenate([[0], np.cumsum(holes)])
    for member in members:
        cutoffs = np.concatenate([member.train, member.validation])
        first = cutoffs - data.spec.context_length + 1
        stop = cutoffs + data.spec.horizon + 1
        hit = before[stop] > before[first]
        if hit.any():
            row = int(first[hit].min())
            row += int(np.argmax(holes[row:]))
            raise TrainingError(
                f"Expected windows without holes, got {hit.sum()} of {len(cutoffs)} "
                f"that read a NaN, an infinity or a scale of 0 (member {member.name}, "
                f"first at row {row}). Leave these windows out or mend the panel."
            )


def _holes(data: WindowData, start: int) -> Bool[np.ndarray, " some"]:
    part = slice(start, start + ROWS_AT_ONCE)
    numbers = np.delete(data.logs[part], VOLUME, axis=1)
    scale = data.scale[part]
    whole = np.isfinite(numbers).all(axis=1) & np.isfinite(scale) & (scale > 0)
    return np.asarray(~(whole & np.isfinite(data.state[part]).all(axis=1)))
