"""Forecasts as they are sent: laid out once, kept as bytes, and sent again.

What is kept belongs to one model and one state of the prices; when either changes, all
of it is dropped.
"""

import datetime as dt
import threading
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
from jaxtyping import Int

from closecast.forecast import Forecast as Distribution
from closecast.serving.api import shapes
from closecast.serving.desk import Made, Serving

MOST_KEPT = 4096
"""Answers in memory, some kilobytes each."""


class Answers:
    """Answers that are ready."""

    def __init__(self) -> None:
        self._epoch: object = None
        self._kept: OrderedDict[object, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def ready(self, epoch: object, key: object) -> bytes | None:
        """Find an answer.

        Args:
            epoch: What all answers depend on.
            key: Which answer.

        Returns:
            Its bytes; None if it has to be made.
        """
        return self._kept.get(key) if epoch == self._epoch else None

    def keep(self, epoch: object, key: object, make: Callable[[], bytes]) -> bytes:
        """Make an answer and keep it.

        Args:
            epoch: What all answers depend on.
            key: Which answer.
            make: What makes it.

        Returns:
            Its bytes.
        """
        content = make()
        with self._lock:
            if epoch != self._epoch:
                self._epoch, self._kept = epoch, OrderedDict()
            self._kept[key] = content
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return content


def computed(serving: Serving, made: Made) -> shapes.Forecast:
    """Lay out a forecast that was made now.

    Args:
        serving: The model.
        made: What it made.

    Returns:
        What is sent, without a record.
    """
    forecast = made.forecast
    return shapes.Forecast(
        symbol=str(forecast.symbols[0]),
        cutoff=forecast.cutoffs[0].item(),
        origin="computed",
        made_at=dt.datetime.now(dt.UTC),
        late=False,
        last_close=_price(forecast.last_close[0]),
        steps=steps_of(forecast),
        model=shapes.ModelShape(version=serving.version, hash=serving.model_hash),
        data=made.data,
        notes=list(made.notes),
        verdict=verdict_of(serving),
        record=None,
    )


def steps_of(forecast: Distribution, window: int = 0) -> list[shapes.Step]:
    """Lay out the steps of a window.

    Args:
        forecast: The forecast.
        window: Which of its windows.

    Returns:
        One entry a session ahead, in price units.
    """
    one = forecast.take(_rows(window))
    mean, median = one.price(one.mean)[0], one.price(one.quantile(0.5))[0]
    ends = {
        level: [one.price(one.quantile(share))[0] for share in _ends(level)]
        for level in shapes.LEVELS
    }
    return [
        shapes.Step(
            step=step + 1,
            date=one.target_dates[0, step].item(),
            mean=_price(mean[step]),
            median=_price(median[step]),
            intervals={
                level: (_price(low[step]), _price(high[step]))
                for level, (low, high) in ends.items()
            },
        )
        for step in range(one.horizon)
    ]


def verdict_of(serving: Serving) -> shapes.Verdict | None:
    """Say what the model was judged to be worth.

    Args:
        serving: The model.

    Returns:
        The verdict of its scoreboard; None if it has none.
    """
    board = serving.scoreboard
    if board is None:
        return None
    return shapes.Verdict(
        text=board["verdict"],
        why=board["why"],
        suspicious=bool(board.get("suspicious", False)),
    )


def _rows(window: int) -> Int[np.ndarray, " one"]:
    return np.array([window])


def _ends(level: str) -> tuple[float, float]:
    tail = (1 - int(level) / 100) / 2
    return tail, 1 - tail


def _price(value: float) -> float:
    return float(f"{value:.10g}")
