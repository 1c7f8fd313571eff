"""Forecast the next closes of a stock or a coin, and know how far to trust them.

``import closecast as cc`` is light: what a name needs is loaded when it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from closecast.cluster.workers import RayWorkers as RayWorkers
    from closecast.experiments.forecaster import Forecaster as Forecaster
    from closecast.experiments.outside import leak_test as leak_test
    from closecast.experiments.search import search as search
    from closecast.experiments.sweep import sweep as sweep
    from closecast.market.panels import read_prices as read_prices
    from closecast.market.sample import sample_prices as sample_prices

__version__ = "0.1.0"

_HOMES = {
    "Forecaster": "closecast.experiments.forecaster",
    "RayWorkers": "closecast.cluster.workers",
    "leak_test": "closecast.experiments.outside",
    "read_prices": "closecast.market.panels",
    "sample_prices": "closecast.market.sample",
    "search": "closecast.experiments.search",
    "sweep": "closecast.experiments.sweep",
}

__all__ = [
    "Forecaster",
    "RayWorkers",
    "__version__",
    "leak_test",
    "read_prices",
    "sample_prices",
    "search",
    "sweep",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'closecast' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
