"""Fit a model on a panel that need not fit in memory, and test it for leaks.

Leak tests and, where asked, the calibration need bars in memory: they take the
longest series of the panel, cut at the same dates.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from closecast.engine.fleet import Progress
from closecast.experiments.fitted import Fitted
from closecast.experiments.forecaster import Forecaster, count_trial
from closecast.training.on_disk import train_on_disk
from closecast.training.settings import Settings
from closecast.windows import split_by_date
from closecast.windows.on_disk import DiskPanel

TESTED_SYMBOLS = 8
"""Series that leak tests and calibration read, the longest ones."""


def fit_on_disk(
    panel: DiskPanel,
    *,
    on_epoch: Callable[[Progress], None] | None = None,
    **settings: object,
) -> Forecaster:
    """Do what ``Forecaster.fit`` does, over a panel on disk.

    Args:
        panel: The panel; see ``closecast.windows.on_disk.write_panel``.
        on_epoch: Called after every epoch, and on the way through a long one.
        settings: Settings by name, as in ``Forecaster``.

    Returns:
        A fitted forecaster.

    Raises:
        SettingError: A setting is unknown or out of its range.
        BarsError: A file of the panel is not as it was written.
        WindowError: The panel or its longest series are too short for the blocks.
        TrainingError: The training diverged.
        LeakageError: A forecast could have seen its own answer.
    """
    asked = Settings.of(settings)
    spec = asked.window_spec
    panel.require_intact()
    split = panel.split(spec, asked.validation_start, asked.test_start)
    dates = (str(split.validation_start), str(split.test_start))
    lengths = np.diff(panel.offsets)
    longest = np.argsort(-lengths, kind="stable")[:TESTED_SYMBOLS]
    tested = panel.bars(panel.symbols[place] for place in longest)
    blocks = split_by_date(tested, spec, *dates)  # fails before a training, not after
    resolved = replace(asked, validation_start=dates[0], test_start=dates[1])
    count_trial(panel.fingerprint, resolved)
    model = train_on_disk(panel, resolved, split, on_epoch)
    return Forecaster.of_fitted(Fitted.of(model, tested, blocks))
