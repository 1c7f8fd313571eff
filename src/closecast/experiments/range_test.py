"""The learning-rate range test: short trainings at rising rates suggest one.

A whole fleet of networks, alike but for their rate, is trained for an epoch. Too low a
rate learns nothing in that time, too high a one diverges; between them lies the rate at
which the loss falls fastest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from closecast.engine.fleet import Progress
from closecast.errors import SettingError, TrainingError
from closecast.experiments.index import Index
from closecast.experiments.members import Candidate, train_surviving
from closecast.experiments.workers import IN_PROCESS, Workers
from closecast.market.bars import Bars
from closecast.market.broken import broken_steps
from closecast.market.panels import bars_of
from closecast.models.config import require_number, require_whole
from closecast.training.settings import Settings
from closecast.windows import Split, split_by_date

LOW, HIGH, POINTS = 1e-5, 1.0, 31
"""Rates from ``LOW`` to ``HIGH``, six to a factor of ten."""


LEAST_RATES = 3
"""Fewer have no slope worth a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeTest:
    """What short trainings at rising rates came to.

    Attributes:
        rates: The learning rates, rising.
        losses: Validation loss after the training at each; None where it diverged.
        suggested: The rate at which the loss falls fastest.
        epochs: Epochs of each training.
    """

    rates: tuple[float, ...]
    losses: tuple[float | None, ...]
    suggested: float
    epochs: int

    def to_dict(self) -> dict[str, Any]:
        """Lay it out as plain values.

        Returns:
            Rates, losses, the suggested rate and the epochs by name.
        """
        return {
            "suggested": self.suggested,
            "epochs": self.epochs,
            "rates": list(self.rates),
            "losses": list(self.losses),
        }


def range_test(  # noqa: PLR0913  each is a choice of its own
    prices: object,
    *,
    low: float = LOW,
    high: float = HIGH,
    points: int = POINTS,
    epochs: int = 1,
    index: str | Path | None = None,
    on_epoch: Callable[[Progress], None] | None = None,
    workers: Workers = IN_PROCESS,
    **settings: object,
) -> RangeTest:
    """Train at rising learning rates for a short time and suggest one.

    Args:
        prices: A frame, a path or a panel; see ``closecast.read_prices``.
        low: The lowest rate.
        high: The highest rate.
        points: Rates, evenly spaced by their logarithm.
        epochs: Epochs of each training.
        index: The index that counts trials; see ``closecast.experiments.index``.
        on_epoch: Called after each epoch of each network.
        workers: Where networks are trained; see ``closecast.experiments.workers``.
        **settings: Any other setting of a training but ``learning_rate``.

    Returns:
        Losses by rate, and the rate that they suggest.

    Raises:
        BarsError: The prices break a rule.
        SettingError: A setting cannot be used, or the index cannot.
        WindowError: The prices are too short for the blocks.
        TrainingError: Fewer than three rates were trained without divergence.

    Source: Smith (2017), Cyclical Learning Rates for Training Neural Networks,
    doi:10.1109/WACV.2017.58; each rate has a network of its own here, so that none
    starts from what the rate before it has spoilt.
    """
    rates = _rates(low, high, points)
    if "learning_rate" in settings:
        raise SettingError(
            "Expected no learning_rate in a range test, got one. Give low and high."
        )
    base = Settings.of({**settings, "epochs": epochs, "early_stopping": False})
    bars = bars_of(prices)
    split = split_by_date(
        bars,
        base.window_spec,
        base.validation_start,
        base.test_start,
        broken_steps(bars),
    )
    candidates = [
        Candidate(
            name=f"learning_rate={rate:.3g}",
            values={"learning_rate": rate},
            settings=replace(base, learning_rate=rate),
        )
        for rate in rates
    ]
    hashes = [one.settings.hash for one in candidates]
    Index(index).add_trials(bars.fingerprint, hashes)
    losses = _losses(bars, split, candidates, on_epoch, workers)
    return RangeTest(
        rates=tuple(rates),
        losses=tuple(losses),
        suggested=suggest(rates, losses),
        epochs=epochs,
    )


def _losses(
    bars: Bars,
    split: Split,
    candidates: Sequence[Candidate],
    on_epoch: Callable[[Progress], None] | None,
    workers: Workers,
) -> list[float | None]:
    # of each rate; what workers give comes in any order
    size = workers.fleet_size(len(candidates), len(candidates))
    fleets = [candidates[at : at + size] for at in range(0, len(candidates), size)]
    found = dict(workers.run(_train, (bars, split), fleets, on_epoch))
    return [loss for place in sorted(found) for loss in found[place]]


def _train(
    data: tuple[Bars, Split],
    fleet: Sequence[Candidate],
    on_epoch: Callable[[Progress], None] | None = None,
) -> list[float | None]:
    bars, split = data
    return [
        None if isinstance(one, TrainingError) else one.curve.validation_loss[-1]
        for one in train_surviving(bars, fleet, (split,), on_epoch)
    ]


def suggest(rates: Sequence[float], losses: Sequence[float | None]) -> float:
    """Find the rate at which the loss falls fastest.

    Losses are smoothed by the median of three, and only rates up to the one of the
    least loss are looked at: beyond it a loss falls by luck.

    Args:
        rates: Learning rates, rising.
        losses: Loss at each; None where the training diverged.

    Returns:
        One of the rates.

    Raises:
        TrainingError: Fewer than three have a loss.
    """
    known = [(r, v) for r, v in zip(rates, losses, strict=True) if v is not None]
    if len(known) < LEAST_RATES:
        raise TrainingError(
            f"Expected at least {LEAST_RATES} rates that train without divergence, got "
            f"{len(known)} of {len(rates)}. Lower low and high."
        )
    trained = np.array([rate for rate, _ in known])
    smooth = _median_of_three(np.array([loss for _, loss in known]))
    last = max(1, int(np.argmin(smooth)))
    slopes = np.gradient(smooth, np.log(trained))[: last + 1]
    return float(trained[int(np.argmin(slopes))])


def _median_of_three(values: Float[np.ndarray, " rate"]) -> Float[np.ndarray, " rate"]:
    padded = np.pad(values, 1, mode="edge")
    return np.asarray(np.median([padded[:-2], values, padded[2:]], axis=0))


def _rates(low: float, high: float, points: int) -> list[float]:
    require_number("low", low, 0.0, 1e3, open_ends="low")
    require_number("high", high, low, 1e3, open_ends="low")
    require_whole("points", points, LEAST_RATES, 10_000)
    return [float(f"{rate:.6g}") for rate in np.geomspace(low, high, points)]
