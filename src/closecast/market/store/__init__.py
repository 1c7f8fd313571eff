"""The local store: raw bars of many symbols, where they came from, adjusted series."""

from closecast.market.store.metadata import Adjustment, Batch, Conflict
from closecast.market.store.panel import Panel
from closecast.market.store.store import Outcome, Store, Stored, default_path

__all__ = [
    "Adjustment",
    "Batch",
    "Conflict",
    "Outcome",
    "Panel",
    "Store",
    "Stored",
    "default_path",
]
