"""Cut a panel's windows into train, validation and test by date, with purge.

One date cuts every symbol. No target of a block reaches into the next, while a
context may reach back over a cut: what it reads was known.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int, Shaped

from closecast.errors import WindowError
from closecast.market.bars import Bars
from closecast.windows.index import cutoffs_with_targets
from closecast.windows.spec import WindowSpec

VALIDATION_SHARE = 0.1
TEST_SHARE = 0.2

Cuts = tuple[np.datetime64, np.datetime64]
"""First session of validation, and of test."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """Cutoffs of three blocks that do not see each other.

    Attributes:
        validation_start: First date that a validation cutoff may have; every
            training target lies before it.
        test_start: The same for the test block.
        train: Rows of the training cutoffs.
        validation: Rows of the validation cutoffs.
        test: Rows of the test cutoffs.
    """

    validation_start: np.datetime64
    test_start: np.datetime64
    train: Int[np.ndarray, " train_window"]
    validation: Int[np.ndarray, " validation_window"]
    test: Int[np.ndarray, " test_window"]

    @classmethod
    def of(
        cls,
        cuts: Cuts,
        blocks: dict[str, Int[np.ndarray, "..."]],
        spec: WindowSpec,
        calendar: Shaped[np.ndarray, " date"],
    ) -> "Split":
        """Put blocks together, if each has a window.

        Args:
            cuts: First session of validation and of test.
            blocks: Cutoffs by name: train, validation, test.
            spec: Shape of a window.
            calendar: Sessions of the panel, ascending.

        Returns:
            The split.

        Raises:
            WindowError: A block is empty.
        """
        validation, test = cuts
        for name, block in blocks.items():
            if len(block) == 0:
                raise WindowError(
                    f"Expected windows in every block, got none in {name} (bars "
                    f"{calendar[0]} to {calendar[-1]}, validation_start {validation}, "
                    f"test_start {test}, {spec.length} bars a window). Use a longer "
                    "series or other dates."
                )
        return cls(validation_start=validation, test_start=test, **blocks)


def split_by_date(
    bars: Bars,
    spec: WindowSpec,
    validation_start: str | None = None,
    test_start: str | None = None,
    broken: Bool[np.ndarray, " row"] | None = None,
) -> Split:
    """Split a panel at two dates.

    Args:
        bars: The panel.
        spec: Shape of a window.
        validation_start: ISO date; by default the last 30 % of the sessions are
            left for validation (10 %) and test (20 %).
        test_start: ISO date.
        broken: Steps that cannot be trusted, see ``cutoffs_with_targets``.

    Returns:
        The blocks. A window whose target crosses a cut is in none of them.

    Raises:
        WindowError: A date is not ISO, the dates are in the wrong order, or a block
            would be empty.
    """
    calendar = np.unique(bars.dates)
    cuts = resolve_dates(calendar, validation_start, test_start)
    cutoffs = cutoffs_with_targets(bars, spec, broken)
    blocks = in_blocks(bars.dates, cutoffs, spec.horizon, cuts)
    return Split.of(cuts, blocks, spec, calendar)


def resolve_dates(
    calendar: Shaped[np.ndarray, " date"],
    validation_start: str | None,
    test_start: str | None,
) -> Cuts:
    """Find the dates that a panel is cut at.

    Args:
        calendar: Its sessions, ascending.
        validation_start: ISO date, or None for the shares of this module.
        test_start: The same.

    Returns:
        The first session of validation and of test.

    Raises:
        WindowError: A date is not ISO, or no bar lies before ``test_start``.
    """
    test = _date(test_start, "test_start", calendar, 1 - TEST_SHARE)
    before_test = calendar[calendar < test]
    share = (1 - TEST_SHARE - VALIDATION_SHARE) / (1 - TEST_SHARE)
    if len(before_test) == 0:
        raise WindowError(
            f"Expected bars before test_start, got {test} and a first bar of "
            f"{calendar[0]}. Choose a later date."
        )
    return _date(validation_start, "validation_start", before_test, share), test


def in_blocks(
    dates: Shaped[np.ndarray, " row"],
    cutoffs: Int[np.ndarray, " window"],
    horizon: int,
    cuts: Cuts,
) -> dict[str, Int[np.ndarray, " window"]]:
    """Deal cutoffs out to the blocks; one whose target crosses a cut is in none.

    Args:
        dates: Session of each row.
        cutoffs: Rows with a whole window.
        horizon: Closes that are forecast.
        cuts: First session of validation and of test.

    Returns:
        Cutoffs by the block's name.
    """
    validation, test = cuts
    known, matured = dates[cutoffs], dates[cutoffs + horizon]
    return {
        "train": cutoffs[matured < validation],
        "validation": cutoffs[(known >= validation) & (matured < test)],
        "test": cutoffs[known >= test],
    }


def _date(
    text: str | None, name: str, calendar: Shaped[np.ndarray, " date"], share: float
) -> np.datetime64:
    if text is None:
        return np.datetime64(
            calendar[min(int(share * len(calendar)), len(calendar) - 1)]
        )
    try:
        return np.datetime64(text, "D")
    except ValueError as error:
        raise WindowError(
            f"Expected an ISO date such as 2012-01-31 for {name}, got {text!r}. "
            "Write year, month and day."
        ) from error
