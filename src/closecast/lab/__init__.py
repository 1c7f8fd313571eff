"""The lab: the lecture's own names over the real parts, and its lessons.

What a notebook of the lecture imports is here under the name that it has there. The
windows are those of ``closecast.windows``, the network is ``closecast.models.lstm`` and
``experiment`` trains on the engine, so that what is learned here holds elsewhere.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from closecast.lab.charts import plot_acc as plot_acc
    from closecast.lab.charts import plot_loss_variation as plot_loss_variation
    from closecast.lab.dataset import StockDataset as StockDataset
    from closecast.lab.fonts import use_hangul as use_hangul
    from closecast.lab.loop import experiment as experiment
    from closecast.lab.network import LSTM as LSTM
    from closecast.lab.picture import Picture as Picture
    from closecast.lab.picture import canvas as canvas
    from closecast.lab.picture import show as show
    from closecast.lab.results import load_exp_result as load_exp_result
    from closecast.lab.results import save_exp_result as save_exp_result

_HOMES = {
    "LSTM": "closecast.lab.network",
    "Picture": "closecast.lab.picture",
    "StockDataset": "closecast.lab.dataset",
    "canvas": "closecast.lab.picture",
    "experiment": "closecast.lab.loop",
    "load_exp_result": "closecast.lab.results",
    "plot_acc": "closecast.lab.charts",
    "plot_loss_variation": "closecast.lab.charts",
    "save_exp_result": "closecast.lab.results",
    "show": "closecast.lab.picture",
    "use_hangul": "closecast.lab.fonts",
}

__all__ = [
    "LSTM",
    "Picture",
    "StockDataset",
    "canvas",
    "experiment",
    "load_exp_result",
    "plot_acc",
    "plot_loss_variation",
    "save_exp_result",
    "show",
    "use_hangul",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'closecast.lab' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
